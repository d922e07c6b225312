"""Sentences have the order subject, verb, object: none begins with a free relative, such as "What a
provider says"."""

import re
from collections.abc import Iterator
from pathlib import Path

from tests.house import prose
from tests.house.places import at, check

# At the beginning of a piece, after a full stop or a colon, in a cell of a table, after emphasis.
BEGINS = re.compile(
    r"(?:^|[.!?:] |\| |\*\* )(?:[#>|*_\-\"'(]|\d+\.|\s)*"
    r"(?P<sentence>(?:What|Who|Whose|Whom|Whoever|Whatever)\b[^.?!|]*[.?!|]?)"
)


def _sentences(path: Path) -> Iterator[tuple[int, str]]:
    for piece in prose.paragraphs(path):
        for found in BEGINS.finditer(piece.text):
            if not found["sentence"].endswith("?"):
                yield piece.line, found["sentence"]


def findings(path: Path) -> tuple[str, ...]:
    """Each sentence of the file that begins so, as a line of a report."""
    return tuple(
        at(path, line, f'begin with the subject, not with "{sentence[:40]}"')
        for line, sentence in _sentences(path)
    )


def test_no_statement_begins_with_a_free_relative() -> None:
    check(finding for path in prose.sources() for finding in findings(path))


def test_a_question_may_begin_with_who_and_what() -> None:
    found = (
        "What a provider says.",
        "Read it. Whoever comes waits.",
        "## What it shows",
        "| Who acted |",
    )
    passed = ("What is true if the process dies here?", "It says what it knows.", "Whatsoever")

    assert all(
        any(not one["sentence"].endswith("?") for one in BEGINS.finditer(text)) for text in found
    )
    assert all(one["sentence"].endswith("?") for text in passed for one in BEGINS.finditer(text))
