"""The changes of each cancel, return and refund, the very moment at which a deadline has passed,
and the errors of a refused refund."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.facts import EventResult, Work
from services.payments.engine.decisions.returns_and_refunds import (
    cancel_or_expire,
    is_refund_due,
    is_untouched,
    may_be_refunded,
    refund_on_request,
    return_payout,
)
from services.payments.model.answer import Outcome
from services.payments.model.attempt import AttemptState, Step
from services.payments.model.holds import HoldReason
from services.payments.model.payment import (
    Failure,
    PaymentBusy,
    PaymentNotRefundable,
    PaymentOnHold,
    RefundTooLarge,
    State,
)
from services.shared.money import Money
from tests.history import attempt_of, make_late_work, make_work_of, said, with_attempt
from tests.makers import CAPABILITIES, NOW, make_attempt, make_event, make_work

DECIDER = Decider(CAPABILITIES, spread=lambda: 0.0)
BLOCKED = said(Outcome.FAILED, "payout_blocked")
CANCELLED = Failure(code="cancelled", message="cancelled by the merchant before it was sent")
EXPIRED = Failure(code="quote_expired", message="the quote had expired before anything was taken")
MOMENT = timedelta(microseconds=1)


# Cancelled


@pytest.mark.parametrize(
    ("requested_at", "state", "of_attempt", "of_payment"),
    [(NOW, State.CANCELLED, CANCELLED, None), (None, State.EXPIRED, EXPIRED, EXPIRED)],
    ids=["cancelled", "expired"],
)
def test_a_cancelled_payment_fails_its_open_attempt_and_an_expired_one_has_a_failure(
    requested_at: datetime | None, state: State, of_attempt: Failure, of_payment: Failure | None
) -> None:
    change = cancel_or_expire(
        make_work_of(State.COLLECTING, AttemptState.UNKNOWN, cancel_requested_at=requested_at)
    )

    assert (change.payment.state, change.payment.failure) == (state, of_payment)
    assert change.attempt is not None
    assert (change.attempt.state, change.attempt.failure) == (AttemptState.FAILED, of_attempt)
    assert (change.due_in, change.keeps_lease) == (None, False)


def test_an_attempt_that_was_over_before_stays_as_it_is() -> None:
    failure = Failure(code="card_declined", message="declined")
    work = with_attempt(make_work(State.COLLECTING, AttemptState.FAILED), failure=failure)

    assert cancel_or_expire(work).attempt == work.attempt
    assert cancel_or_expire(make_work(State.CREATED)).attempt is None


def test_a_cancelled_payment_closes_every_event_but_one_of_a_success() -> None:
    work = make_work(State.COLLECTING, AttemptState.SENT)
    own = attempt_of(work)
    pending, done = make_event(own, Outcome.PENDING), make_event(own, Outcome.SUCCEEDED, "evt_2")
    other = make_event(replace(own, key="k-9"), Outcome.FAILED, "evt_3")
    dealt_with = [(pending, EventResult.APPLIED), (other, EventResult.UNMATCHED)]

    at_once = cancel_or_expire(replace(work, inbox=(pending, done, other)))
    never = cancel_or_expire(replace(work, inbox=(pending, other)))

    assert [(item.event, item.result) for item in at_once.closed_events] == dealt_with
    assert [(item.event, item.result) for item in never.closed_events] == dealt_with
    assert (at_once.due_in, never.due_in) == (timedelta(0), None)


@pytest.mark.parametrize(
    ("work", "untouched"),
    [
        (make_work(State.CREATED), True),
        (make_work(State.COLLECTING, AttemptState.INTENDED), True),
        (make_work(State.COLLECTING, AttemptState.FAILED), True),
        (make_work(State.COLLECTING, AttemptState.SENT), False),
        (make_work(State.COLLECTING, AttemptState.ACCEPTED), False),
        (make_work(State.COLLECTING, AttemptState.UNKNOWN), False),
        (make_late_work(Step.COLLECTION, State.COLLECTING, AttemptState.FAILED), False),
        (make_late_work(Step.COLLECTION, State.COLLECTING, AttemptState.INTENDED), False),
    ],
)
def test_nothing_was_taken_where_nothing_has_left_or_all_came_to_nothing(
    work: Work, untouched: bool
) -> None:
    assert is_untouched(work) is untouched


# Come back


def test_a_payout_that_comes_back_keeps_its_reason_and_deals_with_its_events() -> None:
    work = make_work(State.COMPLETED, AttemptState.SUCCEEDED)
    event = make_event(attempt_of(work), Outcome.FAILED)

    change = return_payout(replace(work, inbox=(event,)), attempt_of(work), BLOCKED)

    assert change.payment.failure == BLOCKED.failure
    assert [(item.event, item.result) for item in change.closed_events] == [
        (event, EventResult.APPLIED)
    ]
    assert change.attempt is not None
    assert (change.attempt.state, change.attempt.failure) == (
        AttemptState.REVERSED,
        BLOCKED.failure,
    )
    assert change.due_in is None


# Refunds


def _returned(**changes: Any) -> Work:
    return make_work_of(State.RETURNED, AttemptState.REVERSED, **changes)


def test_a_refund_ends_the_hold_that_it_answers_and_is_due_at_once() -> None:
    change = refund_on_request(_returned(hold_reason=HoldReason.PAYOUT_FAILED), None)

    assert (change.payment.state, change.payment.hold_reason) == (State.REFUNDING, None)
    assert change.due_in == timedelta(0)
    assert change.attempt is not None
    assert change.attempt.state is AttemptState.INTENDED


def test_the_next_part_of_a_refund_is_due_at_once() -> None:
    change = refund_on_request(
        make_work(State.PARTLY_REFUNDED, AttemptState.SUCCEEDED), Money(1, "USD")
    )

    assert (change.due_in, change.postings) == (timedelta(0), ())


def test_all_that_is_left_may_be_asked_for_and_not_a_cent_more() -> None:
    work = _returned(refunded=Money(4_000, "USD"))

    assert refund_on_request(work, Money(6_000, "USD")).attempt is not None
    with pytest.raises(RefundTooLarge) as refused:
        refund_on_request(work, Money(6_001, "USD"))
    assert refused.value.metadata == {"refundable_usd": "60.00"}


@pytest.mark.parametrize(
    ("state", "attempt", "status"),
    [
        (State.CREATED, None, "PENDING"),
        (State.COLLECTING, AttemptState.SENT, "PENDING"),
        (State.COMPLETED, AttemptState.SUCCEEDED, "COMPLETED"),
        (State.FAILED, None, "FAILED"),
        (State.PAYING_OUT, AttemptState.UNKNOWN, "PROCESSING"),
    ],
)
def test_a_refused_refund_states_the_status_of_its_payment(
    state: State, attempt: AttemptState | None, status: str
) -> None:
    with pytest.raises(PaymentNotRefundable) as refused:
        refund_on_request(make_work(state, attempt), None)

    assert refused.value.metadata == {"status": status}


@pytest.mark.parametrize("state", [State.CREATED, State.COMPLETED, State.EXPIRED])
def test_too_much_of_what_we_do_not_have_is_no_question_of_how_much(state: State) -> None:
    with pytest.raises(PaymentNotRefundable):
        refund_on_request(make_work(state), Money(10_001, "USD"))


@pytest.mark.parametrize("state", [State.FUNDED, State.CONVERTED, State.PAYING_OUT])
def test_collected_money_may_be_refunded_before_its_payout_or_after_that_has_failed(
    state: State,
) -> None:
    change = refund_on_request(make_work(state, AttemptState.FAILED), None)

    assert change.payment.state is State.REFUNDING


def test_a_hold_in_the_way_of_a_refund_is_named() -> None:
    with pytest.raises(PaymentOnHold) as refused:
        refund_on_request(_returned(hold_reason="step_failed"), None)

    assert refused.value.metadata == {"hold_reason": "step_failed"}


@pytest.mark.parametrize("reason", [None, *HoldReason])
def test_a_refund_answers_no_holds_but_these(reason: HoldReason | None) -> None:
    answered = {
        *(None, HoldReason.DISPUTED, HoldReason.LATE_FUNDS, HoldReason.PAYOUT_FAILED),
        HoldReason.REFUND_FAILED,
    }

    assert may_be_refunded(make_work_of(State.RETURNED, hold_reason=reason).payment) is (
        reason in answered
    )


def test_a_refund_that_has_failed_for_good_is_followed_by_the_next_number() -> None:
    work = make_work_of(State.REFUNDING, AttemptState.FAILED, hold_reason=HoldReason.REFUND_FAILED)
    work = with_attempt(work, number=3)

    change = refund_on_request(work, None)

    assert change.attempt is not None
    assert change.attempt.number == 4


def test_a_refund_is_numbered_after_the_refunds_and_no_other_attempts() -> None:
    work = _returned()
    refunds = [
        make_attempt(work.payment, Step.REFUND, AttemptState.FAILED, number=n) for n in (1, 2)
    ]
    payout = make_attempt(work.payment, Step.PAYOUT, AttemptState.FAILED, number=7)

    change = refund_on_request(replace(work, earlier=(*refunds, payout)), None)

    assert change.attempt is not None
    assert change.attempt.number == 3


@pytest.mark.parametrize(
    ("seconds", "wait"), [(0, 1), (7, 1), (8, 2), (100, 25), (243, 60), (100_000, 60)]
)
def test_the_next_look_is_after_a_quarter_of_the_time_that_it_has_taken(
    seconds: int, wait: int
) -> None:
    work = make_work(State.REFUNDING, AttemptState.ACCEPTED)
    work = with_attempt(work, sent_at=NOW - timedelta(seconds=seconds))

    with pytest.raises(PaymentBusy) as refused:
        refund_on_request(work, None)

    assert refused.value.retry_after_seconds == wait


# The deadline


@pytest.mark.parametrize(
    ("state", "attempt", "due"),
    [
        (State.RETURNED, AttemptState.REVERSED, True),
        (State.PARTLY_REFUNDED, AttemptState.SUCCEEDED, True),
        (State.REFUNDING, AttemptState.SUCCEEDED, False),
        (State.REFUNDING, AttemptState.SENT, False),
        (State.REFUNDING, AttemptState.FAILED, False),
        (State.REFUNDING, None, False),
        (State.COMPLETED, AttemptState.SUCCEEDED, False),
    ],
)
def test_only_what_waits_for_its_merchant_is_due_back_at_the_deadline(
    state: State, attempt: AttemptState | None, due: bool
) -> None:
    assert is_refund_due(make_work_of(state, attempt, deadline_at=NOW)) is due


def test_a_deadline_has_passed_at_its_very_moment_and_no_sooner() -> None:
    assert not is_refund_due(_returned(deadline_at=NOW + MOMENT))
    assert not is_refund_due(_returned(deadline_at=None))
    change = DECIDER.plan(_returned(deadline_at=NOW)).change
    assert change.payment.state is State.REFUNDING


def test_a_refund_that_is_said_to_have_come_back_is_asked_about_before_the_rest_is_sent() -> None:
    work = make_work_of(State.PARTLY_REFUNDED, AttemptState.SUCCEEDED, deadline_at=NOW)
    event = make_event(attempt_of(work), Outcome.FAILED)

    assert not is_refund_due(replace(work, inbox=(event,)))
