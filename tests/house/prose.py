"""The sentences of the project: documents, comments, docstrings, and the texts and names in code.
Each piece has its file and line, so that the rules about words and sentences report the place."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.house.places import CODE, ROOT, files, tree

# The comment mark of each kind of file.
MARKS = {
    ".proto": "//",
    ".lua": "--",
    ".yaml": "#",
    ".yml": "#",
    ".toml": "#",
    ".sh": "#",
    ".sql": "--",
}
# Python without the suffix.
SCRIPT = ROOT / "caravel"
# A string or a name of Lua; a comment, which is read as a paragraph, matches before them.
LUA_TOKEN = re.compile(r'--[^\n]*|"(?P<text>[^"\n]*)"|(?P<name>[A-Za-z_]\w*)')
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
# A migration is written once and keeps the names of its time.
FROZEN = "migrations"


@dataclass(frozen=True)
class Piece:
    """A paragraph, a text or a name, and the line on which it begins."""

    path: Path
    line: int
    text: str


@cache
def sources() -> tuple[Path, ...]:
    """Every file whose words count: our code, its configuration, and the documents."""
    kinds = ("*.py", "*.md", *(f"*{mark}" for mark in MARKS))
    found = [
        *(SCRIPT, ROOT / "docker-compose.yml", ROOT / "pyproject.toml"),
        *ROOT.glob("*.md"),
        *files(*kinds, below=(*CODE, "docs")),
    ]
    return tuple(path for path in found if FROZEN not in path.parts)


def is_python(path: Path) -> bool:
    """Whether the file is Python, as its name says."""
    return path.suffix == ".py" or path == SCRIPT


def paragraphs(path: Path) -> Iterator[Piece]:
    """The document's or the comments' and docstrings' paragraphs, each on one line of text."""
    if path.suffix == ".md":
        yield from _joined(path, enumerate(path.read_text().splitlines(), 1))
    elif is_python(path):
        yield from _joined(path, _comments(path))
        for line, text in _docstrings(path):
            yield from _joined(path, enumerate(text.splitlines(), line))
    else:
        mark = re.compile(rf"^\s*{MARKS[path.suffix]}\s?(.*)$")
        lines = enumerate(path.read_text().splitlines(), 1)
        yield from _joined(
            path, ((n, found[1]) for n, line in lines if (found := mark.match(line)))
        )


def _joined(path: Path, lines: Iterator[tuple[int, str]]) -> Iterator[Piece]:
    """Successive lines are one paragraph; a row, an item and a heading begin a new one."""
    start, before, parts = 0, -1, list[str]()
    for number, line in lines:
        text = line.strip()
        begins = number != before + 1 or re.match(r"[|#]|[-*] |\d+\. |```", text)
        if parts and (begins or not text):
            yield Piece(path, start, " ".join(parts))
            parts = []
        if text:
            start = start if parts else number
            parts.append(text)
        before = number
    if parts:
        yield Piece(path, start, " ".join(parts))


def _comments(path: Path) -> Iterator[tuple[int, str]]:
    for token in _tokens(path):
        if token.type == tokenize.COMMENT and not re.match(r"# (noqa|type: ignore)", token.string):
            yield token.start[0], token.string.lstrip("# ")


@cache
def _tokens(path: Path) -> tuple[tokenize.TokenInfo, ...]:
    """The comments and names of a file."""
    read = tokenize.generate_tokens(io.StringIO(path.read_text()).readline)
    return tuple(token for token in read if token.type in (tokenize.COMMENT, tokenize.NAME))


@cache
def _nodes(path: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(tree(path)))


@cache
def _docstrings(path: Path) -> tuple[tuple[int, str], ...]:
    nodes = [node for node in _nodes(path) if isinstance(node, DOCUMENTED)]
    firsts = [node.body[0] for node in nodes if node.body]
    return tuple(
        (first.lineno, first.value.value)
        for first in firsts
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
        if isinstance(first.value.value, str)
    )


def texts(path: Path) -> Iterator[Piece]:
    """Every text in the code that people read: a constant, or a part of one, with a blank in it."""
    if path.suffix == ".lua":
        yield from (piece for piece in _lua(path, "text") if " " in piece.text)
        return
    documented = {line for line, _ in _docstrings(path)}
    for node in _nodes(path):
        match node:
            case ast.Constant(value=str(text), lineno=line) if " " in text:
                if line not in documented:
                    yield Piece(path, line, text)


def names(path: Path) -> Iterator[Piece]:
    """Every name in the code, its words apart: `late_funds` and `LateFunds` are `late funds`."""
    if path.suffix == ".lua":
        for piece in _lua(path, "name"):
            yield Piece(path, piece.line, words_of(piece.text))
        return
    for token in _tokens(path):
        if token.type == tokenize.NAME:
            yield Piece(path, token.start[0], words_of(token.string))


def _lua(path: Path, kind: str) -> Iterator[Piece]:
    """The texts or the names of a program in Lua."""
    for line, written in enumerate(path.read_text().splitlines(), 1):
        for found in LUA_TOKEN.finditer(written):
            if found[kind]:
                yield Piece(path, line, found[kind])


@cache
def words_of(name: str) -> str:
    """The words of a name, in small letters."""
    return re.sub(r"_+|(?<=[a-z0-9])(?=[A-Z])", " ", name).strip().lower()
