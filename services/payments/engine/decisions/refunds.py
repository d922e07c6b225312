"""The refunds of a payment follow their attempts: each decision about an attempt changes its refund
in the same transaction. Which refund may begin is in returns_and_refunds."""

from dataclasses import replace

from services.payments.engine.decisions.facts import Change, Work
from services.payments.model.actor import is_person, provider_actor
from services.payments.model.attempt import Attempt, AttemptState, Step, intend
from services.payments.model.causes import Cause
from services.payments.model.holds import HoldReason
from services.payments.model.payment import Failure, Payment, State
from services.payments.model.refund import (
    Refund,
    RefundStatus,
    new_refund,
    open_refund,
    refund_of,
    with_refund,
)
from services.shared.money import Money

# It had succeeded, and its money has come back to the provider.
REVERSED = Failure(code="refund_reversed", message="it did not reach the payer after all")
# Others have given back so much that too little is left for this one.
NOTHING_LEFT = Failure(code="nothing_left", message="the payer has got the money by other refunds")


def asked_for(
    payment: Payment, amount: Money, *, actor: str, cause: Cause, reason: str = ""
) -> Payment:
    """The payment with a refund that begins now, asked for by the actor or begun by ourselves."""
    requested_by = actor if is_person(actor) else "worker"
    refund = new_refund(payment, amount, reason=reason or cause, requested_by=requested_by)
    return with_refund(payment, refund)


def intend_refund(payment: Payment, last: Attempt | None) -> tuple[Payment, Attempt]:
    """The payment, and the attempt that follows the last one, of the refund that is under way.

    A failed one is tried again. Where there is none, because refunds had no record of their own
    when it began, it gets one.
    """
    refund = open_refund(payment) or (refund_of(payment, last.refund) if last else None)
    if refund is None or refund.status is RefundStatus.SUCCEEDED:
        failed = last is not None and last.state is AttemptState.FAILED
        amount = last.amount if last and failed else payment.refundable
        cause = Cause.REFUND_INTENDED
        refund = new_refund(payment, amount, reason=cause, requested_by="worker")
    number = 1 if last is None else last.number + 1
    payment = with_refund(payment, replace(refund, status=RefundStatus.PENDING, failure=None))
    return payment, intend(payment, Step.REFUND, number, refund.amount, refund.number)


def keys_of(work: Work, attempt: Attempt) -> int:
    """How many keys the operation of an attempt has had; of a refund, its own alone."""
    if attempt.refund is None:
        return attempt.number
    known = {one.key: one for one in (attempt, *work.earlier)}
    return sum(one.refund == attempt.refund for one in known.values())


def after_refund(payment: Payment, given: Attempt) -> tuple[Payment, State]:
    """The payment once this attempt's amount is given back, and the state that it comes to. Another
    refund that is under way goes on, where enough is left for it."""
    payment = replace(payment, refunded=payment.refunded + given.amount)
    waiting = open_refund(payment)
    if waiting is not None and waiting.number != given.refund:
        if waiting.amount <= payment.refundable:
            return payment, State.REFUNDING
        failed = replace(waiting, status=RefundStatus.FAILED, failure=NOTHING_LEFT)
        payment = with_refund(payment, failed)
    is_over = payment.refundable.amount_minor == 0
    return payment, State.REFUNDED if is_over else State.PARTLY_REFUNDED


def after_return(payment: Payment, back: Attempt) -> Payment:
    """The payment once this attempt's amount has come back: its refund has failed, and can be tried
    again with its own money."""
    payment = replace(payment, refunded=payment.refunded - back.amount)
    refund = refund_of(payment, back.refund)
    if refund is None:
        return payment
    return with_refund(payment, replace(refund, status=RefundStatus.FAILED, failure=REVERSED))


def still_counted(work: Work) -> Attempt | None:
    """A refund that came back and is counted all the same, as versions of the software did that
    left it on suspense; None where there is none."""
    tried = [a for a in (work.attempt, *work.earlier) if a is not None and a.step is Step.REFUND]
    return next((attempt for attempt in tried if attempt.came_back), None)


def with_refunds(change: Change) -> Change:
    """The change, with the refund of its attempt as it is after it."""
    attempt, payment = change.attempt, change.payment
    if attempt is None or attempt.step is not Step.REFUND:
        return change
    refund = refund_of(payment, attempt.refund)
    if refund is None:
        if payment.refunded <= change.before.refunded:
            return change
        refund = _unasked(payment, attempt)
        attempt = replace(attempt, refund=refund.number)
    payment = with_refund(payment, _after(payment, refund, attempt))
    return replace(change, payment=payment, attempt=attempt)


def _unasked(payment: Payment, attempt: Attempt) -> Refund:
    """The refund that we have no record of: it was made at the provider, by somebody else."""
    by = "worker" if attempt.sent_at else provider_actor(attempt.provider)
    cause = Cause.REFUND_SUCCEEDED
    return new_refund(payment, attempt.amount, reason=cause, requested_by=by)


def _after(payment: Payment, refund: Refund, attempt: Attempt) -> Refund:
    known = replace(
        refund,
        provider=attempt.provider,
        provider_reference=attempt.provider_reference or refund.provider_reference,
    )
    if attempt.state is AttemptState.SUCCEEDED:
        return replace(known, status=RefundStatus.SUCCEEDED, failure=None)
    is_open = open_refund(payment) in (None, refund) and payment.state is State.REFUNDING
    over = attempt.succeeded_late or attempt.state is AttemptState.REVERSED
    if not is_open or refund.status is RefundStatus.SUCCEEDED or over:
        # Another attempt counts, nobody has taken this one for it yet, or it has come back.
        return refund
    if attempt.state is AttemptState.FAILED and payment.hold_reason is HoldReason.REFUND_FAILED:
        return replace(known, status=RefundStatus.FAILED, failure=attempt.failure)
    return replace(known, status=RefundStatus.PENDING, failure=None)
