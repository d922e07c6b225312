"""Refunds to rows and back."""

from typing import Any

from sqlalchemy import Row

from services.payments.base.rows import read_money
from services.payments.model.payment import Failure
from services.payments.model.refund import Refund, RefundStatus


def refund_row(refund: Refund) -> dict[str, Any]:
    """A row of `refunds`, but for its times, which the database's clock says."""
    return {
        "merchant_id": refund.merchant_id,
        "payment_id": refund.payment_id,
        "number": refund.number,
        "id": refund.id,
        "amount_minor": refund.amount.amount_minor,
        "currency": refund.amount.currency,
        "reason": refund.reason,
        "requested_by": refund.requested_by,
        "provider": refund.provider,
        "status": refund.status,
        "provider_reference": refund.provider_reference,
        "failure_code": refund.failure.code if refund.failure else None,
        "failure_message": refund.failure.message if refund.failure else None,
    }


def read_refund(row: Row[Any]) -> Refund:
    """Reads a row of `refunds`. Raises where a value is none that the code knows."""
    failed = row.failure_code is not None
    return Refund(
        merchant_id=row.merchant_id,
        payment_id=row.payment_id,
        number=row.number,
        id=row.id,
        amount=read_money(row, "amount_minor", "currency"),
        reason=row.reason,
        requested_by=row.requested_by,
        provider=row.provider,
        created_at=row.created_at,
        updated_at=row.updated_at,
        status=RefundStatus(row.status),
        provider_reference=row.provider_reference,
        failure=Failure(code=row.failure_code, message=row.failure_message or "")
        if failed
        else None,
    )
