"""The checker checked, where an onramp has taken money for a dispute: our book says the same."""

import pytest

from tests.chaos.books import DisputeRow
from tests.chaos.worlds import AMOUNT, broken, story


@pytest.mark.parametrize(("is_won", "is_recorded"), [(False, True), (True, True), (False, False)])
def test_a_dispute_takes_money_in_both_books(*, is_won: bool, is_recorded: bool) -> None:
    world, life = story()
    life.completed()
    charge = next(a for a in world.attempts if a.key.startswith(life.public_id))
    life.effect(charge, "dispute_withdrawn", named="du_1")
    lost = ("chargebacks:USD", "onramp:stripe:USD", "USD", AMOUNT)
    if is_recorded:
        life.event("COMPLETED", "COMPLETED", "dispute_opened", [lost])
    if is_won:
        life.effect(charge, "dispute_reinstated", named="du_1")
        life.event("COMPLETED", "COMPLETED", "dispute_closed", [(lost[1], lost[0], "USD", AMOUNT)])
    if is_recorded:
        row = DisputeRow(
            payment_id=life.id,
            number=1,
            provider="stripe",
            kind="DISPUTE",
            status="WON" if is_won else "NEEDS_RESPONSE",
            withdrawn_minor=0 if is_won else AMOUNT,
        )
        world.others["disputes"] = [row]

    assert broken(world.facts()) == (set() if is_recorded else {"I9"})
