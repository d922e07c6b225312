"""The engine's one table: a case is read as one situation and one meaning, and only an answer that
proves something ends an attempt."""

from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest

from services.payments.engine.decisions import table
from services.payments.engine.decisions.case import Case, Meaning, Situation
from services.payments.engine.decisions.facts import InboxEvent, Work
from services.payments.model.answer import Answer, Outcome
from services.payments.model.attempt import AttemptState, Step
from services.payments.model.payer import PresentPayer
from services.payments.model.payment import Failure, State
from services.payments.model.timing import DOUBTED_TRIES
from tests.makers import NOW, make_attempt, make_case, make_work


def _failure(code: str) -> Failure:
    return Failure(code=code, message=code)


ANSWERS = {
    Meaning.SUCCEEDED: Answer(outcome=Outcome.SUCCEEDED),
    Meaning.MISMATCH: Answer(outcome=Outcome.UNKNOWN, failure=_failure("amount_mismatch")),
    Meaning.PENDING: Answer(outcome=Outcome.PENDING),
    Meaning.FAILED: Answer(outcome=Outcome.FAILED, failure=_failure("card_declined")),
    Meaning.REFUSED: Answer(outcome=Outcome.FAILED, failure=_failure("recipient_invalid")),
    Meaning.PAYER_AWAY: Answer(outcome=Outcome.FAILED, failure=_failure("requires_action")),
    Meaning.NOT_SENT: Answer(outcome=Outcome.NOT_SENT, failure=_failure("provider_unavailable")),
    Meaning.ABSENT: Answer(outcome=Outcome.ABSENT),
    Meaning.DENIED: Answer(outcome=Outcome.UNKNOWN, failure=_failure("reference_unknown")),
    Meaning.UNKNOWN: Answer(outcome=Outcome.UNKNOWN, failure=_failure("timeout")),
}


def _held(
    reason: str,
    state: State = State.PAYING_OUT,
    attempt: AttemptState = AttemptState.UNKNOWN,
) -> Work:
    work = make_work(state, attempt)
    return replace(work, payment=replace(work.payment, hold_reason=reason))


def _unwanted() -> Work:
    payment = replace(make_work(State.COLLECTING).payment, cancel_requested_at=NOW)
    attempt = make_attempt(
        payment, Step.COLLECTION, AttemptState.SENT, leaves_until=NOW - timedelta(minutes=2)
    )
    return make_work(State.COLLECTING, payment=payment, attempt=attempt)


def _beside() -> Work:
    """The second payout is open, and the first has succeeded although it had failed."""
    work = make_work(State.PAYING_OUT, AttemptState.SENT)
    assert work.attempt is not None
    late = replace(
        work.attempt, state=AttemptState.FAILED, failure=_failure("succeeded_late"), moved=None
    )
    second = replace(work.attempt, number=2, key=f"{work.attempt.key}-2")
    return replace(work, attempt=second, earlier=(late,))


def _disputed() -> Work:
    work = make_work(State.COMPLETED, AttemptState.FAILED)
    event = InboxEvent(
        provider="local_wallet",
        event_id="evt_1",
        step=Step.PAYOUT,
        answer=ANSWERS[Meaning.SUCCEEDED],
        asked_since=NOW - timedelta(seconds=1),
        asked=DOUBTED_TRIES,
    )
    return replace(work, disputed=event)


def _before_send() -> Work:
    work = make_work(State.REFUNDING)
    payout = make_attempt(work.payment, Step.PAYOUT, AttemptState.FAILED)
    refund = make_attempt(work.payment, Step.REFUND, AttemptState.INTENDED)
    return replace(work, attempt=payout, to_send=refund)


def _recounted() -> Work:
    work = _disputed()
    assert work.disputed is not None
    failed = replace(work.disputed.answer, outcome=Outcome.FAILED)
    return replace(work, disputed=replace(work.disputed, answer=failed))


WORK = {
    Situation.DISPUTED: _disputed(),
    Situation.RECOUNTED: _recounted(),
    Situation.BEFORE_SEND: _before_send(),
    Situation.OTHER_AMOUNT: _held("amount_mismatch"),
    Situation.DONE_ON_HOLD: _held("late_success", State.COMPLETED, AttemptState.SUCCEEDED),
    Situation.ON_HOLD: _held("outcome_unknown"),
    Situation.BESIDE: _beside(),
    Situation.UNWANTED: _unwanted(),
    Situation.OPEN: make_work(State.PAYING_OUT, AttemptState.SENT),
    Situation.SUCCEEDED: make_work(State.COMPLETED, AttemptState.SUCCEEDED),
    Situation.ENDED: make_work(State.PAYING_OUT, AttemptState.FAILED),
}
# Only an open collection has a payer to wait for.
WITH_PAYER = {
    Situation.UNWANTED: WORK[Situation.UNWANTED],
    Situation.OPEN: make_work(State.COLLECTING, AttemptState.SENT),
}
EVERY = [
    (situation, meaning)
    for situation, meaning in product(Situation, Meaning)
    if meaning is not Meaning.PAYER_AWAY or situation in WITH_PAYER
]
FAILURES = frozenset({Meaning.FAILED, Meaning.REFUSED, Meaning.PAYER_AWAY})
PROOFS = FAILURES | {Meaning.SUCCEEDED, Meaning.ABSENT}


def _case(situation: Situation, meaning: Meaning) -> Case:
    work = WORK[situation]
    if meaning is Meaning.PAYER_AWAY:
        work = WITH_PAYER[situation]
        work = replace(work, payment=replace(work.payment, payer=PresentPayer()))
    return make_case(work, ANSWERS[meaning])


@pytest.mark.parametrize(("situation", "meaning"), EVERY)
def test_each_case_is_read_as_one_situation_and_one_meaning(
    situation: Situation, meaning: Meaning
) -> None:
    case = _case(situation, meaning)
    assert (case.situation(), case.meaning()) == (situation, meaning)


@pytest.mark.parametrize(("situation", "meaning"), EVERY)
def test_only_an_answer_that_proves_something_ends_an_open_attempt(
    situation: Situation, meaning: Meaning
) -> None:
    case = _case(situation, meaning)
    after = table.settle(case).attempt
    ended = case.attempt.is_live and after is not None and not after.is_live
    assert not ended or meaning in PROOFS


@pytest.mark.parametrize("situation", [*Situation])
def test_only_a_success_or_a_failure_moves_a_payment(situation: Situation) -> None:
    """But for a collection that nobody wants and nobody has: that ends the payment."""
    for meaning in set(Meaning) - FAILURES - {Meaning.SUCCEEDED}:
        case = _case(situation, meaning)
        moved = table.settle(case).payment.state is not case.payment.state
        assert moved == (situation is Situation.UNWANTED and meaning is Meaning.ABSENT)


@pytest.mark.parametrize("meaning", [*Meaning])
def test_of_a_provider_that_is_not_here_no_failure_and_no_absence_is_believed(
    meaning: Meaning,
) -> None:
    case = replace(_case(Situation.OPEN, meaning), providers={})
    change = table.settle(case)
    assert change.payment.state in (case.payment.state, State.COMPLETED)
    assert change.attempt is None or change.attempt.state is not AttemptState.FAILED
