"""The decisions are short, have their five parts, name each other in both directions, and are all
in the index."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.house.places import ROOT, at, check

FOLDER = ROOT / "docs" / "decisions"
INDEX = FOLDER / "README.md"
LINES = 15
NAME = re.compile(r"(?P<number>\d{4})-[a-z0-9]+(-[a-z0-9]+)*\.md")
PARTS = ("Question", "Choice", "Reasons", "Cost", "Look again")
STATUS = re.compile(
    r"\d{4}-\d{2}-\d{2}( · (in force|(superseded|amended) by \[.+|(supersedes|amends) \[.+))+"
)
RELATION = re.compile(r"(superseded by|supersedes|amended by|amends) \[\d{4}\]\(([^)]+)\)")
INVERSE = {
    "supersedes": "superseded by",
    "superseded by": "supersedes",
    "amends": "amended by",
    "amended by": "amends",
}


@dataclass(frozen=True)
class Decision:
    """One file: its title line, the line of its date and status, and its parts."""

    path: Path
    lines: tuple[str, ...]

    @property
    def number(self) -> int:
        """The number in the file's name."""
        return int(self.path.name[:4])

    @property
    def title(self) -> str:
        """The heading without the number."""
        return self.lines[0].partition(". ")[2]

    @property
    def status(self) -> str:
        """The date, whether it is in force, and the decisions that it changes or that change it."""
        return self.lines[2]

    @property
    def relations(self) -> set[tuple[str, str]]:
        """Each relation with the name of the other file."""
        return set(RELATION.findall(self.status))

    def row(self) -> str:
        """The decision's line in the index."""
        return f"| [{self.number:04d}]({self.path.name}) | {self.title} | {self.status} |"


@cache
def decisions() -> tuple[Decision, ...]:
    """Every decision, oldest first."""
    paths = sorted(path for path in FOLDER.glob("*.md") if path != INDEX)
    return tuple(Decision(path, tuple(path.read_text().splitlines())) for path in paths)


def test_decisions_are_numbered_without_gap() -> None:
    check(
        at(one.path, 1, "name it NNNN-title.md, in small letters, digits and hyphens")
        for one in decisions()
        if not NAME.fullmatch(one.path.name)
    )
    check(
        at(one.path, 1, f"number it {number:04d}")
        for number, one in enumerate(decisions(), 1)
        if one.number != number or not one.lines[0].startswith(f"# {number:04d}. ")
    )


def test_decisions_are_short() -> None:
    check(
        at(one.path, len(one.lines), f"{len(one.lines)} lines of {LINES}; move measurements away")
        for one in decisions()
        if len(one.lines) > LINES or max(map(len, one.lines[3:])) > 120
    )


def test_decisions_have_the_five_parts_and_a_status() -> None:
    check(
        at(one.path, 1, f"write the parts {', '.join(PARTS)}, as in the others")
        for one in decisions()
        if re.findall(r"^- \*\*([\w ]+):\*\* \S", "\n".join(one.lines), re.MULTILINE) != list(PARTS)
    )
    check(
        at(one.path, 3, "write the date, then `in force` or the decision that supersedes it")
        for one in decisions()
        if not STATUS.fullmatch(one.status)
        or ("in force" in one.status) == ("superseded by" in one.status)
    )


def test_decisions_that_change_each_other_say_so_on_both_sides() -> None:
    found = {one.path.name: one.relations for one in decisions()}
    check(
        at(FOLDER / target, 3, f"write: {INVERSE[how]} [{name[:4]}]({name})")
        for name, relations in found.items()
        for how, target in relations
        if (INVERSE[how], name) not in found.get(target, set())
    )


def test_index_lists_every_decision() -> None:
    table = "\n".join(
        ["| | decision | status |", "|---|---|---|", *(one.row() for one in decisions())]
    )
    text = INDEX.read_text()
    written = [line for line in text.splitlines() if line.startswith("|")]
    assert "\n".join(written) == table, at(INDEX, 1, f"the table should be\n\n{table}\n")
