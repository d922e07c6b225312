"""One payment of any merchant, with its history."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.base import sources, tables
from services.payments.base.related import read_again
from services.payments.base.unreadable import UnreadableRow, fetch_each
from services.payments.base.unreadable_rows import UnreadableRows
from services.payments.model.payment import (
    Payment,
    PaymentNotFound,
    RecordedEvent,
    UnreadableEvent,
)
from services.payments.operators.ports import InspectedPayment
from services.shared.db import autocommitted
from services.shared.errors import DomainError
from services.shared.ids import Prefix, encode_id
from services.shared.rollback import repeated


class PostgresInspected:
    """The port Inspected on PostgreSQL."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._reader = autocommitted(engine)
        self._unreadable = UnreadableRows(engine)

    @repeated
    async def payment(self, payment_id: UUID) -> InspectedPayment:
        """See Inspected.payment."""
        table = tables.payments
        found = await fetch_each(
            self._reader, sources.PAYMENTS, select(table).where(table.c.id == payment_id)
        )
        if not found:
            raise PaymentNotFound(transaction_id=encode_id(Prefix.PAYMENT, payment_id))
        [row] = found
        if isinstance(row, UnreadableRow):
            raise self._refuse(row)
        whole, parts = await read_again(self._reader, [row])
        if not whole:
            raise self._refuse(parts[0])
        return InspectedPayment(payment=whole[0], events=await self._events(whole[0]))

    async def _events(self, payment: Payment) -> Sequence[RecordedEvent | UnreadableEvent]:
        table = tables.payment_events
        query = (
            select(table)
            .where(table.c.merchant_id == payment.merchant_id, table.c.payment_id == payment.id)
            .order_by(table.c.sequence)
        )
        history = await fetch_each(self._reader, sources.EVENTS, query)
        self._unreadable.note(row for row in history if isinstance(row, UnreadableRow))
        return [
            UnreadableEvent(sequence=int(row.values[2])) if isinstance(row, UnreadableRow) else row
            for row in history
        ]

    def _refuse(self, row: UnreadableRow) -> DomainError:
        self._unreadable.note([row])
        return row.as_refusal()
