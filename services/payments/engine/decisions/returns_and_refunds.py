"""Cancelled or expired before anything was taken, returned after its completion, and refunded to
the payer, in one piece or in parts: one function each."""

from dataclasses import replace
from datetime import timedelta

from services.payments.engine.decisions.facts import Change, Work
from services.payments.engine.decisions.inbox_events import (
    closed,
    reports_failure,
    without_successes,
)
from services.payments.engine.decisions.waiting import evidence_of, release
from services.payments.model.attempt import Answer, Attempt, AttemptState, Outcome, Step, intend
from services.payments.model.causes import Cause
from services.payments.model.holds import HoldReason
from services.payments.model.ledger import return_postings, unwinding_postings
from services.payments.model.payment import (
    CORRECTABLE,
    Failure,
    Payment,
    PaymentBusy,
    PaymentNotRefundable,
    PaymentOnHold,
    RefundTooLarge,
    State,
)
from services.shared.money import Money

# The payout has not begun, was returned, or has failed for good: the money is the payer's again.
_HOLDING = frozenset({State.FUNDED, State.CONVERTED, State.PAYING_OUT, *CORRECTABLE})
# Holds that a refund ends; any other needs a decision first.
_ENDED_BY_REFUND = frozenset(
    {None, HoldReason.LATE_FUNDS, HoldReason.PAYOUT_FAILED, HoldReason.REFUND_FAILED}
)
CANCELLED = Failure(code="cancelled", message="cancelled by the merchant before it was sent")
EXPIRED = Failure(code="quote_expired", message="the quote had expired before anything was taken")


def cancel_or_expire(work: Work) -> Change:
    """Nothing was taken and nothing will be: cancelled at the merchant's request, or else
    expired."""
    payment = work.payment
    requested = payment.cancel_requested_at is not None
    failure = CANCELLED if requested else EXPIRED
    payment, event = payment.moved(
        State.CANCELLED if requested else State.EXPIRED,
        actor="merchant" if requested else "worker",
        cause=Cause.CANCELLED if requested else Cause.EXPIRED,
    )
    attempt = work.attempt
    if attempt is not None and attempt.is_live:
        answer = Answer(outcome=Outcome.FAILED, failure=failure)
        attempt = attempt.answered(AttemptState.FAILED, answer)
    used = without_successes(closed(work, attempt))
    # An event that states a success is looked up at once.
    left = timedelta(0) if len(used) < len(work.inbox) else None
    return replace(
        release(work, due_in=left, closed_events=used),
        payment=payment if requested else replace(payment, failure=failure),
        attempt=attempt,
        events=(event,),
    )


def is_untouched(work: Work) -> bool:
    """Whether nothing was taken: nothing was sent, or it has failed."""
    attempt = work.attempt
    late = work.succeeded_late(Step.COLLECTION) is not None
    over = attempt is None or attempt.state in (AttemptState.INTENDED, AttemptState.FAILED)
    return over and not late


def return_payout(work: Work, attempt: Attempt, answer: Answer) -> Change:
    """A payout that had succeeded is returned: we owe again, and the merchant decides."""
    payment, event = work.payment.moved(
        State.RETURNED,
        actor=answer.actor,
        cause=Cause.PAYOUT_RETURNED,
        **evidence_of(attempt, answer),
    )
    return replace(
        release(work, closed_events=closed(work, attempt)),
        payment=replace(payment, failure=answer.failure),
        attempt=attempt.answered(AttemptState.REVERSED, answer),
        events=(event,),
        postings=return_postings(payment),
    )


def begin_refund(change: Change, *, actor: str, cause: Cause, **facts: str) -> Change:
    """The change, with the payment's move towards a refund as its next one.

    Fees and exchange are reversed as they were posted, at the payment's own locked rate.
    """
    before = change.payment
    payment, event = before.moved(
        State.REFUNDING, actor=actor, cause=cause, refund_rate=str(before.terms.rate), **facts
    )
    return replace(
        change,
        payment=payment,
        events=(*change.events, event),
        postings=(*change.postings, *unwinding_postings(before)),
        due_in=change.due_in if change.due_in is not None else timedelta(0),
    )


def refund_on_request(
    work: Work,
    amount: Money | None,
    *,
    actor: str = "merchant",
    cause: Cause = Cause.REFUND_REQUESTED,
) -> Change:
    """A refund that the merchant asks for, of so much or of all that is left.

    Raises PaymentNotRefundable or RefundTooLarge for good, PaymentBusy or PaymentOnHold for now.
    """
    if amount is not None and amount > work.payment.refundable and _was_collected(work.payment):
        raise RefundTooLarge(refundable_usd=str(work.payment.refundable))
    attempt = intend(work.payment, Step.REFUND, _next_refund(work), amount)
    facts = {"amount_usd": str(attempt.amount), "key": attempt.key}
    change = replace(release(work, due_in=timedelta(0)), attempt=attempt)
    change = replace(change, payment=replace(work.payment, hold_reason=None))
    if work.payment.state is not State.REFUNDING:
        return begin_refund(change, actor=actor, cause=cause, **facts)
    payment, event = change.payment.noted(actor=actor, cause=cause, **facts)
    return replace(change, payment=payment, events=(event,))


def refund_the_rest(work: Work) -> Change:
    """The merchant has not decided in time: the rest of the money is refunded.

    Raises what refund_on_request does.
    """
    return refund_on_request(work, None, actor="worker", cause=Cause.DEADLINE_PASSED)


def is_refund_due(work: Work) -> bool:
    """Whether the payment is past its deadline for its merchant: with a recipient to correct, after
    a returned payout, or with the rest of a partial refund and no refund under way."""
    payment, attempt = work.payment, work.attempt
    if payment.deadline_at is None or work.claimed_at < payment.deadline_at:
        return False
    if payment.state in CORRECTABLE:
        return True
    if payment.state is not State.REFUNDING or attempt is None:
        return False
    return attempt.state is AttemptState.SUCCEEDED and not reports_failure(work, attempt)


def is_cancelled(payment: Payment) -> bool:
    """Whether a payment that waits for a corrected recipient was cancelled in place of that."""
    waits = payment.state is State.ACTION_REQUIRED
    return waits and payment.cancel_requested_at is not None and may_be_refunded(payment)


def may_be_refunded(payment: Payment) -> bool:
    """Whether no hold prevents a refund."""
    return payment.hold_reason in _ENDED_BY_REFUND


def _was_collected(payment: Payment) -> bool:
    """Whether we hold the payer's money, or held it until a refund."""
    return payment.state in _HOLDING | {State.REFUNDING, State.REFUNDED}


def _next_refund(work: Work) -> int:
    """The number of the refund that may begin now. Raises what refund_on_request does."""
    payment, attempt = work.payment, work.attempt
    if payment.state is not State.REFUNDING and payment.state not in _HOLDING:
        raise PaymentNotRefundable(status=payment.status)
    if not may_be_refunded(payment):
        raise PaymentOnHold(hold_reason=payment.hold_reason or "")
    if payment.state is State.REFUNDING:
        if attempt is None or attempt.is_live or _is_tried_again(work, attempt):
            raise PaymentBusy(retry_after_seconds=_next_look(work))
        return attempt.number + 1
    if payment.state is State.PAYING_OUT and (
        attempt is None or attempt.state is not AttemptState.FAILED
    ):
        raise PaymentNotRefundable(status=payment.status)
    return 1 + max((a.number for a in work.earlier if a.step is Step.REFUND), default=0)


def _is_tried_again(work: Work, attempt: Attempt) -> bool:
    """Whether the refund goes on by itself, under a new key, although this attempt is over."""
    return attempt.state is AttemptState.FAILED and work.payment.hold_reason is None


def _next_look(work: Work) -> int:
    """In how many seconds the refund that is under way may have an outcome."""
    attempt = work.attempt
    if attempt is None or attempt.sent_at is None:
        return 1
    return min(max(int((work.claimed_at - attempt.sent_at).total_seconds()) // 4, 1), 60)
