"""The next step of a payment, as its record says it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.payments.model.attempt import AttemptState, Step
from services.payments.model.holds import HOLDS, HoldReason
from services.payments.model.payer import NextAction
from services.payments.model.payment import State
from services.payments.model.timing import End
from services.payments.operators.inspected import Queued
from services.payments.operators.next_step import NextStep, Reason, next_step
from tests.makers import NOW, make_attempt, make_payment

LATER = NOW + timedelta(seconds=30)
LATEST = NOW + timedelta(days=3)


def _next(
    state: State,
    attempt: AttemptState | None = None,
    queued: dict[str, Any] | None = None,
    **changes: Any,
) -> NextStep:
    payment = make_payment(state=state, **changes)
    step = Step.COLLECTION if state is State.COLLECTING else Step.PAYOUT
    attempts = [make_attempt(payment, step, attempt)] if attempt else []
    usual = Queued(now=NOW, due_at=LATER, lease_until=None, step_failures=0)
    return next_step(payment, attempts, replace(usual, **(queued or {})))


def test_a_payment_that_a_worker_has_is_under_work_until_its_lease_ends() -> None:
    step = _next(State.CREATED, queued={"lease_until": LATER, "due_at": NOW})

    assert (step.reason, step.at) == (Reason.UNDER_WORK, LATER)


def test_a_lease_that_has_ended_holds_nothing_up() -> None:
    step = _next(State.CREATED, queued={"lease_until": NOW, "due_at": NOW})

    assert (step.reason, step.at) == (Reason.DUE, NOW)


@pytest.mark.parametrize(
    ("attempt", "reason"),
    [
        (AttemptState.ACCEPTED, Reason.PROVIDER_DECIDES),
        (AttemptState.UNKNOWN, Reason.OUTCOME_UNKNOWN),
        (AttemptState.SENT, Reason.OUTCOME_UNKNOWN),
        (AttemptState.INTENDED, Reason.TRIED_AGAIN),
        (None, Reason.TRIED_AGAIN),
    ],
)
def test_a_payment_waits_for_the_state_of_its_attempt(
    attempt: AttemptState | None, reason: Reason
) -> None:
    step = _next(State.PAYING_OUT, attempt)

    assert (step.reason, step.at) == (reason, LATER)


def test_the_newest_attempt_at_the_step_counts() -> None:
    payment = make_payment(state=State.PAYING_OUT)
    attempts = [
        make_attempt(payment, Step.PAYOUT, AttemptState.ACCEPTED, number=2),
        make_attempt(payment, Step.PAYOUT, AttemptState.UNKNOWN),
        make_attempt(payment, Step.COLLECTION, AttemptState.SUCCEEDED, number=3),
    ]
    queued = Queued(now=NOW, due_at=LATER, lease_until=None, step_failures=0)

    assert next_step(payment, attempts, queued).reason is Reason.PROVIDER_DECIDES


def test_a_step_that_broke_down_rests() -> None:
    assert _next(State.PAYING_OUT, queued={"step_failures": 2}).reason is Reason.STEP_RESTS


def test_a_payment_that_a_pause_keeps_back_is_sent_after_it() -> None:
    step = _next(State.PAYING_OUT, AttemptState.INTENDED, queued={"paused_until": LATEST})

    assert (step.reason, step.at) == (Reason.PAUSED, LATEST)


def test_a_route_rests() -> None:
    assert _next(State.PAYING_OUT, rests_until=LATER).reason is Reason.ROUTE_RESTS
    assert _next(State.PAYING_OUT, rests_until=NOW).reason is Reason.TRIED_AGAIN


def test_a_payer_has_to_act() -> None:
    step = _next(State.COLLECTING, AttemptState.ACCEPTED, next_action=NextAction(kind="redirect"))

    assert step.reason is Reason.PAYER_ACTS


def test_no_payout_begins_in_the_cancel_window() -> None:
    window = NOW + timedelta(minutes=30)

    step = _next(State.CONVERTED, queued={"due_at": NOW}, cancellable_until=window)

    assert (step.reason, step.at) == (Reason.CANCEL_WINDOW, window)


@pytest.mark.parametrize("state", [State.RETURNED, State.ACTION_REQUIRED, State.PARTLY_REFUNDED])
def test_a_merchant_decides_until_the_deadline(state: State) -> None:
    step = _next(state, queued={"due_at": LATEST}, deadline_at=LATEST)

    assert step.reason is Reason.MERCHANT_DECIDES
    assert (step.deadline_at, step.at_deadline) == (LATEST, End.REFUND)


@pytest.mark.parametrize("reason", list(HoldReason))
def test_an_operator_decides_about_each_hold(reason: HoldReason) -> None:
    held = _next(State.PAYING_OUT, queued={"due_at": None}, hold_reason=reason, deadline_at=LATEST)

    assert held.reason is Reason.OPERATOR_DECIDES
    assert (held.at, held.deadline_at, held.at_deadline) == (None, LATEST, End.ALARM)
    assert held.description == HOLDS[reason].meaning


def test_a_completed_payment_is_looked_at_once_more_where_its_payout_may_come_back() -> None:
    step = _next(State.COMPLETED, queued={"due_at": LATEST})

    assert (step.reason, step.at) == (Reason.LAST_LOOK, LATEST)


@pytest.mark.parametrize(
    "state", [State.COMPLETED, State.REFUNDED, State.FAILED, State.CANCELLED, State.EXPIRED]
)
def test_a_payment_with_nothing_left_to_do_is_over(state: State) -> None:
    step = _next(state, queued={"due_at": None})

    assert (step.reason, step.at) == (Reason.OVER, None)


@pytest.mark.parametrize("state", list(State))
def test_every_state_has_a_next_step_with_a_sentence(state: State) -> None:
    assert _next(state).description.endswith(".")
