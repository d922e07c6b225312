"""The commands that the documents show: those in blocks, line by line as they are pasted, and those
that stand in a sentence."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.conftest import ROOT

# The pages of a person who tries it all; the services' own pages have tables of variables.
PAGES = ("README.md", "CONTRIBUTING.md")
FOLDERS = ("docs", "services", "gateway", "deploy", "protos", "tests")
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"`([^`\n]+(?:\n[^`\n]+)?)`")
# With these a command begins.
TOOLS = ("./caravel", "docker", "curl", "grpcurl", "uv", "alembic", "buf", "go", "git", "ruff")
_BEGINS = re.compile(rf"^(?:python3? |{'|'.join(re.escape(f'{tool} ') for tool in TOOLS)})")


@dataclass(frozen=True)
class Shown:
    """A command, or a block of them, and the document that shows it."""

    page: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}: {self.text.splitlines()[0]}"


@cache
def pages() -> tuple[Path, ...]:
    """Every document."""
    found = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.md")]
    return tuple(dict.fromkeys([*(ROOT / page for page in PAGES), *sorted(found)]))


@cache
def blocks() -> tuple[Shown, ...]:
    """Every block that is for a shell."""
    return tuple(
        Shown(_name(page), text)
        for page in pages()
        for language, text in _BLOCK.findall(page.read_text())
        if language == "sh"
    )


@cache
def unnamed_blocks() -> tuple[Shown, ...]:
    """Every block that does not say what it is for."""
    return tuple(
        Shown(_name(page), text)
        for page in pages()
        for language, text in _BLOCK.findall(page.read_text())
        if not language
    )


@cache
def sentences() -> tuple[Shown, ...]:
    """Every command that stands in a sentence, a table or a list."""
    return tuple(
        Shown(_name(page), " ".join(text.split()))
        for page in pages()
        for text in _INLINE.findall(_BLOCK.sub("", page.read_text()))
        if _BEGINS.match(text)
    )


def commands(block: Shown) -> list[Shown]:
    """The commands of a block, without comments; a line that ends with a backslash goes on."""
    joined = block.text.replace("\\\n", " ")
    # A quoted text may go on over lines as well.
    lines: list[str] = []
    for line in joined.splitlines():
        is_open = bool(lines) and lines[-1].count("'") % 2 == 1
        if is_open:
            lines[-1] += f"\n{line}"
        elif line.split("#")[0].strip():
            lines.append(line.split(" #")[0].strip())
    return [Shown(block.page, line) for line in lines]


def is_command(block: Shown) -> bool:
    """Whether a block that does not say so is for a shell after all."""
    return bool(_BEGINS.match(block.text))


def _name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()
