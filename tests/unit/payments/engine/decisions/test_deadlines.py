"""Money that has waited for a person for as long as it may: what is certain goes back to the payer,
and nothing else moves."""

from dataclasses import replace
from datetime import timedelta

import pytest

from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.facts import Call, InboxEvent, Work
from services.payments.model.answer import Answer, Outcome
from services.payments.model.attempt import AttemptState, Step
from services.payments.model.payment import CORRECTABLE, State
from services.payments.model.progress import waiting_as, waits_for
from services.payments.model.timing import DEADLINES, ENDS, Waiting
from services.shared.money import Money
from tests.makers import CAPABILITIES, NOW, make_work

DECIDER = Decider(CAPABILITIES, spread=lambda: 0.0)


@pytest.mark.parametrize("state", State)
def test_only_what_waits_for_a_person_has_a_deadline(state: State) -> None:
    payment = make_work(state).payment

    waits = {state: Waiting(state.value) for state in CORRECTABLE | {State.PARTLY_REFUNDED}}
    assert waiting_as(payment) is waits.get(state)
    assert waiting_as(replace(payment, hold_reason="late_success")) is Waiting.ON_HOLD
    assert set(DEADLINES) == set(ENDS) == set(Waiting)


def test_a_corridor_says_how_long_a_refused_recipient_may_be_corrected() -> None:
    payment = make_work(State.ACTION_REQUIRED).payment
    route = replace(payment.route, correction=timedelta(hours=5))

    assert waits_for(payment) == DEADLINES[Waiting.ACTION_REQUIRED] == timedelta(hours=72)
    assert waits_for(replace(payment, route=route)) == timedelta(hours=5)
    held = replace(payment, route=route, hold_reason="late_success")
    assert waits_for(held) == DEADLINES[Waiting.ON_HOLD]
    assert waits_for(make_work(State.PAYING_OUT).payment) is None


def _past_deadline(work: Work, seconds: int = 0) -> Work:
    deadline_at = NOW - timedelta(seconds=seconds)
    return replace(work, payment=replace(work.payment, deadline_at=deadline_at))


@pytest.mark.parametrize(
    ("state", "payout"),
    [
        (State.RETURNED, AttemptState.REVERSED),
        (State.ACTION_REQUIRED, AttemptState.FAILED),
    ],
)
def test_past_its_deadline_a_payment_that_waits_for_its_merchant_goes_back_to_its_payer(
    state: State, payout: AttemptState
) -> None:
    work = make_work(state, payout)

    early = DECIDER.plan(_past_deadline(work, seconds=-1)).change
    late = DECIDER.plan(_past_deadline(work)).change

    assert (early.events, early.attempt) == ((), None)
    assert late.payment.state is State.REFUNDING
    assert [(event.actor, event.cause) for event in late.events] == [("worker", "deadline_passed")]
    assert late.attempt is not None
    assert (late.attempt.step, late.attempt.state) == (Step.REFUND, AttemptState.INTENDED)
    assert late.attempt.amount == work.payment.terms.amount


def test_past_its_deadline_the_rest_of_a_refund_in_parts_follows() -> None:
    work = make_work(State.PARTLY_REFUNDED, AttemptState.SUCCEEDED)
    assert work.attempt is not None
    work = replace(
        work,
        payment=replace(work.payment, refunded=Money(100, "USD")),
        attempt=replace(work.attempt, amount=Money(100, "USD")),
    )

    change = DECIDER.plan(_past_deadline(work)).change

    assert change.attempt is not None
    assert (change.attempt.number, str(change.attempt.amount)) == (2, "99.00")
    assert [event.cause for event in change.events] == ["deadline_passed"]


@pytest.mark.parametrize(
    "attempt", [AttemptState.INTENDED, AttemptState.ACCEPTED, AttemptState.UNKNOWN]
)
def test_past_its_deadline_a_refund_that_is_under_way_goes_on_alone(attempt: AttemptState) -> None:
    work = make_work(State.REFUNDING, attempt)
    work = replace(work, payment=replace(work.payment, refunded=Money(100, "USD")))

    plan = DECIDER.plan(_past_deadline(work))

    assert plan.call is not None
    assert plan.change.attempt is None


def test_past_its_deadline_a_refund_that_is_said_to_have_failed_is_asked_about_first() -> None:
    work = make_work(State.PARTLY_REFUNDED, AttemptState.SUCCEEDED)
    work = replace(work, payment=replace(work.payment, refunded=Money(100, "USD")))
    assert work.attempt is not None
    failed = Answer(outcome=Outcome.FAILED, event_id="evt_1", key=work.attempt.key)
    event = InboxEvent(provider="stripe", event_id="evt_1", step=Step.REFUND, answer=failed)

    plan = DECIDER.plan(_past_deadline(replace(work, inbox=(event,))))

    assert plan.call is Call.LOOK_UP


def test_past_its_deadline_a_hold_still_waits_for_a_person() -> None:
    work = _past_deadline(make_work(State.RETURNED, AttemptState.REVERSED))
    held = replace(work, payment=replace(work.payment, hold_reason="late_success"))

    change = DECIDER.plan(held).change

    assert (change.events, change.attempt, change.payment.state) == ((), None, State.RETURNED)
