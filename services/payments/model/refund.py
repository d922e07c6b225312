"""A refund: dollars of a payment that are returned to the payer, with the reason and whoever asked
for it. Its tries are attempts (attempt); which refund may begin when is in engine.decisions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from services.payments.model.payment import Failure, Payment
from services.shared.errors import NotAllowedNow, NotFound
from services.shared.ids import Prefix, decode_id, encode_id, new_id
from services.shared.money import Money

# A payment has no more refunds than that, so that it can be shown with all of them; another one
# can only be of all that is left.
REFUNDS_MAX = 50


class RefundNotFound(NotFound):
    """There is no such refund."""

    reason = "REFUND_NOT_FOUND"


class RefundNotFailed(NotAllowedNow):
    """Only a refund that has failed is tried again."""

    reason = "REFUND_NOT_FAILED"


class RefundEndsPayout(NotAllowedNow):
    """After a refund of a part, the rest of the payment is never paid out; the field ends_payout
    must say that this is meant."""

    reason = "REFUND_ENDS_PAYOUT"


class RefundsExhausted(NotAllowedNow):
    """The payment has as many refunds as it may; one of all that is left is still possible."""

    reason = "REFUNDS_EXHAUSTED"


class RefundStatus(StrEnum):
    """The progress of a refund; the names of the public API."""

    PENDING = "PENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    # Shown in place of PENDING while the payment is on hold; never kept.
    HELD = "HELD"


@dataclass(frozen=True, kw_only=True)
class Refund:
    """One refund of a payment; its attempts name it by its number."""

    merchant_id: str
    payment_id: UUID
    # From 1, in the order of the payment's refunds.
    number: int
    id: UUID
    amount: Money
    # The merchant's own words, or the cause for which we began it.
    reason: str
    # "merchant", "worker" for one that we began, "operator:<name>" or "provider:<name>".
    requested_by: str
    provider: str
    # By the database's clock once it is written.
    created_at: datetime
    updated_at: datetime
    status: RefundStatus = RefundStatus.PENDING
    provider_reference: str = ""
    failure: Failure | None = None

    @property
    def refund_id(self) -> str:
        """The public id, for example ref_01jd8x3v9me7rb5k3n6q2f4h8z."""
        return encode_id(Prefix.REFUND, self.id)

    def shown_status(self, payment: Payment) -> RefundStatus:
        """The status that the merchant is shown."""
        held = payment.hold_reason is not None and self.status is RefundStatus.PENDING
        return RefundStatus.HELD if held else self.status


def new_refund(payment: Payment, amount: Money, *, reason: str, requested_by: str) -> Refund:
    """The payment's next refund."""
    return Refund(
        merchant_id=payment.merchant_id,
        payment_id=payment.id,
        number=len(payment.refunds) + 1,
        id=new_id(),
        amount=amount,
        reason=reason,
        requested_by=requested_by,
        provider=payment.onramp,
        created_at=payment.updated_at,
        updated_at=payment.updated_at,
    )


def with_refund(payment: Payment, refund: Refund) -> Payment:
    """The payment with a refund that is new, or in place of the one of its number."""
    others = (other for other in payment.refunds if other.number != refund.number)
    return replace(payment, refunds=tuple(sorted((*others, refund), key=_by_number)))


def open_refund(payment: Payment) -> Refund | None:
    """The refund that is under way; None where none is."""
    return next((one for one in payment.refunds if one.status is RefundStatus.PENDING), None)


def refund_of(payment: Payment, number: int | None) -> Refund | None:
    """The refund of a number; None where the payment has none."""
    return next((one for one in payment.refunds if one.number == number), None)


def changed_refunds(before: Payment, after: Payment) -> Sequence[tuple[Refund | None, Refund]]:
    """The refunds that are new or have changed, each with what it was."""
    return [
        (was, refund)
        for refund in after.refunds
        if (was := refund_of(before, refund.number)) != refund
    ]


def read_refund_id(text: str) -> UUID:
    """The id behind a public refund id. Raises RefundNotFound for a malformed one."""
    refund_id = decode_id(Prefix.REFUND, text)
    if refund_id is None:
        raise RefundNotFound(refund_id=text)
    return refund_id


def _by_number(refund: Refund) -> int:
    return refund.number
