"""One payment of any merchant, with all that is on record about it. How the rows of its lists are
read is in inspected_rows."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Column, Select, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.base import sources, tables
from services.payments.base.related import read_again
from services.payments.base.unreadable import Source, UnreadableRow, fetch_each
from services.payments.base.unreadable_rows import UnreadableRows
from services.payments.engine.store.paused import pauses_of
from services.payments.engine.store.work import CORRECTIONS
from services.payments.model.adjustment import Adjusted
from services.payments.model.causes import Cause
from services.payments.model.operator import OperatorAction
from services.payments.model.payment import (
    Payment,
    PaymentNotFound,
    RecordedEvent,
    UnreadableEvent,
)
from services.payments.operators.domain import Kind, LetterKey
from services.payments.operators.inspected import (
    SHOWN_MAX,
    InspectedPayment,
    Queued,
    RecordedPosting,
)
from services.payments.operators.proposal import Proposal
from services.payments.operators.store.adjustments import AdjustmentRows
from services.payments.operators.store.inspected_rows import (
    DELIVERIES,
    POSTINGS,
    PROPOSALS,
    RECEIVED,
)
from services.shared.db import autocommitted, connected
from services.shared.errors import DomainError
from services.shared.ids import Prefix, encode_id
from services.shared.rollback import repeated

_QUEUED = text(
    f"""
    SELECT now() AS now, p.due_at, p.lease_until, p.step_failures,
           (SELECT max((SELECT max(s.ends_at) {pauses_of("a", "p")})) FROM attempts a
             WHERE a.merchant_id = p.merchant_id AND a.payment_id = p.id AND a.state = 'INTENDED')
           AS paused_until
      FROM payments p WHERE p.merchant_id = :merchant_id AND p.id = :id
    """
)
_LAST_SEQUENCE = 2**31 - 1
Noun = TypeVar("Noun")


class PostgresInspected:
    """The port Inspected on PostgreSQL."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._reader = autocommitted(engine)
        self._unreadable = UnreadableRows(engine)

    @repeated
    async def payment(self, payment_id: UUID, before_sequence: int | None) -> InspectedPayment:
        """See Inspected.payment."""
        payment = await self._payment(payment_id)
        lists = _Lists(self._reader, payment)
        before = before_sequence or _LAST_SEQUENCE
        proposals = await lists.proposals()
        deliveries = await lists.of("deliveries", DELIVERIES, tables.outbox.c.created_at)
        subjects = [
            _step_letter(payment),
            *(one.proposal_id for one in proposals),
            *(one.delivery_id for one in deliveries),
        ]
        inspected = InspectedPayment(
            payment=payment,
            queued=await self._queued(payment),
            events=await lists.events(before),
            attempts=await lists.of("attempts", sources.ATTEMPTS, tables.attempts.c.created_at),
            postings=await lists.postings(before),
            quotes=await lists.of("quotes", sources.QUOTES, tables.quotes.c.id),
            received=await lists.of(
                "received_events", RECEIVED, tables.webhook_inbox.c.received_at
            ),
            deliveries=deliveries,
            urls=await lists.urls(),
            actions=await lists.actions(subjects),
            proposals=proposals,
            cut=lists.cut,
            unreadable=sorted({row.table for row in lists.unreadable}),
            corrected_before=await self._corrections(payment),
            adjusted=await self._standing(payment),
        )
        self._unreadable.note(row for row in lists.unreadable if row.table in _LISTED)
        return inspected

    async def _payment(self, payment_id: UUID) -> Payment:
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
        return whole[0]

    async def _queued(self, payment: Payment) -> Queued:
        wanted = {"merchant_id": payment.merchant_id, "id": payment.id}
        async with connected(self._reader) as connection:
            row = (await connection.execute(_QUEUED, wanted)).one()
        return Queued(
            now=row.now,
            due_at=row.due_at,
            lease_until=row.lease_until,
            step_failures=row.step_failures,
            paused_until=row.paused_until,
        )

    async def _corrections(self, payment: Payment) -> int:
        named = {"merchant_id": payment.merchant_id, "id": payment.id}
        async with connected(self._reader) as connection:
            found = await connection.execute(
                CORRECTIONS, {**named, "cause": Cause.RECIPIENT_CORRECTED}
            )
            return int(found.scalar_one())

    async def _standing(self, payment: Payment) -> Adjusted:
        async with connected(self._reader) as connection:
            return await AdjustmentRows(connection).standing(payment.merchant_id, payment.id)

    def _refuse(self, row: UnreadableRow) -> DomainError:
        self._unreadable.note([row])
        return row.as_refusal()


# The tables whose unreadable rows are listed as dead letters.
_LISTED = frozenset(source.table.name for source in sources.ALL)


class _Lists:
    """The lists of one payment: the newest items of each, oldest first, and what is left out."""

    def __init__(self, engine: AsyncEngine, payment: Payment) -> None:
        self._engine = engine
        self._payment = payment
        self.cut: list[str] = []
        self.unreadable: list[UnreadableRow] = []

    async def of(self, name: str, source: Source[Noun], order: Column[Any]) -> Sequence[Noun]:
        """Those of the payment in a table."""
        found = await self._newest(name, source, self._own(source), order)
        return self._readable(found)

    async def events(self, before: int) -> Sequence[RecordedEvent | UnreadableEvent]:
        """The history, before a number."""
        source, number = sources.EVENTS, tables.payment_events.c.sequence
        query = self._own(source).where(number < before)
        found = await self._newest("events", source, query, number)
        self._readable(found)
        return [
            UnreadableEvent(sequence=int(row.values[2])) if isinstance(row, UnreadableRow) else row
            for row in found
        ]

    async def postings(self, before: int) -> Sequence[RecordedPosting]:
        """The postings of the events before a number."""
        columns = tables.postings.c
        query = self._own(POSTINGS).where(columns.sequence < before)
        found = await self._newest("postings", POSTINGS, query, columns.sequence, columns.position)
        return self._readable(found)

    async def proposals(self) -> Sequence[Proposal]:
        """Those of a verb on it."""
        columns = tables.proposals.c
        query = select(tables.proposals).where(columns.target == self._payment.transaction_id)
        found = await self._newest("proposals", PROPOSALS, query, columns.id)
        return self._readable(found)

    async def actions(self, subjects: Sequence[str]) -> Sequence[OperatorAction]:
        """The operators' actions on it, and on these."""
        columns = tables.operator_actions.c
        named = [self._payment.transaction_id, *subjects]
        query = select(tables.operator_actions).where(columns.subject.in_(named))
        found = await self._newest("actions", sources.ACTIONS, query, columns.id)
        return self._readable(found)

    async def urls(self) -> Mapping[UUID, str]:
        """The URLs of the merchant's endpoints."""
        table = tables.webhook_endpoints
        query = select(table).where(table.c.merchant_id == self._payment.merchant_id)
        found = await fetch_each(self._engine, sources.ENDPOINTS, query)
        return {one.id: one.url for one in self._readable(found)}

    def _own(self, source: Source[Any]) -> Select[Any]:
        columns = source.table.c
        return select(source.table).where(
            columns.merchant_id == self._payment.merchant_id,
            columns.payment_id == self._payment.id,
        )

    async def _newest(
        self, name: str, source: Source[Noun], query: Select[Any], *order: Column[Any]
    ) -> Sequence[Noun | UnreadableRow]:
        query = query.order_by(*(column.desc() for column in order)).limit(SHOWN_MAX + 1)
        found = await fetch_each(self._engine, source, query)
        if len(found) > SHOWN_MAX:
            self.cut.append(name)
        return found[:SHOWN_MAX][::-1]

    def _readable(self, found: Sequence[Noun | UnreadableRow]) -> Sequence[Noun]:
        self.unreadable += [row for row in found if isinstance(row, UnreadableRow)]
        return [row for row in found if not isinstance(row, UnreadableRow)]


def _step_letter(payment: Payment) -> str:
    return LetterKey(kind=Kind.STEP, words=str(payment.id)).dead_letter_id
