"""Providers, merchants, operators and time in any order: when a payout or a refund leaves, no
payout of the payment has been paid or may be paid, and no attempt is asked about with a recipient
that it was not sent to."""

from collections.abc import Callable
from contextlib import nullcontext, suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from services.payments.model.attempt import AttemptState, Step
from services.payments.model.payment import State
from services.shared.errors import DomainError
from tests.payouts_in_any_order import (
    Draw,
    World,
    merchant_corrects,
    merchant_refunds,
    operator_releases,
    provider_changes,
    time_passes,
    turn,
)

VERBS = (merchant_corrects, merchant_refunds, operator_releases)
# The engine has more turns than anybody else.
ACTIONS = (*(turn,) * 4, *(merchant_corrects,) * 2, *VERBS, provider_changes, time_passes)


@settings(max_examples=400, deadline=None)
@given(actions=st.lists(st.sampled_from(ACTIONS), min_size=5, max_size=40), data=st.data())
def test_money_leaves_only_while_no_payout_is_paid_or_may_be(
    actions: list[Callable[[World, Draw], None]], data: st.DataObject
) -> None:
    world = World()
    for act in actions:
        # A verb may be refused; the engine's own moves never are.
        with suppress(DomainError) if act in VERBS else nullcontext():
            act(world, data.draw)
    counted = [
        a
        for a in world.attempts.values()
        if a.step is Step.PAYOUT and a.state is AttemptState.SUCCEEDED
    ]
    assert len(counted) == (world.payment.state is State.COMPLETED)
