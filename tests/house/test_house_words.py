"""One word for one thing: docs/words.md has the words of the project and those that are not used;
contracts, documents, comments, texts and names keep to it."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from gateway.contract import read_contract
from gateway.openapi import DESCRIPTOR
from services.payments.base.tables import metadata
from services.payments.model.attempt import AttemptState
from services.payments.model.holds import HoldReason
from services.payments.model.payment import State
from tests.house import prose
from tests.house.places import ROOT, at, check

PAGE = ROOT / "docs" / "words.md"
GLOSSARY = "## The glossary"
# A reader keeps so many in mind; a word of plain English, or one that its use explains, needs none.
GLOSSARY_ROWS_MAX = 70
UNUSED = "## Words that are not used"
SQL = re.compile(r"\b(SELECT|INSERT INTO|UPDATE|DELETE FROM|CASE WHEN)\b")
# The column `nudged` of payments keeps its name: the version before, which runs on during a
# replacement, reads and writes it.
COLUMNS = {column.name for table in metadata.sorted_tables for column in table.columns}
# Three decisions from before the word was listed; each is corrected with its next change.
OLDER_DECISIONS = ("0115", "0138", "0142")
# Enums whose values are words of the glossary.
ENUMS = (
    "caravel.payments.v1.Payment.Status",
    "caravel.payments.v1.Quote.State",
    "caravel.payments.v1.DeadLetter.Kind",
    "caravel.payments.v1.WebhookReceipt.Result",
    "caravel.payments.v1.ResolveAttemptRequest.Outcome",
    "caravel.providers.v1.OperationKind",
    "caravel.providers.v1.Outcome",
)


def rows(heading: str) -> dict[str, str]:
    """The rows of the table under a heading of the page: the first cell, and the second."""
    section = PAGE.read_text().partition(f"{heading}\n")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| (.+?) \| (.+) \|$", section, re.MULTILINE)
    return dict(cells[1:])


@cache
def unused() -> dict[str, str]:
    """Each word that is not used, with the words to use instead."""
    table = rows(UNUSED).items()
    return {word: instead for listed, instead in table for word in listed.split(", ")}


@cache
def _pattern() -> re.Pattern[str]:
    return re.compile(rf"\b({'|'.join(map(re.escape, unused()))})\b", re.IGNORECASE)


def pieces(path: Path) -> Iterator[prose.Piece]:
    """All that a reader reads in a file: sentences and, of code, texts and names."""
    yield from prose.paragraphs(path)
    if prose.is_python(path) or path.suffix == ".lua":
        yield from prose.names(path)
        yield from prose.texts(path)


def _words(piece: prose.Piece) -> list[str]:
    """The words in the piece that are not used, without those in backticks, which are code, and
    without columns in SQL, which keep the names that the database has."""
    text = re.sub(r"`[^`]*`", "", piece.text)
    words = _pattern().findall(text)
    return [word for word in words if word not in COLUMNS] if SQL.search(text) else words


def findings(path: Path) -> tuple[str, ...]:
    """Each word in the file that is not used, as a line of a report."""
    found = {(piece.line, word.lower()) for piece in pieces(path) for word in _words(piece)}
    if path.parent.name == "decisions" and path.name.startswith(OLDER_DECISIONS):
        found = {one for one in found if one[1] != "tell"}
    return tuple(
        at(path, line, f'"{word}": write {unused()[word]}') for line, word in sorted(found)
    )


def test_words_that_are_not_used_appear_nowhere() -> None:
    paths = [path for path in prose.sources() if path != PAGE]
    check(finding for path in paths for finding in findings(path))


def test_names_of_files_and_folders_use_the_words_as_well() -> None:
    check(
        at(path, 1, f'"{word}" in the name: write {unused()[word]}')
        for path in prose.sources()
        for word in in_name(path)
    )


def in_name(path: Path) -> list[str]:
    """The words in the file's path that are not used."""
    words = " ".join(map(prose.words_of, path.relative_to(ROOT).parts))
    return _pattern().findall(words)


def test_glossary_has_each_word_once_in_one_line() -> None:
    table = rows(GLOSSARY)
    terms = [term for row in table for term in row.split(", ")]
    assert 50 <= len(table) <= GLOSSARY_ROWS_MAX
    assert not {term for term in terms if terms.count(term) > 1}
    assert not set(terms) & unused().keys()


def test_glossary_spells_the_states_outcomes_and_reasons_as_the_contract_does() -> None:
    contract = read_contract(DESCRIPTOR)
    values = {
        *(value.name for name in ENUMS for value in contract.enums[name].value if value.number),
        *State,
        *AttemptState,
        *HoldReason,
    }
    written = set(re.findall(r"`(\w+)`", "\n".join(rows(GLOSSARY).values())))
    check(
        at(PAGE, 1, f"{value} is a word of the contract; explain it") for value in values - written
    )


WORD = next(iter(unused()))
TEXTS = {
    "module.py": (
        f'"""The client is {WORD}."""\n'
        f"# The client was {WORD}.\n"
        f'is_{WORD} = "The client is {WORD}."\n'
        f"def client_is_{WORD}(un{WORD}: str) -> None:\n"
        f'    """As `{WORD}` by the server."""\n',
        [1, 2, 3, 3, 4],
    ),
    "module.lua": (
        f"-- The client was {WORD}.\n"
        f'local is_{WORD} = "The client is {WORD}."\n'
        f"local un{WORD} = 1\n",
        [1, 2, 2],
    ),
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_word_is_found_in_a_comment_a_docstring_a_text_and_a_name(
    tmp_path: Path, name: str
) -> None:
    path, (text, lines) = tmp_path / name, TEXTS[name]
    path.write_text(text)

    found = [piece.line for piece in pieces(path) if _words(piece)]

    assert sorted(found) == lines


def test_the_bootstrap_and_the_project_file_are_read() -> None:
    assert {prose.SCRIPT, ROOT / "pyproject.toml"} <= set(prose.sources())
    assert any(piece.text == "check python" for piece in pieces(prose.SCRIPT))


def test_a_column_keeps_its_name_in_sql_alone(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text('SQL = "UPDATE payments SET nudged = true"\ntext = "It is nudged."\n')

    assert [piece.line for piece in pieces(path) if _words(piece)] == [2]
