"""Disputes to rows and back, and the report of an event as the inbox keeps it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from services.payments.base.rows import read_money
from services.payments.model.dispute import Dispute, DisputeKind, DisputeReport, DisputeStatus
from services.shared.money import Money

# The name of a report beside the answer of an event in the inbox.
DISPUTE = "dispute"


def dispute_row(dispute: Dispute) -> dict[str, Any]:
    """A row of `disputes`, but for its times, which the database's clock says."""
    return {
        "merchant_id": dispute.merchant_id,
        "payment_id": dispute.payment_id,
        "number": dispute.number,
        "id": dispute.id,
        "provider": dispute.provider,
        "provider_reference": dispute.provider_reference,
        "kind": dispute.kind,
        "status": dispute.status,
        "reason": dispute.reason,
        "amount_minor": dispute.amount.amount_minor if dispute.amount else None,
        "currency": dispute.withdrawn.currency,
        "withdrawn_minor": dispute.withdrawn.amount_minor,
        "respond_by": _iso(dispute.respond_by),
        "stated_at": _iso(dispute.stated_at),
        "stops": dispute.stops,
    }


def read_dispute(row: Row[Any]) -> Dispute:
    """Reads a row of `disputes`. Raises where a value is none that the code knows."""
    claimed = row.amount_minor is not None
    return Dispute(
        merchant_id=row.merchant_id,
        payment_id=row.payment_id,
        number=row.number,
        id=row.id,
        provider=row.provider,
        provider_reference=row.provider_reference,
        kind=DisputeKind(row.kind),
        status=DisputeStatus(row.status),
        reason=row.reason,
        amount=read_money(row, "amount_minor", "currency") if claimed else None,
        withdrawn=read_money(row, "withdrawn_minor", "currency"),
        respond_by=row.respond_by,
        stated_at=row.stated_at,
        created_at=row.created_at,
        updated_at=row.updated_at,
        stops=row.stops,
    )


def report_row(report: DisputeReport) -> dict[str, Any]:
    """A report as the inbox keeps it."""
    return {
        "kind": report.kind,
        "provider_reference": report.provider_reference,
        "status": report.status,
        "reason": report.reason,
        "amount": _money_row(report.amount),
        "withdrawn": _money_row(report.withdrawn),
        "respond_by": _iso(report.respond_by),
    }


def read_report(kept: Mapping[str, Any]) -> DisputeReport:
    """The report that the inbox kept."""
    respond_by = kept["respond_by"]
    return DisputeReport(
        kind=DisputeKind(kept["kind"]),
        provider_reference=kept["provider_reference"],
        status=DisputeStatus(kept["status"]),
        reason=kept["reason"],
        amount=_read_money(kept["amount"]),
        withdrawn=_read_money(kept["withdrawn"]),
        respond_by=datetime.fromisoformat(respond_by) if respond_by else None,
    )


def _money_row(money: Money | None) -> list[Any] | None:
    return [money.amount_minor, money.currency] if money else None


def _read_money(kept: list[Any] | None) -> Money | None:
    return Money(kept[0], kept[1]) if kept else None


def _iso(instant: datetime | None) -> str | None:
    return instant.isoformat() if instant else None
