"""Money that comes after its quote: honoured within the grace, priced anew within the tolerance,
and otherwise for a person."""

from dataclasses import replace
from datetime import timedelta

import pytest

from services.payments.domain.attempt import Answer, AttemptState, Outcome
from services.payments.domain.payment import State
from services.payments.steps import Call, Decider, refund_on_request
from services.shared.errors import Unavailable
from tests.makers import CAPABILITIES, NOW, make_trail, make_work

DECIDER = Decider(CAPABILITIES, spread=lambda: 0.0)
COLLECTED = Answer(outcome=Outcome.SUCCEEDED, provider_reference="pi_1")


@pytest.mark.parametrize(
    ("seconds", "state"), [(59, State.CONVERTED), (360, State.CONVERTED), (361, State.FUNDED)]
)
def test_the_locked_rate_holds_until_the_grace_is_over(seconds: int, state: State) -> None:
    work = make_work(State.COLLECTING, AttemptState.SENT)

    change = DECIDER.settle(work, COLLECTED, NOW + timedelta(seconds=seconds))

    assert change.payment.state is state
    assert change.payment.terms == work.payment.terms


def test_late_funds_are_kept_in_dollars_and_a_rate_is_asked_for() -> None:
    plan = DECIDER.plan(make_work(State.FUNDED))

    assert plan.call is Call.PRICE
    assert plan.change.keeps_lease
    assert plan.change.postings == ()


def test_a_rate_within_the_tolerance_takes_the_locked_ones_place() -> None:
    work = make_work(State.FUNDED)
    # One percent is tolerated, and this is a little less than one percent worse.
    trail = make_trail("1515.00")

    change = DECIDER.price(work, trail, NOW)

    assert change.payment.state is State.CONVERTED
    assert change.payment.terms.rate == trail.rate
    assert change.payment.terms.payout < work.payment.terms.payout
    assert change.repricing is not None
    assert change.repricing.replaces == work.payment.quote_id
    assert change.payment.quote_id == change.repricing.quote_id
    assert [event.cause for event in change.events] == ["exchanged_at_new_rate"]


def test_a_better_rate_is_the_recipients() -> None:
    work = make_work(State.FUNDED)

    change = DECIDER.price(work, make_trail("1700.00"), NOW)

    assert change.payment.terms.payout > work.payment.terms.payout


def test_a_rate_beyond_the_tolerance_is_a_hold() -> None:
    work = make_work(State.FUNDED)

    change = DECIDER.price(work, make_trail("1514.00"), NOW)

    assert change.payment.hold_reason == "late_funds"
    assert change.payment.state is State.FUNDED
    assert change.payment.terms == work.payment.terms
    assert change.postings == ()


def test_without_a_rate_it_is_asked_for_again() -> None:
    change = DECIDER.price(make_work(State.FUNDED), Unavailable("fx is away"), NOW)

    assert change.payment.hold_reason is None
    assert change.events == ()
    assert change.due_in is not None


def test_held_late_funds_may_be_refunded() -> None:
    work = make_work(State.FUNDED)
    held = replace(work, payment=replace(work.payment, hold_reason="late_funds"))

    change = refund_on_request(held, None)

    assert change.payment.state is State.REFUNDING
    assert change.payment.hold_reason is None
