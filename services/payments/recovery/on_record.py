"""An operation that the database has lost, put on record as an attempt that is over, with the money
that its provider says to have moved on suspense: nothing is sent past it, and the engine asks about
it once a person has released the payment. Pure."""

from collections.abc import Mapping
from dataclasses import replace

from services.payments.engine.decisions.facts import Change
from services.payments.model.answer import (
    DENIAL,
    MISMATCHES,
    NEVER_LEFT,
    SUCCEEDED_LATE,
    UNDOCUMENTED,
    UNFUNDED,
    Answer,
    Outcome,
)
from services.payments.model.attempt import Attempt, AttemptState, Capabilities, Step, intend
from services.payments.model.causes import Cause
from services.payments.model.ledger import suspense_postings
from services.payments.model.payment import Failure, Payment
from services.payments.recovery.ports import Stated
from services.shared.money import Money

LATE = Failure(code=SUCCEEDED_LATE, message="made in a time that the database had lost")
NOT_LISTED = Failure(code=NEVER_LEFT, message="no provider lists such an attempt")


def late(payment: Payment, one: Stated, declared: Mapping[str, Capabilities]) -> Attempt:
    """The attempt of a lost operation, over by our record."""
    amount = one.answer.amount or intend(payment, one.operation.step, 1).amount
    return over(made_of(payment, one, amount), one.answer, declared)


def made_of(payment: Payment, one: Stated, amount: Money | None = None) -> Attempt:
    """The attempt of a lost operation, of which nothing else is known yet."""
    operation = one.operation
    return replace(
        intend(payment, operation.step, operation.number, amount),
        provider=operation.provider,
        key=operation.listed.key,
        provider_reference=one.answer.provider_reference or operation.listed.provider_reference,
    )


def over(attempt: Attempt, answer: Answer, declared: Mapping[str, Capabilities]) -> Attempt:
    """The attempt, over by our record; with the money that its provider says to have moved."""
    attempt = replace(attempt, state=AttemptState.FAILED, failure=LATE)
    if says_failed(attempt, answer, declared):
        return replace(attempt, failure=answer.failure, moved=None)
    return replace(attempt, moved=moved_by(attempt, answer))


def says_failed(attempt: Attempt, answer: Answer, declared: Mapping[str, Capabilities]) -> bool:
    """Whether its provider proves by the answer that nothing moved, or that it has come back."""
    known = declared.get(attempt.provider)
    return known is not None and known.says_failed(answer)


def moved_by(attempt: Attempt, answer: Answer) -> Money | None:
    """The money that the answer shows to have moved; None where it shows none."""
    succeeded = attempt.amount if answer.outcome is Outcome.SUCCEEDED else None
    return answer.amount or succeeded


def is_answered(answer: Answer) -> bool:
    """Whether its provider has said anything of it: one that is away may have paid."""
    is_said = answer.code in MISMATCHES | {DENIAL, UNDOCUMENTED, UNFUNDED}
    return is_said or answer.outcome not in (Outcome.UNKNOWN, Outcome.NOT_SENT)


def never_listed(payment: Payment, step: Step, number: int) -> Attempt:
    """An attempt between others, of which no provider has anything."""
    return never_left(intend(payment, step, number))


def never_left(attempt: Attempt) -> Attempt:
    """The attempt, of which no provider has anything."""
    return replace(attempt, state=AttemptState.FAILED, failure=NOT_LISTED)


def put_on_record(
    payment: Payment,
    attempt: Attempt,
    actor: str,
    *,
    before: Attempt | None = None,
    cause: Cause = Cause.PAYMENT_RECOVERED,
) -> Change:
    """The attempt as it is from now on, whose money stands on suspense."""
    moved = f"{attempt.moved} {attempt.moved.currency}" if attempt.moved else ""
    noted, event = payment.noted(
        actor=actor,
        cause=cause,
        provider=attempt.provider,
        key=attempt.key,
        provider_reference=attempt.provider_reference,
        failure_code=attempt.code,
        moved=moved,
    )
    return Change(
        payment=noted,
        before=payment,
        lease_token=0,
        attempt=attempt,
        events=(event,),
        postings=suspense_postings(before, attempt),
    )
