"""The modules of payments, and tests of them, that do not keep the rules about words and sentences
yet: waiting.txt has the names of their files. A name leaves it when its file is rewritten."""

from pathlib import Path

WAITING = frozenset(Path(__file__).with_suffix(".txt").read_text().split())


def is_waiting(path: Path) -> bool:
    """Whether the file is on the list."""
    near = {"payments", "planted"} & set(path.parts) or path.parent.name in ("chaos", "tests")
    return path.suffix == ".py" and path.stem in WAITING and bool(near)
