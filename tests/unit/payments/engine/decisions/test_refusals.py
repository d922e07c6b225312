"""A recipient that cannot be paid: nobody else is tried and nothing is refunded at once, a refusal
of a key that was sent before is looked up first, and the key is never sent again."""

from dataclasses import replace
from datetime import timedelta

import pytest

from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.facts import Call, Change, EventResult, Work
from services.payments.model.answer import Answer, Outcome
from services.payments.model.attempt import AttemptState, LookUp, Step
from services.payments.model.payment import Failure, State, Status
from services.payments.model.quote import Route
from services.payments.model.timing import CALL, CLOCK_SKEW, LANDING
from tests.history import attempt_of, check, facts, make_work_of, said, with_attempt
from tests.makers import CAPABILITIES, NOW, make_capabilities, make_event, make_work

DECIDER = Decider(CAPABILITIES, spread=lambda: 0.0)
REFUSED = said(Outcome.FAILED, "recipient_invalid")
BOTH = Route(onramps=("stripe",), offramps=("local_wallet", "bank"))
ABSENT = Answer(outcome=Outcome.ABSENT)
PROVEN_AFTER = CALL + CLOCK_SKEW + LANDING


def _sent(state: AttemptState = AttemptState.SENT, **changes: object) -> Work:
    return make_work_of(State.PAYING_OUT, state, route=BOTH, **changes)


def _refused(work: Work, answer: Answer = REFUSED) -> Change:
    return DECIDER.settle(work, answer, NOW)


@pytest.mark.parametrize(
    "work",
    [
        replace(_sent(), first_send=True),
        _sent(AttemptState.ACCEPTED),
        # Looked up.
        _sent(AttemptState.UNKNOWN),
    ],
)
def test_a_refused_recipient_waits_for_the_merchant_and_for_no_other_offramp(work: Work) -> None:
    change = _refused(work)

    check(change, ("recipient_refused", "provider:them", facts(work, REFUSED)))
    assert change.payment.state is State.ACTION_REQUIRED
    assert change.payment.status is Status.ACTION_REQUIRED
    assert change.payment.event_type == "payment.action_required"
    assert change.payment.failure == REFUSED.failure
    assert change.payment.offramp == "local_wallet"
    assert change.attempt == attempt_of(work).answered(AttemptState.FAILED, REFUSED)
    assert (change.postings, change.following, change.due_in) == ((), None, None)


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.PENDING, Outcome.SUCCEEDED])
def test_its_events_end_with_the_payout_but_a_success_is_looked_up_at_once(
    outcome: Outcome,
) -> None:
    work = _sent(AttemptState.ACCEPTED)
    event = make_event(attempt_of(work), outcome)
    other = make_event(attempt_of(work), Outcome.PENDING, "evt_2", key="of-nobody")

    change = _refused(replace(work, inbox=(event, other)))

    results = {one.event.event_id: one.result for one in change.closed_events}
    about = {"evt_1": EventResult.APPLIED} if outcome is not Outcome.SUCCEEDED else {}
    assert results == {**about, "evt_2": EventResult.UNMATCHED}
    assert change.due_in == (timedelta(0) if outcome is Outcome.SUCCEEDED else None)


def test_any_other_definitive_failure_goes_to_the_next_offramp_as_before() -> None:
    change = _refused(replace(_sent(), first_send=True), said(Outcome.FAILED, "payout_blocked"))

    assert change.payment.state is State.PAYING_OUT
    assert change.payment.offramp == "bank"


def test_a_code_that_the_provider_does_not_declare_proves_nothing() -> None:
    change = _refused(replace(_sent(), first_send=True), said(Outcome.FAILED, "recipient_unheard"))

    assert change.payment.state is State.PAYING_OUT
    assert change.attempt is not None
    assert change.attempt.state is AttemptState.UNKNOWN


def test_a_failure_that_a_person_states_is_no_refusal_of_the_recipient() -> None:
    stated = said(Outcome.FAILED, "stated_by_operator", actor="operator:ada", event_id="")

    assert _refused(_sent(AttemptState.UNKNOWN), stated).payment.state is State.PAYING_OUT


def test_a_refusal_of_a_key_that_was_sent_before_is_looked_up_first() -> None:
    change = _refused(_sent(), replace(REFUSED, outcome=Outcome.REFUSED))

    assert change.payment.state is State.PAYING_OUT
    assert change.attempt is not None
    assert change.attempt.state is AttemptState.UNKNOWN
    assert change.attempt.code == "recipient_invalid"
    assert change.due_in is not None


def _refused_again(**changes: object) -> Work:
    """An earlier send may have been taken; the last one was refused."""
    return with_attempt(
        _sent(AttemptState.UNKNOWN),
        failure=Failure(code="recipient_invalid", message="no"),
        sends=2,
        inconclusive_count=1,
        **changes,
    )


def test_a_key_whose_recipient_was_refused_is_not_sent_again() -> None:
    plan = DECIDER.plan(_refused_again())

    assert plan.call is Call.LOOK_UP
    assert DECIDER.after_look_up(plan.work, ABSENT) is None
    # The same without the refusal.
    other = with_attempt(plan.work, failure=Failure(code="timeout", message="no answer"))
    following = DECIDER.after_look_up(other, ABSENT)
    assert following is not None
    assert following.call is Call.SEND


def test_it_ends_once_the_provider_provably_has_nothing_of_the_earlier_send() -> None:
    early = _refused_again()
    waiting = DECIDER.settle(early, ABSENT, NOW)
    assert waiting.payment.state is State.PAYING_OUT

    late = replace(
        with_attempt(early, leaves_until=NOW - PROVEN_AFTER), claimed_at=NOW + timedelta(seconds=1)
    )
    change = DECIDER.settle(late, ABSENT, NOW + timedelta(seconds=1))

    assert change.payment.state is State.ACTION_REQUIRED
    assert change.payment.failure == Failure(code="recipient_invalid", message="no")
    assert [event.cause for event in change.events] == ["recipient_refused"]


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (Outcome.SUCCEEDED, State.COMPLETED),
        (Outcome.PENDING, State.PAYING_OUT),
        (Outcome.FAILED, State.ACTION_REQUIRED),
    ],
)
def test_the_look_up_after_a_refusal_decides(outcome: Outcome, state: State) -> None:
    answer = REFUSED if outcome is Outcome.FAILED else said(outcome)

    assert DECIDER.settle(_refused_again(), answer, NOW).payment.state is state


def test_a_request_that_may_still_be_under_way_is_waited_for() -> None:
    work = with_attempt(
        _sent(AttemptState.UNKNOWN), last_sent_at=NOW, leaves_until=NOW + timedelta(seconds=5)
    )

    change = _refused(work)

    assert change.rest is not None
    assert change.rest > timedelta(seconds=5)
    # Only a send waits for it; the payment itself waits for its merchant.
    assert change.due_in is None


def test_a_success_in_the_inbox_is_looked_up_at_once() -> None:
    work = _sent(AttemptState.ACCEPTED)
    success = make_event(attempt_of(work), Outcome.SUCCEEDED, "evt_9")

    change = _refused(replace(work, inbox=(success,)))

    assert change.closed_events == ()
    assert change.due_in == timedelta(0)


def test_a_hold_for_an_unknown_outcome_ends_with_a_refusal() -> None:
    work = make_work_of(
        State.PAYING_OUT, AttemptState.UNKNOWN, hold_reason="outcome_unknown", route=BOTH
    )

    change = _refused(work)

    assert change.payment.state is State.ACTION_REQUIRED
    assert change.payment.hold_reason is None
    causes = [event.cause for event in change.events]
    assert causes == ["hold_ended_by_outcome", "recipient_refused"]


def test_a_payout_that_came_back_for_its_recipient_is_returned() -> None:
    work = make_work(State.COMPLETED, AttemptState.SUCCEEDED)

    assert _refused(work).payment.state is State.RETURNED


def test_a_provider_without_look_up_may_be_asked_by_the_key_alone() -> None:
    """There is no other way to learn more, and the key cannot be a second operation."""
    blind = make_capabilities("local_wallet", look_up=LookUp.NONE)
    decider = Decider({**CAPABILITIES, "local_wallet": blind}, spread=lambda: 0.0)

    assert decider.plan(_refused_again()).call is Call.SEND


def test_only_a_payout_can_be_refused_for_its_recipient() -> None:
    assert [name for name, known in CAPABILITIES.items() if known.recipient_failures] == [
        *CAPABILITIES
    ]
    work = make_work(State.COLLECTING, AttemptState.SENT)
    assert attempt_of(work).step is Step.COLLECTION
    declined = said(Outcome.FAILED, "card_declined")
    assert DECIDER.settle(work, declined, NOW).payment.state is State.FAILED
