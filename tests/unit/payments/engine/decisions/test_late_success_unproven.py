"""A late success that only an event has stated, after its hold was released: its provider is asked
in every state in which nothing else would, until it says. And a success is asked about for days
only."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.facts import Call, Plan, Work
from services.payments.engine.decisions.late_success import needs_all_attempts, unproven
from services.payments.model.answer import NOT_ACCEPTED, SUCCEEDED_LATE, Answer, Outcome
from services.payments.model.attempt import AttemptState, Step
from services.payments.model.payment import Failure, State
from services.payments.model.timing import DOUBTED_TRIES, FINAL_TRIES, FINAL_WAIT, LONGEST_RETRY
from tests.history import attempt_of, make_late_work, said, with_attempt
from tests.makers import (
    CAPABILITIES,
    NOW,
    make_attempt,
    make_capabilities,
    make_event,
    make_work,
)

DECIDER = Decider(CAPABILITIES, spread=lambda: 0.0)
MISMATCH = "amount_mismatch"
LATE = Failure(code=SUCCEEDED_LATE, message="late")
SUCCEEDED = said(Outcome.SUCCEEDED)
REFUSED = said(Outcome.FAILED, "payout_blocked")
UNKNOWN = Answer(outcome=Outcome.UNKNOWN, failure=Failure(code="timeout", message="no answer"))
OPEN = (UNKNOWN, Answer(outcome=Outcome.PENDING))
# Where the present attempt stands; the late one is the payout before it.
WORKS = {
    State.COMPLETED: (Step.PAYOUT, AttemptState.SUCCEEDED),
    State.RETURNED: (Step.PAYOUT, AttemptState.REVERSED),
    State.ACTION_REQUIRED: (Step.PAYOUT, AttemptState.FAILED),
    State.REFUNDED: (Step.REFUND, AttemptState.SUCCEEDED),
}


def _work(state: State, step: Step = Step.PAYOUT) -> Work:
    work = make_work(state)
    present_step, present_state = WORKS[state]
    number = 2 if present_step is step else 1
    present = make_attempt(work.payment, present_step, present_state, number=number, key="k-2")
    late = make_attempt(work.payment, step, AttemptState.FAILED, failure=LATE)
    return replace(work, attempt=present, earlier=(late,))


def _asked(work: Work) -> Plan:
    plan = DECIDER.plan(work)
    assert (plan.call, plan.work.attempt) == (Call.LOOK_UP, work.earlier[0])
    assert DECIDER.after_look_up(plan.work, SUCCEEDED) is None
    return plan


@pytest.mark.parametrize("state", WORKS)
@pytest.mark.parametrize("step", [Step.COLLECTION, Step.PAYOUT])
def test_it_is_asked_about_again_after_the_release(state: State, step: Step) -> None:
    work = _work(state, step)

    _asked(work)

    assert needs_all_attempts(work)


@pytest.mark.parametrize("state", [State.COMPLETED, State.RETURNED, State.REFUNDED])
def test_confirmed_its_money_is_on_suspense_and_a_person_is_called_once_more(state: State) -> None:
    plan = _asked(_work(state))

    change = DECIDER.settle(plan.work, SUCCEEDED, NOW)

    assert (change.payment.state, change.payment.hold_reason) == (state, "late_success")
    assert [posting.cause for posting in change.postings] == ["payout_to_suspense"]
    assert change.attempt is not None
    assert change.attempt.moved == change.attempt.amount
    # And it is asked about no more.
    known = replace(_work(state), earlier=(change.attempt,))
    assert unproven(known) is None
    assert DECIDER.plan(known).call is None


def test_confirmed_a_refused_payout_is_the_one_that_counts() -> None:
    plan = _asked(_work(State.ACTION_REQUIRED))

    assert DECIDER.settle(plan.work, SUCCEEDED, NOW).payment.state is State.COMPLETED


@pytest.mark.parametrize("state", WORKS)
def test_denied_the_payment_stays_as_it_is(state: State) -> None:
    plan = _asked(_work(state))

    failed = DECIDER.settle(plan.work, REFUSED, NOW)
    late = replace(plan.work, claimed_at=NOW + timedelta(minutes=5))
    absent = DECIDER.settle(late, Answer(outcome=Outcome.ABSENT), NOW + timedelta(minutes=5))

    for change, code in ((failed, "payout_blocked"), (absent, NOT_ACCEPTED)):
        assert (change.payment.state, change.payment.hold_reason) == (state, None)
        assert change.attempt is not None
        assert (change.attempt.state, change.attempt.code) == (AttemptState.FAILED, code)
        assert change.due_in == timedelta(0)
        assert unproven(replace(plan.work, attempt=change.attempt, earlier=())) is None


@pytest.mark.parametrize("state", WORKS)
@pytest.mark.parametrize("answer", OPEN)
def test_without_an_answer_it_is_asked_again_and_then_a_person_is_called(
    state: State, answer: Answer
) -> None:
    plan = _asked(_work(state))

    _is_asked_for_half_an_hour(plan.work, answer)
    later = DECIDER.settle(_doubted(plan.work), answer, NOW + timedelta(minutes=30))
    assert later.payment.hold_reason == "late_success"
    assert attempt_of(replace(plan.work, attempt=later.attempt)).inconclusive_count == 0
    assert later.postings == ()


def _doubted(work: Work, tries: int = DOUBTED_TRIES) -> Work:
    return with_attempt(work, unknown_since=NOW, inconclusive_count=tries)


def _is_asked_for_half_an_hour(work: Work, answer: Answer) -> None:
    """From the first question without an answer, and after enough of them."""
    early = (_doubted(work), NOW + timedelta(minutes=29))
    seldom = (_doubted(work, DOUBTED_TRIES - 1), NOW + timedelta(days=9))
    for asked, now in ((work, NOW + timedelta(days=9)), early, seldom):
        soon = DECIDER.settle(asked, answer, now)
        assert (soon.payment.hold_reason, soon.due_in) == (None, LONGEST_RETRY)
        assert soon.attempt == attempt_of(asked).doubted()


@pytest.mark.parametrize("answer", [*OPEN, Answer(outcome=Outcome.ABSENT)])
def test_a_payment_that_is_under_way_does_not_wait_for_an_answer_for_ever_either(
    answer: Answer,
) -> None:
    work = make_late_work(Step.PAYOUT, State.PAYING_OUT, AttemptState.FAILED)
    plan = _asked(work)

    _is_asked_for_half_an_hour(plan.work, answer)
    later = DECIDER.settle(_doubted(plan.work), answer, NOW + timedelta(minutes=30))
    assert later.payment.hold_reason == "late_success"
    assert attempt_of(replace(plan.work, attempt=later.attempt)).inconclusive_count == 0


WEEK = timedelta(days=7)
SLOW = {"local_wallet": make_capabilities("local_wallet", success_final_after=WEEK)}


def _final(age: timedelta, **changes: object) -> Work:
    work = make_work(State.COMPLETED, AttemptState.SUCCEEDED)
    payment = replace(work.payment, updated_at=NOW - age)
    return replace(work, payment=payment, **changes)


def _asked_since(work: Work, since: datetime | None, tries: int = FINAL_TRIES) -> Work:
    return with_attempt(work, unknown_since=since, inconclusive_count=tries)


@pytest.mark.parametrize(
    "answer", [*OPEN, Answer(outcome=Outcome.NOT_SENT), said(Outcome.UNKNOWN, "reference_unknown")]
)
def test_a_last_look_up_without_an_answer_ends_after_days_of_asking_and_the_success_stands(
    answer: Answer,
) -> None:
    decider = Decider({**CAPABILITIES, **SLOW}, spread=lambda: 0.0)
    work = _final(timedelta(days=90))
    assert decider.plan(work).call is Call.LOOK_UP
    early = _asked_since(work, NOW - FINAL_WAIT + timedelta(seconds=1))
    seldom = _asked_since(work, NOW - timedelta(days=60), FINAL_TRIES - 1)

    for asked in (early, seldom):
        change = decider.settle(asked, answer, NOW)
        assert (change.events, change.due_in) == ((), LONGEST_RETRY)
        assert change.attempt is not None
        assert change.attempt.inconclusive_count == attempt_of(asked).inconclusive_count + 1
    over = decider.settle(_asked_since(work, NOW - FINAL_WAIT), answer, NOW)

    assert [(event.actor, event.cause) for event in over.events] == [("worker", "success_stands")]
    assert (over.payment.state, over.payment.hold_reason) == (State.COMPLETED, None)
    assert (over.postings, over.due_in) == ((), None)
    # A doubt that comes later is asked about for as long again.
    assert over.attempt is not None
    assert over.attempt.inconclusive_count == 0


@pytest.mark.parametrize("age", [timedelta(0), FINAL_WAIT, timedelta(days=400)])
@pytest.mark.parametrize("doubted", [True, False])
def test_one_question_without_an_answer_ends_no_doubt_however_old_it_is(
    age: timedelta, doubted: bool
) -> None:
    """The workers were down, or the payment was on hold, and nobody was asked meanwhile."""
    decider = Decider({**CAPABILITIES, **SLOW}, spread=lambda: 0.0)
    work = _final(WEEK + age)
    failed = replace(
        make_event(attempt_of(work), Outcome.FAILED), asked_since=NOW - age, asked=DOUBTED_TRIES
    )
    plan = decider.plan(replace(work, inbox=(failed,) if doubted else ()))
    assert plan.call is Call.LOOK_UP

    change = decider.settle(plan.work, UNKNOWN, NOW)

    assert (change.events, change.closed_events, change.due_in) == ((), (), LONGEST_RETRY)


def test_a_success_that_an_event_contradicts_is_asked_about_for_as_long() -> None:
    work = _final(timedelta(days=90))
    failed = make_event(attempt_of(work), Outcome.FAILED)
    work = _asked_since(replace(work, inbox=(failed,)), NOW - FINAL_WAIT)

    over = DECIDER.settle(work, UNKNOWN, NOW)

    assert [event.cause for event in over.events] == ["success_stands"]
    assert [(item.event, item.result) for item in over.closed_events] == [(failed, "IGNORED")]


@pytest.mark.parametrize(
    "answer", [SUCCEEDED, REFUSED, Answer(outcome=Outcome.ABSENT), said(Outcome.UNKNOWN, MISMATCH)]
)
def test_an_answer_ends_the_count_of_questions_without_one(answer: Answer) -> None:
    work = _asked_since(_final(timedelta(days=1)), NOW - timedelta(days=2), 7)

    change = DECIDER.settle(work, answer, NOW)

    assert change.attempt is not None
    assert change.attempt.inconclusive_count == 0
