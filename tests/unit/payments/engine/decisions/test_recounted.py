"""Money in our book that an event contradicts is asked about and moved off suspense, or onto it, by
the provider's answer alone."""

from dataclasses import replace
from datetime import timedelta

import pytest

from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.facts import Call, EventResult, Work
from services.payments.model.answer import SUCCEEDED_LATE, Answer, Outcome
from services.payments.model.attempt import Attempt, AttemptState, LookUp, Step
from services.payments.model.payment import Failure, State
from services.payments.model.timing import DOUBTED_TRIES
from services.shared.money import Money
from tests.makers import CAPABILITIES, NOW, make_attempt, make_capabilities, make_event, make_work

DECIDER = Decider(CAPABILITIES, spread=lambda: 0.0)
BLOCKED = Answer(outcome=Outcome.FAILED, failure=Failure(code="payout_blocked", message="blocked"))
DECLINED = Answer(outcome=Outcome.FAILED, failure=Failure(code="card_declined", message="declined"))
SUCCEEDED = Answer(outcome=Outcome.SUCCEEDED)
TIMEOUT = Answer(outcome=Outcome.UNKNOWN, failure=Failure(code="timeout", message="timeout"))
ABSENT = Answer(outcome=Outcome.ABSENT)
PART = Money(4_000, "USD")


def _late_payout(state: State, ended: AttemptState, hold: str | None = None) -> Work:
    """A payout that succeeded late, whose money is on suspense, and an event of its failure."""
    work = make_work(state)
    payout = make_attempt(work.payment, Step.PAYOUT, ended)
    failure = Failure(code=SUCCEEDED_LATE, message="late")
    payout = replace(payout, failure=failure, moved=payout.amount)
    event = make_event(payout, Outcome.FAILED, signed=True)
    event = replace(event, asked_since=NOW, asked=DOUBTED_TRIES)
    last = {
        State.RETURNED: (payout, ()),
        State.PAYING_OUT: (payout, ()),
        State.COMPLETED: (
            make_attempt(work.payment, Step.PAYOUT, AttemptState.SUCCEEDED, number=2, key="k-2"),
            (payout,),
        ),
        State.REFUNDED: (
            make_attempt(work.payment, Step.REFUND, AttemptState.SUCCEEDED),
            (payout,),
        ),
    }
    attempt, earlier = last[state]
    payment = replace(work.payment, hold_reason=hold)
    return replace(work, payment=payment, attempt=attempt, earlier=earlier, inbox=(event,))


LATE = [
    (State.RETURNED, AttemptState.REVERSED),
    (State.PAYING_OUT, AttemptState.FAILED),
    (State.COMPLETED, AttemptState.FAILED),
    (State.REFUNDED, AttemptState.FAILED),
]


@pytest.mark.parametrize("hold", [None, "late_success"])
@pytest.mark.parametrize(("state", "ended"), LATE)
def test_a_late_success_that_comes_back_leaves_suspense(
    state: State, ended: AttemptState, hold: str | None
) -> None:
    work = _late_payout(state, ended, hold)

    plan = DECIDER.plan(work)
    change = DECIDER.settle(plan.work, BLOCKED, NOW)

    assert plan.call is Call.LOOK_UP
    assert [posting.cause for posting in change.postings] == ["payout_from_suspense"]
    assert change.attempt is not None
    assert (change.attempt.state, change.attempt.moved) == (ended, None)
    assert not change.attempt.succeeded_late
    assert (change.payment.state, change.payment.hold_reason) == (state, hold)
    assert [item.result for item in change.closed_events] == [EventResult.APPLIED]


@pytest.mark.parametrize(("state", "ended"), LATE)
def test_an_older_failure_takes_no_late_success_back(state: State, ended: AttemptState) -> None:
    work = DECIDER.plan(_late_payout(state, ended)).work

    for answer in (TIMEOUT, ABSENT, Answer(outcome=Outcome.PENDING)):
        change = DECIDER.settle(work, answer, NOW)
        assert (change.postings, change.attempt, change.closed_events) == ((), None, ())
        assert change.due_in is not None
        assert change.asked_event == work.inbox[0]
        event = work.inbox[0]
        few = replace(event, asked_since=NOW - timedelta(days=9), asked=DOUBTED_TRIES - 1)
        for asked in (few, replace(event, asked_since=None, asked=0)):
            again = DECIDER.settle(replace(work, disputed=asked), answer, NOW)
            assert (again.closed_events, again.asked_event) == ((), asked)
        old = DECIDER.settle(work, answer, NOW + timedelta(minutes=30))
        assert (old.postings, old.attempt) == ((), None)
        assert old.payment.hold_reason == "provider_contradicts_itself"
        assert [item.result for item in old.closed_events] == [EventResult.APPLIED]
        unsigned = replace(event, answer=replace(event.answer, signed=False))
        old = DECIDER.settle(replace(work, disputed=unsigned), answer, NOW + timedelta(minutes=30))
        assert (old.postings, old.attempt, old.payment) == ((), None, work.payment)
        assert [item.result for item in old.closed_events] == [EventResult.IGNORED]
    stands = DECIDER.settle(work, SUCCEEDED, NOW)
    assert (stands.postings, stands.payment) == ((), work.payment)
    assert [item.result for item in stands.closed_events] == [EventResult.APPLIED]


def test_of_a_provider_that_cannot_be_asked_the_book_stays_as_it_is() -> None:
    work = _late_payout(State.REFUNDED, AttemptState.FAILED)
    signs = make_capabilities("local_wallet", look_up=LookUp.NONE)

    for known, hold, result in (
        ({}, None, EventResult.IGNORED),
        ({"local_wallet": replace(signs, signs_events=False)}, None, EventResult.IGNORED),
        ({"local_wallet": signs}, "provider_contradicts_itself", EventResult.APPLIED),
    ):
        plan = Decider(known, lambda: 0.0).plan(work)
        assert (plan.call, plan.change.postings) == (None, ())
        assert plan.change.payment.hold_reason == hold
        assert [item.result for item in plan.change.closed_events] == [result]


def _parts(second: AttemptState, state: State, hold: str | None = None) -> tuple[Work, Attempt]:
    """A refund in two parts, and an event that the first has failed after all."""
    work = make_work(state)
    payment = replace(work.payment, refunded=PART, hold_reason=hold)
    first = make_attempt(payment, Step.REFUND, AttemptState.SUCCEEDED, amount=PART)
    rest = payment.terms.amount - PART
    last = make_attempt(payment, Step.REFUND, second, number=2, key="k-2", amount=rest)
    event = make_event(first, Outcome.FAILED, signed=True)
    return replace(work, payment=payment, attempt=last, earlier=(first,), inbox=(event,)), first


@pytest.mark.parametrize(
    ("second", "state", "after"),
    [
        (AttemptState.INTENDED, State.REFUNDING, State.REFUNDING),
        (AttemptState.ACCEPTED, State.REFUNDING, State.REFUNDING),
        (AttemptState.SUCCEEDED, State.REFUNDED, State.PARTLY_REFUNDED),
    ],
)
def test_an_earlier_part_of_a_refund_that_comes_back_is_owed_again_and_held(
    second: AttemptState, state: State, after: State
) -> None:
    work, first = _parts(second, state)

    plan = DECIDER.plan(work)
    change = DECIDER.settle(plan.work, DECLINED, NOW)

    assert plan.call is Call.LOOK_UP
    assert plan.work.attempt == first
    assert (change.payment.state, change.payment.hold_reason) == (after, "refund_reversed")
    assert change.payment.refunded == work.payment.refunded - PART
    assert [posting.cause for posting in change.postings] == ["refund_returned"]
    assert change.attempt == replace(first, state=AttemptState.REVERSED, failure=DECLINED.failure)
    assert [item.result for item in change.closed_events] == [EventResult.APPLIED]


def test_a_part_that_comes_back_on_hold_is_posted_and_keeps_the_reason() -> None:
    work, _ = _parts(AttemptState.SUCCEEDED, State.REFUNDED, hold="late_success")

    change = DECIDER.settle(DECIDER.plan(work).work, DECLINED, NOW)

    assert [posting.cause for posting in change.postings] == ["refund_returned"]
    assert change.payment.hold_reason == "late_success"


def test_a_payout_that_came_back_and_succeeds_again_leaves_suspense() -> None:
    work = make_work(State.COMPLETED, AttemptState.SUCCEEDED)
    assert work.attempt is not None
    back = replace(work.attempt, moved=work.attempt.nothing)
    event = make_event(back, Outcome.SUCCEEDED, signed=True)
    payment = replace(work.payment, hold_reason="late_success")
    work = replace(work, payment=payment, attempt=back, inbox=(event,))

    plan = DECIDER.plan(work)
    change = DECIDER.settle(plan.work, SUCCEEDED, NOW)

    assert plan.call is Call.LOOK_UP
    assert [posting.cause for posting in change.postings] == ["payout_to_suspense"]
    assert change.attempt is not None
    assert change.attempt.moved is None
    assert change.payment.hold_reason == "late_success"


@pytest.mark.parametrize("hold", [None, "operator"])
@pytest.mark.parametrize("state", [State.CONVERTED, State.PAYING_OUT, State.COMPLETED])
def test_a_collection_that_came_back_is_on_suspense_and_nothing_more_is_sent(
    state: State, hold: str | None
) -> None:
    work = make_work(state, None if state is State.CONVERTED else AttemptState.INTENDED)
    payment = replace(work.payment, hold_reason=hold)
    taken = make_attempt(payment, Step.COLLECTION, AttemptState.SUCCEEDED)
    event = make_event(taken, Outcome.FAILED, signed=True)
    work = replace(work, payment=payment, earlier=(taken,), inbox=(event,))

    plan = DECIDER.plan(work)
    change = DECIDER.settle(plan.work, BLOCKED, NOW)

    assert plan.call is Call.LOOK_UP
    assert (change.payment.state, change.payment.hold_reason) == (state, "collection_reversed")
    assert change.events[-1].evidence.get("held_before") == hold
    assert [posting.cause for posting in change.postings] == ["collection_from_suspense"]
    assert change.attempt == taken.back()
    assert change.due_in is None
    assert [item.result for item in change.closed_events] == [EventResult.APPLIED]


def test_a_collection_that_is_there_again_leaves_suspense_and_its_hold_to_a_person() -> None:
    work = make_work(State.COMPLETED, AttemptState.SUCCEEDED)
    payment = replace(work.payment, hold_reason="collection_reversed")
    taken = make_attempt(payment, Step.COLLECTION, AttemptState.SUCCEEDED)
    event = make_event(taken, Outcome.SUCCEEDED, signed=True)
    work = replace(work, payment=payment, earlier=(taken.back(),), inbox=(event,))

    change = DECIDER.settle(DECIDER.plan(work).work, SUCCEEDED, NOW)
    denied = DECIDER.settle(DECIDER.plan(work).work, BLOCKED, NOW)

    assert [posting.cause for posting in change.postings] == ["collection_to_suspense"]
    assert change.attempt == taken
    assert change.payment.hold_reason == "collection_reversed"
    assert (denied.postings, denied.events, denied.payment) == ((), (), payment)
