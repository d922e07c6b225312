"""Within the cancel window of its corridor a payment is collected and exchanged, and not paid out;
a cancel until then gives back all of it, whatever else its refunds give back."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.facts import Call, Work
from services.payments.model.answer import Answer, Outcome
from services.payments.model.attempt import AttemptState, Step
from services.payments.model.payment import Failure, Payment, State
from services.payments.model.quote import RefundFees
from services.payments.model.timing import LOOKS_AHEAD
from tests.makers import CAPABILITIES, CONDITIONS, NOW, make_attempt, make_trail, make_work

DECIDER = Decider(CAPABILITIES, spread=lambda: 0.0)
COLLECTED = Answer(outcome=Outcome.SUCCEEDED, provider_reference="pi_1")
WINDOW = timedelta(minutes=30)
ROUTE = replace(CONDITIONS.route, cancel_window=WINDOW)
END = NOW + WINDOW
MICROSECOND = timedelta(microseconds=1)


def _work(state: State, attempt: AttemptState | None = None, **changes: Any) -> Work:
    work = make_work(state, attempt)
    fields = {"route": ROUTE, "refund_fees": RefundFees.KEPT, **changes}
    return replace(work, payment=replace(work.payment, **fields))


def _converted(claimed_at: datetime, **changes: Any) -> Work:
    work = _work(State.CONVERTED, cancellable_until=END, **changes)
    return replace(work, claimed_at=claimed_at)


def test_a_collected_payment_is_exchanged_and_rests_until_its_window_ends() -> None:
    work = _work(State.COLLECTING, AttemptState.SENT)
    taken = replace(COLLECTED, occurred_at=NOW + timedelta(seconds=5))

    change = DECIDER.settle(work, taken, NOW + timedelta(seconds=9))

    assert change.payment.state is State.CONVERTED
    assert change.payment.terms == work.payment.terms
    assert change.payment.cancellable_until == END + timedelta(seconds=5)
    # The list of the overdue looks no further.
    assert change.due_in == LOOKS_AHEAD
    assert DECIDER.follow(work, change) is None


def test_the_window_begins_now_where_the_provider_has_not_said_when_it_took_the_money() -> None:
    learned_at = NOW + timedelta(hours=2)
    for said in (None, NOW + timedelta(days=1)):
        work = _work(State.COLLECTING, AttemptState.SENT)

        change = DECIDER.settle(work, replace(COLLECTED, occurred_at=said), learned_at)

        assert change.payment.cancellable_until == learned_at + WINDOW


def test_a_window_that_is_over_when_the_collection_is_known_delays_nothing() -> None:
    work = _work(State.COLLECTING, AttemptState.SENT)
    taken = replace(COLLECTED, occurred_at=NOW)

    change = DECIDER.settle(work, taken, END)
    plan = DECIDER.follow(replace(work, claimed_at=END), change)

    assert change.due_in == timedelta(0)
    assert plan is not None
    assert plan.change.payment.state is State.PAYING_OUT


def test_without_a_window_the_payout_follows_at_once() -> None:
    work = make_work(State.COLLECTING, AttemptState.SENT)

    change = DECIDER.settle(work, COLLECTED, NOW)

    assert change.payment.cancellable_until is None
    assert DECIDER.follow(work, change) is not None


@pytest.mark.parametrize(
    ("before_end", "due_in"),
    [
        (WINDOW, LOOKS_AHEAD),
        (timedelta(minutes=3), timedelta(minutes=3)),
        (MICROSECOND, MICROSECOND),
    ],
)
def test_no_payout_is_intended_within_the_window(before_end: timedelta, due_in: timedelta) -> None:
    work = _converted(END - before_end)

    plan = DECIDER.plan(work)

    assert (plan.call, plan.change.events, plan.change.attempt) == (None, (), None)
    assert plan.change.payment == work.payment
    assert plan.change.due_in == due_in


def test_at_the_end_of_the_window_the_payout_is_intended() -> None:
    for claimed_at in (END, END + timedelta(days=1)):
        plan = DECIDER.plan(_converted(claimed_at))

        assert plan.call is Call.SEND
        assert plan.change.payment.state is State.PAYING_OUT
        assert plan.change.attempt is not None


def test_a_second_payout_does_not_wait_again() -> None:
    failed = Answer(outcome=Outcome.FAILED, failure=Failure(code="route_down", message=""))
    work = _work(State.PAYING_OUT, cancellable_until=END)
    first = make_attempt(work.payment, Step.PAYOUT, AttemptState.SENT)
    first = first.answered(AttemptState.FAILED, failed)

    plan = DECIDER.plan(replace(work, attempt=first, claimed_at=END - MICROSECOND))

    assert plan.call is Call.SEND


def _refunded_in_full(payment: Payment) -> bool:
    return payment.state is State.REFUNDING and payment.refunds[-1].amount == payment.terms.amount


@pytest.mark.parametrize("state", [State.FUNDED, State.CONVERTED])
@pytest.mark.parametrize("asked_at", [NOW, END - MICROSECOND, END])
def test_a_cancel_within_the_window_gives_back_the_fees_too(
    state: State, asked_at: datetime
) -> None:
    work = _work(state, cancellable_until=END, cancel_requested_at=asked_at)

    # The worker may come to it later.
    plan = DECIDER.plan(replace(work, claimed_at=END + timedelta(hours=1)))

    assert _refunded_in_full(plan.change.payment)
    assert plan.change.due_in == timedelta(0)


def test_a_refund_of_a_cancelled_payment_does_not_wait_for_the_end_of_the_window() -> None:
    cancelled = DECIDER.plan(_converted(NOW, cancel_requested_at=NOW)).change.payment

    plan = DECIDER.plan(replace(_converted(NOW), payment=cancelled))

    assert plan.call is Call.SEND
    assert plan.work.attempt is not None
    assert plan.work.attempt.amount == cancelled.terms.amount


def test_a_cancel_before_the_collection_is_known_gives_back_the_fees_too() -> None:
    work = _work(State.COLLECTING, AttemptState.SENT, cancel_requested_at=NOW)

    change = DECIDER.settle(work, COLLECTED, NOW)

    assert _refunded_in_full(change.payment)


def test_a_cancel_after_the_window_or_without_one_gives_back_what_its_corridor_says() -> None:
    late = _converted(END, cancel_requested_at=END + MICROSECOND)
    none = _work(State.CONVERTED, route=CONDITIONS.route, cancel_requested_at=NOW)
    for work in (late, none):
        payment = DECIDER.plan(work).change.payment

        assert payment.state is State.REFUNDING
        assert payment.refunds[-1].amount == payment.terms.net


def test_late_money_is_priced_at_once_and_then_rests() -> None:
    work = replace(_work(State.FUNDED, cancellable_until=END), claimed_at=NOW)
    assert DECIDER.plan(work).call is Call.PRICE

    change = DECIDER.price(work, make_trail(), NOW)

    assert change.payment.state is State.CONVERTED
    assert DECIDER.follow(work, change) is None
    assert DECIDER.plan(replace(work, payment=change.payment)).call is None
