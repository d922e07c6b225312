"""The effect of an operator's verb on a payment on hold, and the ids that name a dead letter."""

from dataclasses import replace
from datetime import timedelta

import pytest

from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.facts import Work
from services.payments.model.answer import Answer, Outcome
from services.payments.model.attempt import AttemptState
from services.payments.model.holds import HOLDS, HoldReason, Verb
from services.payments.model.operator import Operator
from services.payments.model.payment import Failure, State
from services.payments.operators.decisions import (
    end_hold,
    honour_locked_rate,
    open_attempt,
    resolve,
    take_over,
)
from services.payments.operators.domain import (
    AttemptNotOpen,
    DeadLetterNotFound,
    Kind,
    LetterKey,
    NoLockedRate,
    PaymentNotOnHold,
    read_dead_letter_id,
)
from tests.makers import CAPABILITIES, make_work

ADA = Operator(name="ada", note="called the bank")
DECIDER = Decider(CAPABILITIES, spread=lambda: 0.5)
WORDS = {"evidence": "line 12", "provider_answer": "ABSENT"}
# Well written, and too long to repeat; no text of ours has a zero in it.
ZERO = LetterKey(kind=Kind.STEP, words="a" * 60 + "\0").dead_letter_id


def _held(state: State, attempt: AttemptState | None = None, reason: str = "step_failed") -> Work:
    work = make_work(state, attempt)
    return replace(work, payment=replace(work.payment, hold_reason=reason))


def _state(outcome: Outcome) -> Answer:
    failed = outcome is Outcome.FAILED
    failure = Failure(code="stated_by_operator", message="line 12") if failed else None
    return Answer(outcome=outcome, failure=failure, actor=ADA.actor)


def test_an_ended_hold_makes_the_payment_due_at_once_and_says_who_ended_it() -> None:
    work = _held(State.PAYING_OUT, AttemptState.UNKNOWN, "outcome_unknown")

    change = end_hold(work, ADA)

    (event,) = change.events
    assert change.payment.hold_reason is None
    assert change.due_in == timedelta(0)
    assert (event.actor, event.cause) == ("operator:ada", "hold_released")
    assert event.evidence == {"hold_reason": "outcome_unknown"}
    assert (change.before.version, change.payment.version) == (5, 6)


def test_a_payment_that_is_not_on_hold_is_not_released() -> None:
    work = make_work(State.PAYING_OUT)

    with pytest.raises(PaymentNotOnHold) as refusal:
        end_hold(work, ADA)

    assert refusal.value.metadata == {"transaction_id": work.payment.transaction_id}


def test_only_a_refund_that_waited_for_its_payouts_knows_that_a_person_has_spoken() -> None:
    waited = _held(State.REFUNDING, AttemptState.INTENDED, "payout_unconfirmed")
    other = _held(State.REFUNDING, AttemptState.INTENDED, "step_failed")

    change = end_hold(waited, ADA)

    assert change.attempt is not None
    assert change.attempt.failure == Failure(
        code="stated_by_operator", message="the payout before it was not paid"
    )
    assert end_hold(other, ADA).attempt is None


@pytest.mark.parametrize(
    ("state", "reason"), [(State.FUNDED, "step_failed"), (State.REFUNDING, "late_funds")]
)
def test_only_late_funds_that_are_still_here_are_exchanged_at_the_locked_rate(
    state: State, reason: str
) -> None:
    held = _held(state, reason=reason)

    with pytest.raises(NoLockedRate) as refusal:
        honour_locked_rate(held, ADA)

    assert refusal.value.metadata == {"transaction_id": held.payment.transaction_id}


def test_a_step_that_is_taken_over_stays_on_hold_and_is_never_due() -> None:
    change = take_over(_held(State.PAYING_OUT, AttemptState.UNKNOWN), ADA)

    assert change.payment.hold_reason == "discarded_by_operator"
    assert change.due_in is None
    assert change.payment.state is State.PAYING_OUT
    assert [event.actor for event in change.events] == ["operator:ada"]


def test_a_stated_success_completes_the_payment() -> None:
    work = _held(State.PAYING_OUT, AttemptState.UNKNOWN)

    change = resolve(work, DECIDER, ADA, _state(Outcome.SUCCEEDED), **WORDS)

    assert change.payment.state is State.COMPLETED
    assert change.payment.hold_reason is None
    assert change.postings
    assert [event.cause for event in change.events] == ["attempt_resolved", "payout_succeeded"]
    assert [event.sequence for event in change.events] == [6, 7]
    assert {event.actor for event in change.events} == {"operator:ada"}
    assert change.events[0].evidence["evidence"] == "line 12"
    assert change.before.version == 5


def test_a_stated_failure_counts_as_definitive() -> None:
    work = _held(State.PAYING_OUT, AttemptState.UNKNOWN)

    change = resolve(work, DECIDER, ADA, _state(Outcome.FAILED), **WORDS)

    assert change.payment.state is State.REFUNDING
    assert change.attempt is not None
    assert change.attempt.state is AttemptState.FAILED


@pytest.mark.parametrize("state", [None, AttemptState.INTENDED, AttemptState.FAILED])
def test_only_an_open_attempt_can_be_resolved(state: AttemptState | None) -> None:
    held = _held(State.PAYING_OUT, state, "operator")

    with pytest.raises(AttemptNotOpen) as refusal:
        open_attempt(held)

    assert refusal.value.metadata == {"transaction_id": held.payment.transaction_id}


@pytest.mark.parametrize("reason", HoldReason)
def test_an_outcome_is_stated_only_where_the_hold_waits_for_one(reason: HoldReason) -> None:
    held = _held(State.PAYING_OUT, AttemptState.UNKNOWN, reason)
    if Verb.RESOLVE in HOLDS[reason].verbs:
        assert open_attempt(held) == held.attempt
        return

    with pytest.raises(AttemptNotOpen) as refusal:
        open_attempt(held)

    assert refusal.value.metadata["hold_reason"] == reason


def test_only_a_payment_on_hold_can_be_resolved() -> None:
    with pytest.raises(PaymentNotOnHold):
        open_attempt(make_work(State.PAYING_OUT, AttemptState.UNKNOWN))


@pytest.mark.parametrize(
    "words", ["0199d3a1-5c1e-7f7a-9b52-3f1d2c4b5a69", "stripe evt 1 é", "a", "ab", "???", "seven b"]
)
def test_an_id_leads_back_to_its_key(words: str) -> None:
    key = LetterKey(kind=Kind.INBOX, words=words)

    assert read_dead_letter_id(key.dead_letter_id) == key


@pytest.mark.parametrize(
    "text",
    [
        "",
        "step",
        "step_!",
        "pay_MDE",
        "step_MDE=",
        "STEP_MDE5",
        "inbox_AA",
        "step_\xff",
        "x" * 99,
        ZERO,
    ],
)
def test_a_malformed_id_names_nothing(text: str) -> None:
    with pytest.raises(DeadLetterNotFound) as refusal:
        read_dead_letter_id(text)

    assert refusal.value.metadata == {"dead_letter_id": text}
