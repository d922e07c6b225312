"""docs/moves.md shows the table of transitions, and the engine's table of moves. A test that fails
prints the text as it should be."""

from services.payments.engine.decisions.case import Meaning
from services.payments.engine.decisions.table import MOVES
from services.payments.model.payment import ALLOWED, State
from tests.house.places import ROOT

PAGE = ROOT / "docs" / "moves.md"


def test_the_picture_shows_every_transition_and_no_other() -> None:
    arrows = [f"    {state} --> {after}" for state in State for after in sorted(ALLOWED[state])]
    ends = [f"    {state} --> [*]" for state in State if not ALLOWED[state]]
    _shows("```mermaid", "stateDiagram-v2", f"    [*] --> {State.CREATED}", *arrows, *ends, "```")


def test_the_grid_shows_every_move() -> None:
    rows = [
        f"| {situation.name} | "
        + " | ".join(f"`{MOVES[situation][meaning].__name__}`" for meaning in Meaning)
        + " |"
        for situation in MOVES
    ]
    head = "| | " + " | ".join(meaning.name for meaning in Meaning) + " |"
    _shows(head, "|---" * (len(Meaning) + 1) + "|", *rows)


def _shows(*lines: str) -> None:
    wanted = "\n".join(lines)
    assert wanted in PAGE.read_text(), f"{PAGE.relative_to(ROOT)} should have\n{wanted}"
