"""A refund from a time that the database has lost, whose request comes again: nobody knows the key
of the first request any more, so that it is known by its amount, answered with the refund that
there is, and moves nothing. Pure."""

from dataclasses import replace
from datetime import timedelta

from services.payments.engine.decisions.facts import Change, Work
from services.payments.engine.decisions.late_success import refund_again
from services.payments.engine.decisions.returns_and_refunds import may_be_refunded
from services.payments.engine.decisions.waiting import release
from services.payments.model.actor import MERCHANT, is_person
from services.payments.model.attempt import Attempt, AttemptState, Step, intend
from services.payments.model.causes import Cause
from services.payments.model.payment import PaymentBusy
from services.payments.model.refund import Refund, with_refund
from services.shared.money import Money


def asked_for_again(work: Work, amount: Money | None, reason: str = "") -> Change | None:
    """The change of a request for so much, or for all that was left, which a refund of a lost time
    answers; None where it is a request as any other.

    Each such refund answers one request: from then on it is its merchant's. Raises PaymentBusy
    while the engine asks whether such a refund counts.
    """
    if not may_be_refunded(work.payment):
        return None
    refund = _wanted(work, amount)
    if refund is None:
        late = refund_again(work)
        if late is not None and _is_of_lost_time(work, late):
            raise PaymentBusy(retry_after_seconds=1)
        return None
    payment, event = work.payment.noted(
        actor=MERCHANT,
        cause=Cause.REFUND_REQUESTED,
        amount_usd=str(refund.amount),
        refund_id=refund.refund_id,
    )
    asked = replace(refund, requested_by=MERCHANT, reason=reason or Cause.REFUND_REQUESTED)
    change = release(work, due_in=timedelta(0))
    return replace(change, payment=with_refund(payment, asked), events=(event,))


def _wanted(work: Work, amount: Money | None) -> Refund | None:
    payment = work.payment
    tried = (work.attempt, *work.earlier)
    lost = {one.refund for one in tried if one is not None and _is_of_lost_time(work, one)}
    for refund in payment.refunds:
        is_asked = is_person(refund.requested_by)
        is_whole = amount is None and payment.refundable.amount_minor == 0
        if refund.number in lost and not is_asked and (is_whole or refund.amount == amount):
            return refund
    return None


def _is_of_lost_time(work: Work, attempt: Attempt) -> bool:
    """Whether it has one of our keys, and by our record nothing was ever sent under it."""
    if attempt.step is not Step.REFUND or attempt.sent_at is not None:
        return False
    is_made = attempt.succeeded_late or attempt.state in (
        *(AttemptState.ACCEPTED, AttemptState.SUCCEEDED),
    )
    return is_made and attempt.key == intend(work.payment, Step.REFUND, attempt.number).key
