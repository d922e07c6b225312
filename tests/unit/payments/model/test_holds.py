"""Every reason for a hold has its meaning and its verbs, and the operators' page says the same."""

import re
from pathlib import Path

from services.payments.model.holds import HOLDS, HoldReason

PAGE = Path(__file__).parents[4] / "docs" / "holds.md"
ROW = re.compile(r"\| `([a-z_]+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \|")


def test_every_reason_has_a_meaning_and_a_verb_that_ends_it() -> None:
    assert HOLDS.keys() == set(HoldReason)
    assert all(hold.meaning and hold.verbs for hold in HOLDS.values())


def test_the_page_lists_each_reason_with_its_meaning_how_it_comes_and_its_verbs() -> None:
    rows = {reason: rest for reason, *rest in ROW.findall(PAGE.read_text())}

    assert list(rows) == sorted(HoldReason)
    for reason, (meaning, arises, verbs) in rows.items():
        hold = HOLDS[HoldReason(reason)]
        assert meaning == hold.meaning
        assert arises.strip()
        assert verbs == ", ".join(f"`{verb}`" for verb in hold.verbs)
