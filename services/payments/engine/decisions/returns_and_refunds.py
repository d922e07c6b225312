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
from services.payments.engine.decisions.refunds import after_return, asked_for
from services.payments.engine.decisions.waiting import evidence_of, release
from services.payments.model.actor import provider_actor
from services.payments.model.answer import Answer, Outcome
from services.payments.model.attempt import Attempt, AttemptState, Step, intend
from services.payments.model.causes import Cause
from services.payments.model.dispute import PaymentDisputed, money_claimed
from services.payments.model.holds import HoldReason
from services.payments.model.ledger import (
    refund_return_postings,
    return_postings,
    unwinding_postings,
)
from services.payments.model.payment import (
    CORRECTABLE,
    Event,
    Failure,
    Payment,
    PaymentBusy,
    PaymentNotRefundable,
    PaymentOnHold,
    RefundTooLarge,
    State,
)
from services.payments.model.refund import (
    REFUNDS_MAX,
    RefundEndsPayout,
    RefundNotFailed,
    RefundsExhausted,
    RefundStatus,
    refund_of,
    with_refund,
)
from services.shared.money import Money

# The payout has not begun, was returned, or has failed for good: the money is the payer's again.
_HOLDING = frozenset({State.FUNDED, State.CONVERTED, State.PAYING_OUT, *CORRECTABLE})
# The exchange is taken back, and what is left can only be refunded.
_GIVING_BACK = frozenset({State.REFUNDING, State.PARTLY_REFUNDED})
# Holds that a refund ends; any other needs a decision first.
_ENDED_BY_REFUND = frozenset(
    {
        None,
        HoldReason.DISPUTED,
        HoldReason.LATE_FUNDS,
        HoldReason.PAYOUT_FAILED,
        HoldReason.REFUND_FAILED,
    }
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


def return_refund(work: Work, attempt: Attempt, answer: Answer) -> Change:
    """A refund that had succeeded has come back: we owe it to the payer again. After a person has
    seen to it, the merchant decides about the money, as after a refund of a part."""
    payment, facts = after_return(work.payment, attempt), evidence_of(attempt, answer)
    facts = {"amount_usd": str(attempt.amount), **facts}
    cause = Cause.REFUND_RETURNED
    if payment.state is State.REFUNDED:
        payment, event = payment.moved(
            State.PARTLY_REFUNDED, actor=answer.actor, cause=cause, **facts
        )
    else:
        payment, event = payment.noted(actor=answer.actor, cause=cause, **facts)
    events: tuple[Event, ...] = (event,)
    if payment.hold_reason is None:
        payment, held = payment.held(HoldReason.REFUND_REVERSED, actor="worker", **facts)
        events = (event, held)
    return replace(
        release(work),
        payment=payment,
        attempt=attempt.answered(AttemptState.REVERSED, answer),
        events=events,
        postings=refund_return_postings(payment, attempt.amount),
    )


def begin_refund(
    change: Change,
    amount: Money | None = None,
    /,
    *,
    actor: str,
    cause: Cause,
    reason: str = "",
    **facts: str,
) -> Change:
    """The change, with the payment's move towards a refund as its next one: of so much, or of all
    that is left.

    The exchange is reversed as it was posted, at the payment's own locked rate, once; and so are
    the fees, unless the corridor keeps them.
    """
    before = change.payment
    unwinds = before.state is not State.PARTLY_REFUNDED
    if unwinds:
        facts = {"refund_rate": str(before.terms.rate), **facts}
    payment, event = before.moved(State.REFUNDING, actor=actor, cause=cause, **facts)
    amount = amount or payment.refundable
    return replace(
        change,
        payment=asked_for(payment, amount, actor=actor, cause=cause, reason=reason),
        events=(*change.events, event),
        postings=(*change.postings, *(unwinding_postings(before) if unwinds else ())),
        due_in=change.due_in if change.due_in is not None else timedelta(0),
    )


def refund_on_request(
    work: Work,
    amount: Money | None,
    *,
    actor: str = "merchant",
    cause: Cause = Cause.REFUND_REQUESTED,
    reason: str = "",
    ends_payout: bool = False,
) -> Change:
    """A refund that the merchant asks for, of so much or of all that is left.

    Raises PaymentNotRefundable, RefundTooLarge, RefundEndsPayout or RefundsExhausted for good,
    PaymentBusy, PaymentOnHold or PaymentDisputed for now.
    """
    payment = work.payment
    if amount is not None and amount > payment.refundable and _was_collected(payment):
        raise RefundTooLarge(refundable_usd=str(payment.refundable))
    number = check_refundable(work)
    if amount is not None and amount < payment.refundable:
        if len(payment.refunds) >= REFUNDS_MAX:
            raise RefundsExhausted(maximum=str(REFUNDS_MAX))
        if payment.state in _HOLDING and not ends_payout:
            raise RefundEndsPayout(field="ends_payout")
    amount = amount or payment.refundable
    attempt = intend(payment, Step.REFUND, number, amount, len(payment.refunds) + 1)
    facts = {"amount_usd": str(attempt.amount), "key": attempt.key}
    change = replace(release(work, due_in=timedelta(0)), attempt=attempt)
    change = replace(change, payment=replace(payment, hold_reason=None))
    if payment.state is not State.REFUNDING:
        return begin_refund(change, amount, actor=actor, cause=cause, reason=reason, **facts)
    noted, event = change.payment.noted(actor=actor, cause=cause, **facts)
    noted = asked_for(noted, amount, actor=actor, cause=cause, reason=reason)
    return replace(change, payment=noted, events=(event,))


def check_refundable(work: Work) -> int:
    """The number of the attempt of a refund that may begin now.

    Raises what refund_on_request does, whatever its amount is.
    """
    number = _next_refund(work)
    claim = money_claimed(work.payment)
    if claim is not None:
        raise PaymentDisputed(dispute_id=claim.dispute_id)
    return number


def refund_made_elsewhere(work: Work) -> Attempt | None:
    """The refund that somebody has made at the provider while we held the money, as its provider
    has confirmed; None where there is none, or it is more than may be refunded."""
    payment = work.payment
    late = work.succeeded_late(Step.REFUND)
    if late is None or late.moved is None or late.refund is not None:
        return None
    is_fit = late.moved == late.amount and late.amount.currency == payment.refundable.currency
    fits = is_fit and late.provider == payment.onramp and late.amount <= payment.refundable
    return late if fits and payment.state in _HOLDING - {State.PAYING_OUT} else None


def count_elsewhere(change: Change, late: Attempt, *, actor: str) -> Change:
    """The change, with the payment's move towards a refund that was made at the provider and not by
    us. The rest waits for its merchant."""
    facts = {"amount_usd": str(late.amount), "key": late.key}
    cause = Cause.REFUND_REQUESTED
    begun = begin_refund(change, late.amount, actor=actor, cause=cause, **facts)
    refund = replace(begun.payment.refunds[-1], requested_by=provider_actor(late.provider))
    return replace(
        begun,
        payment=with_refund(begun.payment, refund),
        attempt=replace(late, refund=refund.number),
    )


def retry_refund(work: Work, number: int, *, actor: str) -> Change:
    """A refund that has failed is tried again, under a new key.

    Raises RefundNotFailed or RefundTooLarge for good, PaymentBusy, PaymentOnHold or
    PaymentDisputed for now.
    """
    payment = work.payment
    refund = refund_of(payment, number)
    if refund is None or refund.status is not RefundStatus.FAILED:
        raise RefundNotFailed(status=refund.shown_status(payment) if refund else "")
    following = check_refundable(work)
    if refund.amount > payment.refundable:
        raise RefundTooLarge(refundable_usd=str(payment.refundable))
    attempt = intend(payment, Step.REFUND, following, refund.amount, refund.number)
    facts = {"amount_usd": str(attempt.amount), "key": attempt.key, "refund_id": refund.refund_id}
    begun = with_refund(
        replace(payment, hold_reason=None),
        replace(refund, status=RefundStatus.PENDING, failure=None),
    )
    cause = Cause.REFUND_RETRIED
    if payment.state is State.REFUNDING:
        begun, event = begun.noted(actor=actor, cause=cause, **facts)
    else:
        begun, event = begun.moved(State.REFUNDING, actor=actor, cause=cause, **facts)
    change = release(work, due_in=timedelta(0))
    return replace(change, payment=begun, attempt=attempt, events=(event,))


def refund_the_rest(work: Work) -> Change:
    """The merchant has not decided in time: the rest of the money is refunded.

    Raises what refund_on_request does.
    """
    return refund_on_request(work, None, actor="worker", cause=Cause.DEADLINE_PASSED)


def wait_for_the_rest(work: Work) -> Change:
    """A part was refunded, by a version of the software that had no state for it: the merchant
    decides about the rest."""
    payment, event = work.payment.moved(
        State.PARTLY_REFUNDED, actor="worker", cause=Cause.REFUNDED_IN_PART
    )
    return replace(release(work), payment=payment, events=(event,))


def is_refund_due(work: Work) -> bool:
    """Whether the payment is past its deadline for its merchant: with a recipient to correct, after
    a returned payout, or refunded in part."""
    payment, attempt = work.payment, work.attempt
    if payment.deadline_at is None or work.claimed_at < payment.deadline_at:
        return False
    if payment.state in CORRECTABLE:
        return True
    doubted = attempt is not None and reports_failure(work, attempt)
    return payment.state is State.PARTLY_REFUNDED and not doubted


def is_cancelled(payment: Payment) -> bool:
    """Whether a payment that waits for a corrected recipient was cancelled in place of that."""
    waits = payment.state is State.ACTION_REQUIRED
    return waits and payment.cancel_requested_at is not None and may_be_refunded(payment)


def may_be_refunded(payment: Payment) -> bool:
    """Whether no hold prevents a refund."""
    return payment.hold_reason in _ENDED_BY_REFUND


def _was_collected(payment: Payment) -> bool:
    """Whether we hold the payer's money, or held it until a refund."""
    return payment.state in _HOLDING | _GIVING_BACK | {State.REFUNDED}


def _next_refund(work: Work) -> int:
    """The number of the attempt that may begin now. Raises what refund_on_request does."""
    payment, attempt = work.payment, work.attempt
    if payment.state not in _GIVING_BACK and payment.state not in _HOLDING:
        raise PaymentNotRefundable(status=payment.status)
    if not may_be_refunded(payment):
        raise PaymentOnHold(hold_reason=payment.hold_reason or "")
    if payment.state is State.REFUNDING and payment.hold_reason is not HoldReason.REFUND_FAILED:
        raise PaymentBusy(retry_after_seconds=_next_look(work))
    if payment.state is State.PAYING_OUT and (
        attempt is None or attempt.state is not AttemptState.FAILED
    ):
        raise PaymentNotRefundable(status=payment.status)
    tried = (attempt, *work.earlier)
    return 1 + max((a.number for a in tried if a and a.step is Step.REFUND), default=0)


def _next_look(work: Work) -> int:
    """In how many seconds the refund that is under way may have an outcome."""
    attempt = work.attempt
    if attempt is None or attempt.sent_at is None:
        return 1
    return min(max(int((work.claimed_at - attempt.sent_at).total_seconds()) // 4, 1), 60)
