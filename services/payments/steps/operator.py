"""What an operator's verb does to a payment on hold: the hold ends, is taken over, or gives way to
what a person has found out. The engine goes on from there as from any other evidence."""

from dataclasses import replace
from datetime import timedelta

from services.payments.domain.attempt import Answer, Attempt, AttemptState
from services.payments.domain.operator import AttemptNotOpen, Operator, PaymentNotOnHold
from services.payments.domain.payment import Event, Payment
from services.payments.steps.decider import Decider
from services.payments.steps.facts import Change, Work
from services.payments.steps.waiting import release

STEP_FAILED = "step_failed"
DISCARDED = "discarded_by_operator"
OPEN = frozenset({AttemptState.SENT, AttemptState.ACCEPTED, AttemptState.UNKNOWN})


def end_hold(work: Work, operator: Operator, cause: str = "hold_released") -> Change:
    """The payment is due at once, without its hold. Raises PaymentNotOnHold."""
    payment, event = _without_hold(work, operator, cause)
    due = release(work, due_in=timedelta(0))
    return replace(due, payment=payment, events=(event,))


def take_over(work: Work, operator: Operator) -> Change:
    """A person sees to the payment: the hold stays, under another reason."""
    payment, event = work.payment.held(DISCARDED, actor=operator.actor)
    return replace(release(work), payment=payment, events=(event,))


def open_attempt(work: Work) -> Attempt:
    """The attempt that waits for its outcome. Raises PaymentNotOnHold or AttemptNotOpen."""
    _held_for(work)
    if work.attempt is None or work.attempt.state not in OPEN:
        raise AttemptNotOpen(transaction_id=work.payment.transaction_id)
    return work.attempt


def resolve(
    work: Work, decider: Decider, operator: Operator, answer: Answer, *, evidence: str
) -> Change:
    """The hold gives way to an answer that a person stands for."""
    moved = f"{answer.amount} {answer.amount.currency}" if answer.amount else ""
    payment, event = _without_hold(
        work, operator, "attempt_resolved", outcome=answer.outcome, evidence=evidence, moved=moved
    )
    change = decider.settle(replace(work, payment=payment), answer, work.claimed_at)
    return replace(change, expected_version=work.payment.version, events=(event, *change.events))


def _without_hold(
    work: Work, operator: Operator, cause: str, **evidence: str
) -> tuple[Payment, Event]:
    reason = _held_for(work)
    payment, event = work.payment.noted(
        actor=operator.actor, cause=cause, hold_reason=reason, **evidence
    )
    return replace(payment, hold_reason=None), event


def _held_for(work: Work) -> str:
    if work.payment.hold_reason is None:
        raise PaymentNotOnHold(transaction_id=work.payment.transaction_id)
    return work.payment.hold_reason
