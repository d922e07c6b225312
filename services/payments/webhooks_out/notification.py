"""An event for merchants: about a payment, one of its refunds or one of its disputes. Its bytes are
made in convert, and the transaction of the change adds it to the outbox."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from services.payments.model.dispute import Dispute
from services.payments.model.payment import Payment
from services.payments.model.refund import Refund, RefundStatus

# The event of a refund that is in this state again, or for the first time since it was created.
_OF_STATUS = {
    RefundStatus.PENDING: "refund.retried",
    RefundStatus.SUCCEEDED: "refund.succeeded",
    RefundStatus.FAILED: "refund.failed",
}


@dataclass(frozen=True, kw_only=True)
class Notification:
    """A payment as it is since a change, and the part of it that the merchant is notified of."""

    event_type: str
    payment: Payment
    # The place among the events of one change; the payment's own is 0.
    position: int = 0
    # The payment at its former price, where that has changed.
    was: Payment | None = None
    # None for an event about the payment itself.
    refund: Refund | None = None
    dispute: Dispute | None = None


EncodeEvent = Callable[[Notification], bytes]


def of_payment(payment: Payment, was: Payment | None = None) -> Notification:
    """The event about a payment's status, or about its price, where it was another before."""
    return Notification(event_type=payment.event_type, payment=payment, was=was)


def events_of_refund(was: Refund | None, refund: Refund) -> Iterator[str]:
    """The types of the events about a refund that was as it says before; none where its status has
    not changed."""
    if was is None:
        yield "refund.created"
    status = was.status if was else RefundStatus.PENDING
    if refund.status is not status:
        yield _OF_STATUS[refund.status]


def events_of_dispute(was: Dispute | None, dispute: Dispute) -> Iterator[str]:
    """The types of the events about a dispute that was as it says before."""
    if was is None:
        yield "dispute.created"
    if not dispute.is_open and (was is None or was.is_open):
        yield "dispute.closed"
    elif was is not None:
        yield "dispute.updated"
