"""Sentences and the names of tests have the order subject, verb, object: none begins with a free
relative, such as "What a provider says"."""

import re
from collections.abc import Iterator
from pathlib import Path

from tests.house import prose
from tests.house.places import at, check, files, functions

# At the beginning of a piece, after a full stop or a colon, in a cell of a table, after emphasis.
BEGINS = re.compile(
    r"(?:^|[.!?:] |\| |\*\* )(?:[#>|*_\-\"'(]|\d+\.|\s)*"
    r"(?P<sentence>(?:What|Who|Whose|Whom|Whoever|Whatever)\b[^.?!|]*[.?!|]?)"
)
RELATIVE_NAME = re.compile(
    r"test_(?:what|who|whose|whom|which|how|whatever|whoever|whichever)(?:_|$)"
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


def name_findings(path: Path) -> tuple[str, ...]:
    """Each test of the file whose name begins so, as a line of a report."""
    return tuple(
        at(path, function.lineno, f"begin with the subject: {function.name}")
        for function in functions(path)
        if RELATIVE_NAME.match(function.name)
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


def test_no_name_of_a_test_begins_with_a_free_relative() -> None:
    check(finding for path in files("*.py", below=("tests",)) for finding in name_findings(path))


def test_name_that_begins_with_a_free_relative_is_found() -> None:
    found = (
        "test_what_expired_is_refused",
        "test_who_waits_enters",
        "test_whose_key_is_used_is_refused",
        "test_whatever_comes_is_stored",
        "test_whoever_calls_is_answered",
        "test_which_provider_pays",
        "test_how_much_is_paid",
    )
    passed = (
        "test_expired_quote_is_refused",
        "test_whole_amount_is_paid",
        "test_caller_who_waits_enters",
        "what_is_asked",
    )

    assert all(RELATIVE_NAME.match(name) for name in found)
    assert not any(RELATIVE_NAME.match(name) for name in passed)
