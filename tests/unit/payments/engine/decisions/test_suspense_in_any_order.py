"""Providers, merchants, operators and time in any order, and payouts that succeed late at any time,
also beside a refund: the book has what is known to have moved, once, and money on suspense has a
person who knows of it."""

from collections.abc import Callable
from contextlib import nullcontext, suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from services.payments.model.attempt import Attempt, Step
from services.payments.model.ledger import suspense_account
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
ACTIONS = (*(turn,) * 4, *VERBS, *(provider_changes,) * 2, time_passes)


@settings(max_examples=400, deadline=None)
@given(actions=st.lists(st.sampled_from(ACTIONS), min_size=5, max_size=40), data=st.data())
def test_money_that_no_payment_counts_is_posted_once_and_known_to_a_person(
    actions: list[Callable[[World, Draw], None]], data: st.DataObject
) -> None:
    world, known_to_a_person = World(late_at_any_time=True), 0
    for act in actions:
        # A verb may be refused; the engine's own moves never are.
        with suppress(DomainError) if act in VERBS else nullcontext():
            act(world, data.draw)
        suspense = _suspense(world)
        if world.payment.hold_reason is not None:
            known_to_a_person = suspense
        assert suspense in (0, known_to_a_person)
        world.check_books()


def _books(world: World) -> set[tuple[str, str]]:
    return {(a.provider, a.amount.currency) for a in _payouts(world)}


def _payouts(world: World) -> list[Attempt]:
    return [a for a in world.attempts.values() if a.step is Step.PAYOUT]


def _suspense(world: World) -> int:
    return sum(world.balance(suspense_account(*book)) for book in _books(world))
