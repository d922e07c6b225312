"""The README of payments shows the table of transitions, and docs/moves.md the engine's table of
moves. A test that fails prints the text as it should be."""

from pathlib import Path

from services.payments.engine.decisions.case import Meaning
from services.payments.engine.decisions.table import MOVES
from services.payments.model.payment import ALLOWED, State
from tests.house.places import ROOT

README = ROOT / "services" / "payments" / "README.md"
PAGE = ROOT / "docs" / "moves.md"


def test_the_picture_shows_every_transition_and_no_other() -> None:
    before: dict[str, list[str]] = {}
    for state in State:
        before.setdefault(" & ".join(sorted(ALLOWED[state])), []).append(state)
    arrows = [f"    {' & '.join(ones)} --> {after}" for after, ones in before.items() if after]
    _shows(README, "```mermaid", "flowchart LR", *arrows, "```")


def test_the_grid_shows_every_move() -> None:
    rows = [
        f"| {situation.name} | "
        + " | ".join(f"`{MOVES[situation][meaning].__name__}`" for meaning in Meaning)
        + " |"
        for situation in MOVES
    ]
    head = "| | " + " | ".join(meaning.name for meaning in Meaning) + " |"
    _shows(PAGE, head, "|---" * (len(Meaning) + 1) + "|", *rows)


def _shows(page: Path, *lines: str) -> None:
    wanted = "\n".join(lines)
    assert wanted in page.read_text(), f"{page.relative_to(ROOT)} should have\n{wanted}"
