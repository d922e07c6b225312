"""The time after its collection in which a payment is not paid out, so that a cancel gives back all
of it."""

from dataclasses import replace
from datetime import datetime, timedelta

from services.payments.model.payment import Payment
from services.payments.model.quote import RefundFees
from services.payments.model.timing import LOOKS_AHEAD


def rest_in_window(payment: Payment, now: datetime) -> timedelta:
    """How long the payout waits before the payment is looked at again; nothing once it is over."""
    until = payment.cancellable_until or now
    return min(max(until - now, timedelta(0)), LOOKS_AHEAD)


def as_cancelled(payment: Payment) -> Payment:
    """The payment with the fees that its refund gives back: those too where it was cancelled within
    the window."""
    asked, until = payment.cancel_requested_at, payment.cancellable_until
    if asked is None or not payment.route.cancel_window or (until is not None and asked > until):
        return payment
    return replace(payment, refund_fees=RefundFees.RETURNED)
