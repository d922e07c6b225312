"""A success against our record is asked about and then held, in whatever state the payment is;
only an event that the provider denies is ignored."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.facts import (
    Call,
    Change,
    EventResult,
    InboxEvent,
    Plan,
    Work,
)
from services.payments.engine.decisions.returns_and_refunds import (
    cancel_or_expire,
    refund_on_request,
)
from services.payments.model.answer import SUCCEEDED_LATE, Answer, Outcome
from services.payments.model.attempt import Attempt, AttemptState, LookUp, Step
from services.payments.model.payment import Failure, State
from services.payments.model.timing import DOUBTED_TRIES
from services.shared.money import Money
from tests.makers import CAPABILITIES, NOW, make_attempt, make_capabilities, make_payment, make_work

DECIDER = Decider(CAPABILITIES, spread=lambda: 0.0)
LIVE = (AttemptState.INTENDED, AttemptState.SENT, AttemptState.ACCEPTED, AttemptState.UNKNOWN)


def _failed(code: str) -> Answer:
    return Answer(outcome=Outcome.FAILED, failure=Failure(code=code, message=code))


def _unknown(code: str) -> Answer:
    return Answer(outcome=Outcome.UNKNOWN, failure=Failure(code=code, message=code))


# Past every lag that a provider of these tests declares.
LONG_AFTER = timedelta(minutes=20)
SUCCEEDED = Answer(outcome=Outcome.SUCCEEDED, provider_reference="x_1")
ABSENT = Answer(outcome=Outcome.ABSENT)
REFUSED = _failed("payout_blocked")
CONFIRMING = [SUCCEEDED]
MISMATCHING = [_unknown("amount_mismatch"), _unknown("reference_mismatch")]
DENYING = [ABSENT, _unknown("reference_unknown")]
STALE = [REFUSED, _failed("card_declined")]
OPEN = [
    Answer(outcome=Outcome.PENDING),
    _unknown("timeout"),
    _failed("solar_flare"),
    _unknown("unknown_status"),
]
# The payment states in which an attempt of this step that is over may be on record.
STATES_OF = {
    Step.COLLECTION: list(State),
    Step.PAYOUT: [
        State.PAYING_OUT,
        State.COMPLETED,
        State.RETURNED,
        State.REFUNDING,
        State.REFUNDED,
    ],
    Step.REFUND: [State.REFUNDING, State.REFUNDED, State.COMPLETED, State.RETURNED],
}
OVER_OF = {
    Step.COLLECTION: [AttemptState.FAILED],
    Step.PAYOUT: [AttemptState.FAILED, AttemptState.REVERSED],
    Step.REFUND: [AttemptState.FAILED],
}
OVER = [
    (step, over, state, held)
    for step, states in STATES_OF.items()
    for state in states
    for over in OVER_OF[step]
    for held in (None, "payout_failed", "outcome_unknown", "step_failed")
]


def _event(attempt: Attempt, outcome: Outcome, *, signed: bool = True) -> InboxEvent:
    answer = Answer(outcome=outcome, event_id="evt_1", key=attempt.key, signed=signed)
    return InboxEvent(
        provider=attempt.provider,
        event_id="evt_1",
        step=attempt.step,
        answer=answer,
        asked_since=NOW,
        asked=DOUBTED_TRIES,
    )


def _over(step: Step, over: AttemptState, state: State, held: str | None) -> Work:
    """A payment with an attempt on record that is over, not the last of its step."""
    payment = make_payment(state=state, version=5, hold_reason=held)
    attempt = make_attempt(payment, step, over, leaves_until=NOW - timedelta(minutes=2))
    work = make_work(state)
    return replace(work, payment=payment, earlier=(attempt,))


def _with_event(work: Work, outcome: Outcome, *, signed: bool = True) -> Work:
    return replace(work, inbox=(_event(work.earlier[0], outcome, signed=signed),))


def _asked(work: Work, answer: Answer, *, after: timedelta = timedelta(0)) -> tuple[Plan, Change]:
    """The plan, which must be a look-up, and what its answer comes to."""
    plan = DECIDER.plan(work)
    assert plan.call is Call.LOOK_UP
    assert DECIDER.after_look_up(plan.work, answer) is None
    return plan, DECIDER.settle(plan.work, answer, NOW + after)


@pytest.mark.parametrize(("step", "over", "state", "held"), OVER)
def test_a_success_of_what_is_over_is_a_hold_in_every_state_once_the_provider_confirms_it(
    step: Step, over: AttemptState, state: State, held: str | None
) -> None:
    work = _with_event(_over(step, over, state, held), Outcome.SUCCEEDED)

    for answer in CONFIRMING:
        plan, change = _asked(work, answer)
        assert plan.work.attempt is not None
        assert plan.work.attempt.key == work.earlier[0].key
        assert change.payment.hold_reason == "late_success"
        assert change.payment.state is state
        assert change.attempt is not None
        assert change.attempt.code == SUCCEEDED_LATE
        (event,) = change.events
        assert event.evidence["expected"]
        assert event.evidence.get("held_before", "") == (held or "")
    for answer in MISMATCHING:
        assert _asked(work, answer)[1].payment.hold_reason == "amount_mismatch"


@pytest.mark.parametrize(("step", "over", "state", "held"), OVER)
def test_a_signed_success_against_a_look_up_that_knows_nothing_is_a_hold(
    step: Step, over: AttemptState, state: State, held: str | None
) -> None:
    work = _over(step, over, state, held)

    for answer in DENYING:
        signed = _asked(_with_event(work, Outcome.SUCCEEDED), answer, after=LONG_AFTER)[1]
        unsigned = _asked(_with_event(work, Outcome.SUCCEEDED, signed=False), answer)[1]
        assert signed.payment.hold_reason == "late_success"
        assert unsigned.payment.hold_reason == held
        assert [item.result for item in unsigned.closed_events] == [EventResult.IGNORED]


@pytest.mark.parametrize(("step", "over", "state", "held"), OVER)
def test_a_success_that_is_older_than_the_failure_is_no_alarm(
    step: Step, over: AttemptState, state: State, held: str | None
) -> None:
    work = _with_event(_over(step, over, state, held), Outcome.SUCCEEDED)

    for answer in STALE:
        change = _asked(work, answer)[1]
        assert change.payment == work.payment
        assert change.events == ()
        assert [item.result for item in change.closed_events] == [EventResult.IGNORED]


@pytest.mark.parametrize(("step", "over", "state", "held"), OVER)
def test_while_the_provider_cannot_say_the_event_is_kept_and_in_the_end_held(
    step: Step, over: AttemptState, state: State, held: str | None
) -> None:
    work = _with_event(_over(step, over, state, held), Outcome.SUCCEEDED)

    for answer in OPEN:
        soon = _asked(work, answer, after=timedelta(minutes=1))[1]
        assert soon.payment == work.payment
        assert soon.closed_events == ()
        assert soon.due_in is not None
        late = _asked(work, answer, after=timedelta(minutes=30))[1]
        assert late.payment.hold_reason == "late_success"


@pytest.mark.parametrize("outcome", [o for o in Outcome if o is not Outcome.SUCCEEDED])
@pytest.mark.parametrize(("step", "over", "state", "held"), OVER)
def test_any_other_event_about_what_is_over_calls_nobody(
    step: Step, over: AttemptState, state: State, held: str | None, outcome: Outcome
) -> None:
    plan = DECIDER.plan(_with_event(_over(step, over, state, held), outcome))

    assert plan.change.payment.hold_reason == held
    assert plan.work.disputed is None


@pytest.mark.parametrize("state", [State.EXPIRED, State.CANCELLED, State.FAILED])
def test_a_signed_success_for_a_payment_that_ended_without_any_attempt_is_a_hold(
    state: State,
) -> None:
    payment = make_payment(state=state, version=3)
    reported = _event(
        make_attempt(payment, Step.COLLECTION, AttemptState.FAILED), Outcome.SUCCEEDED
    )
    work = replace(make_work(state), payment=payment, inbox=(reported,))

    for answer, moved in ((SUCCEEDED, payment.terms.amount), (ABSENT, None)):
        change = _asked(work, answer, after=LONG_AFTER)[1]
        assert change.payment.hold_reason == "late_success"
        assert change.attempt is not None
        assert (change.attempt.number, change.attempt.state) == (1, AttemptState.FAILED)
        assert (change.attempt.code, change.attempt.moved) == (SUCCEEDED_LATE, moved)


def _to_come() -> Iterator[tuple[Step, State]]:
    yield Step.COLLECTION, State.CREATED
    for state in (State.CREATED, State.COLLECTING, State.CONVERTED):
        yield Step.PAYOUT, state


@pytest.mark.parametrize(("step", "state"), list(_to_come()))
def test_a_success_of_an_attempt_that_may_be_to_come_waits_for_it(step: Step, state: State) -> None:
    payment = make_payment(state=state)
    reported = _event(make_attempt(payment, step, AttemptState.SENT), Outcome.SUCCEEDED)

    plan = DECIDER.plan(replace(make_work(state), payment=payment, inbox=(reported,)))

    assert plan.work.disputed is None
    assert plan.change.closed_events == ()
    assert plan.change.payment.hold_reason is None


def test_a_success_under_a_key_of_nobodys_is_a_hold_once_no_attempt_can_come() -> None:
    work = make_work(State.COMPLETED, AttemptState.SUCCEEDED)
    for step in Step:
        stranger = replace(
            make_attempt(work.payment, step, AttemptState.SENT),
            key=f"{work.payment.transaction_id}-{step}-9",
        )
        reported = replace(work, inbox=(_event(stranger, Outcome.SUCCEEDED),))
        assert _asked(reported, SUCCEEDED)[1].payment.hold_reason == "late_success"


def test_any_other_event_under_a_key_of_nobodys_is_listed() -> None:
    work = make_work(State.COMPLETED, AttemptState.SUCCEEDED)
    stranger = replace(make_attempt(work.payment, Step.PAYOUT, AttemptState.SENT), key="pay_x-1")

    plan = DECIDER.plan(replace(work, inbox=(_event(stranger, Outcome.FAILED),)))

    assert [item.result for item in plan.change.closed_events] == [EventResult.UNMATCHED]


def test_a_payout_that_succeeds_fails_and_succeeds_is_a_hold_and_never_refunded() -> None:
    completed = make_work(State.COMPLETED, AttemptState.SUCCEEDED)
    assert completed.attempt is not None
    failed = replace(completed, inbox=(_event(completed.attempt, Outcome.FAILED),))
    plan = DECIDER.plan(failed)
    returned = DECIDER.settle(plan.work, REFUSED, NOW)
    assert returned.payment.state is State.RETURNED

    again = replace(
        completed,
        payment=returned.payment,
        attempt=returned.attempt,
        inbox=(_event(completed.attempt, Outcome.SUCCEEDED),),
    )
    change = _asked(again, SUCCEEDED)[1]

    assert change.payment.hold_reason == "late_success"
    reported_twice = replace(again, payment=change.payment, attempt=change.attempt)
    assert DECIDER.plan(reported_twice).call is None


def test_the_operation_that_the_event_names_is_asked_about() -> None:
    """A key that was forgotten was charged again: the first intent failed, and not this one."""
    work = _over(Step.COLLECTION, AttemptState.FAILED, State.FAILED, None)
    named = replace(work.earlier[0], provider_reference="pi_1")
    reported = _with_event(replace(work, earlier=(named,)), Outcome.SUCCEEDED)
    event = replace(
        reported.inbox[0], answer=replace(reported.inbox[0].answer, provider_reference="pi_2")
    )

    plan = DECIDER.plan(replace(reported, inbox=(event,)))

    assert plan.work.attempt is not None
    assert plan.work.attempt.provider_reference == "pi_2"


def test_the_same_success_stated_again_is_no_other_one() -> None:
    work = _over(Step.PAYOUT, AttemptState.FAILED, State.REFUNDED, None)
    late = replace(work.earlier[0], failure=Failure(code=SUCCEEDED_LATE, message="late"))
    known = late.known_to_have_moved(late.amount)
    reported = _with_event(replace(work, earlier=(known,)), Outcome.SUCCEEDED)

    plan = DECIDER.plan(reported)

    assert plan.call is None
    assert plan.change.payment.hold_reason is None
    assert [item.result for item in plan.change.closed_events] == [EventResult.IGNORED]


def test_where_nobody_can_be_asked_an_event_alone_is_a_hold() -> None:
    work = _with_event(
        _over(Step.PAYOUT, AttemptState.FAILED, State.REFUNDED, None), Outcome.SUCCEEDED
    )
    silent = {"local_wallet": make_capabilities("local_wallet", look_up=LookUp.NONE)}

    for capabilities in ({}, silent):
        plan = Decider(capabilities, lambda: 0.0).plan(work)
        assert plan.call is None
        assert plan.change.payment.hold_reason == "late_success"
        # It alone shows nothing to have moved, so that nothing is on suspense.
        assert plan.change.attempt is not None
        assert (plan.change.attempt.moved, plan.change.postings) == (None, ())


@pytest.mark.parametrize("state", LIVE)
@pytest.mark.parametrize("answer", [ABSENT, REFUSED, _failed("card_declined")])
def test_the_end_of_a_collection_closes_no_event_of_its_success(
    state: AttemptState, answer: Answer
) -> None:
    work = make_work(State.COLLECTING, state)
    assert work.attempt is not None
    work = replace(work, inbox=(_event(work.attempt, Outcome.SUCCEEDED),))

    for change in (cancel_or_expire(work), DECIDER.settle(work, answer, NOW)):
        closed = [item.event.answer.outcome for item in change.closed_events]
        assert Outcome.SUCCEEDED not in closed
        assert change.due_in is not None


# The end of a late success


def test_released_a_payout_that_succeeded_late_completes_where_the_provider_still_says_so() -> None:
    work = make_work(State.PAYING_OUT, AttemptState.FAILED)
    assert work.attempt is not None
    late = replace(work.attempt, failure=Failure(code=SUCCEEDED_LATE, message="late"))
    released = replace(work, attempt=late)

    plan = DECIDER.plan(released)

    assert plan.call is Call.LOOK_UP
    assert DECIDER.after_look_up(plan.work, ABSENT) is None
    done = DECIDER.settle(plan.work, SUCCEEDED, NOW)
    assert done.payment.state is State.COMPLETED
    assert [posting.cause for posting in done.postings] == ["paid_out"]
    nobody_knows = DECIDER.settle(plan.work, _unknown("timeout"), NOW)
    assert (nobody_knows.payment, nobody_knows.attempt) == (work.payment, late.doubted())


# Attempts that we never sent


@pytest.mark.parametrize("step", Step)
def test_money_of_an_unknown_attempt_stands_on_suspense_under_the_next_number(step: Step) -> None:
    work = make_work(State.REFUNDED)
    first = make_attempt(work.payment, step, AttemptState.SUCCEEDED)
    stated = Money(123, first.amount.currency)
    reported = Answer(
        outcome=Outcome.SUCCEEDED, event_id="evt_1", key="k-9", amount=stated, signed=True
    )
    event = InboxEvent(provider=first.provider, event_id="evt_1", step=step, answer=reported)
    plan = DECIDER.plan(replace(work, attempt=None, earlier=(first,), inbox=(event,)))

    change = DECIDER.settle(plan.work, replace(SUCCEEDED, amount=stated), NOW)

    assert change.payment.hold_reason == "late_success"
    assert change.attempt is not None
    assert (change.attempt.number, change.attempt.key, change.attempt.moved) == (2, "k-9", stated)
    provider = f"{first.provider}:{stated.currency}"
    assert f"suspense:{provider}" in {change.postings[0].debit, change.postings[0].credit}


def test_a_refund_that_follows_one_that_was_never_ours_has_its_own_number() -> None:
    work = make_work(State.RETURNED, AttemptState.REVERSED)
    stranger = make_attempt(
        work.payment,
        Step.REFUND,
        AttemptState.FAILED,
        failure=Failure(code=SUCCEEDED_LATE, message="late"),
    )

    change = refund_on_request(replace(work, earlier=(stranger,)), None)

    assert change.attempt is not None
    assert change.attempt.number == 2
