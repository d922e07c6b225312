"""The question for a page of a merchant's payments."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, select, tuple_

from services.payments.base import tables
from services.payments.model.principal import MerchantId
from services.payments.orders.ports import PaymentFilter


def page_of(
    merchant_id: MerchantId, wanted: PaymentFilter, before: UUID | None, limit: int
) -> Select[Any]:
    """Up to limit payments of the merchant, newest first, those older than `before`."""
    table = tables.payments
    place = tuple_(table.c.merchant_id, table.c.id)
    # Ranges of the key and not "merchant_id = …", so that no plan can go through everybody's
    # payments by their ids until it has found enough of this merchant's.
    conditions = [table.c.merchant_id >= merchant_id, *_conditions(wanted)]
    if before is None:
        conditions.append(table.c.merchant_id <= merchant_id)
    else:
        conditions.append(place < tuple_(merchant_id, before))
    return (
        select(table)
        .where(*conditions)
        .order_by(table.c.merchant_id.desc(), table.c.id.desc())
        .limit(limit)
    )


def _conditions(wanted: PaymentFilter) -> list[ColumnElement[bool]]:
    columns = tables.payments.c
    compare: tuple[tuple[object, Callable[[], ColumnElement[bool]]], ...] = (
        (wanted.user_id, lambda: columns.user_id == wanted.user_id),
        (
            wanted.destination_currency,
            lambda: columns.destination_currency == wanted.destination_currency,
        ),
        (wanted.created_after, lambda: columns.created_at >= wanted.created_after),
        (wanted.created_before, lambda: columns.created_at < wanted.created_before),
        (wanted.states, lambda: columns.state.in_(wanted.states or ())),
        (wanted.held, lambda: columns.hold_reason.is_not(None) == wanted.held),
        (wanted.sent, lambda: columns.sent_at.is_not(None) == wanted.sent),
    )
    return [condition() for value, condition in compare if value is not None]
