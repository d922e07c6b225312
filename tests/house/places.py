"""Where the house rules look, and how they report: every problem at once, one line each, with the
file, the line, and what to do."""

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CODE = ("services", "gateway", "deploy", "protos", "tests")
SERVICES = ("fees", "fx", "payments", "providers")
SKIPPED_FOLDERS = {"__pycache__", "gen", "node_modules"}


@cache
def files(*patterns: str, below: tuple[str, ...] = CODE) -> tuple[Path, ...]:
    """Our own files below the folders, by the patterns of their names, sorted."""
    return tuple(
        sorted(
            path
            for folder in below
            for pattern in patterns
            for path in (ROOT / folder).rglob(pattern)
            if path.is_file() and not SKIPPED_FOLDERS & set(path.relative_to(ROOT).parts)
        )
    )


@cache
def tree(path: Path) -> ast.Module:
    """A Python file, parsed."""
    return ast.parse(path.read_text(), str(path))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function of a Python file."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def at(path: Path, line: int, advice: str) -> str:
    """One line of a report."""
    return f"{path.relative_to(ROOT)}:{line}: {advice}"


def check(problems: Iterable[str]) -> None:
    """Fails with all problems, or passes."""
    found = list(problems)
    assert not found, f"{len(found)} to fix\n" + "\n".join(found)
