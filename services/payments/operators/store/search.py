"""Finds payments of all merchants. Their ids begin with the time, so that newest first is the order
of an index. One filter leads (leading), and all are checked for each payment that it leads to: so
many at the most for a page, so that no search looks through a table."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.payments.base import sources, tables
from services.payments.base.related import read_again
from services.payments.base.times import shown
from services.payments.base.unreadable import UnreadableRow, fetch_each
from services.payments.base.unreadable_rows import UnreadableRows
from services.payments.engine.store.overdue import overdue_before
from services.payments.model.payment import Payment, UnreadablePayment
from services.payments.model.progress import ExpectedTime
from services.payments.model.timing import ID_MARGIN, SEARCH_SECONDS
from services.payments.operators.search import FoundPage, Sought
from services.payments.operators.store.leading import EVERY, Lead, possible, required
from services.shared.db import autocommitted, connected
from services.shared.ids import first_id
from services.shared.rollback import repeated

# Payments that one statement looks at: for the first time, and at the most.
LOOKED_FIRST, LOOKED_MAX = 500, 10_000
# Overdue payments among which those of an id are.
OVERDUE_MAX = 100_000
_LAST_ID = UUID(int=2**128 - 1)
_FILTERS = {
    "states": "p.state = ANY(CAST(:states AS text[]))",
    "hold_reasons": "p.hold_reason = ANY(CAST(:hold_reasons AS text[]))",
    "provider": ":provider IN (p.onramp, p.offramp)",
    "corridor_id": "p.corridor_id = :corridor_id",
    "merchant_id": "p.merchant_id = :merchant_id",
    "amount_from_minor": "p.amount_minor >= :amount_from_minor",
    "amount_to_minor": "p.amount_minor <= :amount_to_minor",
    "created_after": "p.created_at >= :created_after",
    "created_before": "p.created_at < :created_before",
    "overdue": "p.id = ANY(CAST(:overdue AS uuid[]))",
}
# Of all that were looked at, those that are sought, and the last.
_LOOK = """
    SELECT (array_agg(l.id) FILTER (WHERE l.is_sought))[1:{limit}] AS found, count(*) AS looked,
           (array_agg(l.id))[CAST(count(*) AS integer)] AS last_id, {until} AS until
      FROM (SELECT b.id, b.created_at, b.is_sought FROM ({branches}) AS b
             ORDER BY b.id DESC LIMIT :looked) AS l
"""


_COUNT = "SELECT count(*) FROM ({branches}) AS b"


class PostgresSearch:
    """The port SearchStore on PostgreSQL."""

    def __init__(self, engine: AsyncEngine, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._reader = autocommitted(engine)
        self._unreadable = UnreadableRows(engine)
        self._clock = clock

    @repeated
    async def page(
        self,
        sought: Sought,
        expected: Sequence[ExpectedTime],
        *,
        before: UUID | None,
        limit: int,
    ) -> FoundPage:
        """See SearchStore.page."""
        begun, looked = self._clock(), LOOKED_FIRST
        given = _given(sought, before)
        ids: list[UUID] = []
        async with connected(self._reader) as connection:
            lead = required(sought) or await _shortest(connection, possible(sought), given)
            while True:
                if sought.overdue:
                    most = OVERDUE_MAX if sought.query else looked
                    given["overdue"] = await overdue_before(
                        connection, expected, given["before"], sought.merchant_id, most
                    )
                look = await _look(connection, lead, given, limit=limit + 1 - len(ids), most=looked)
                ids += look.found or ()
                if len(ids) > limit:
                    return FoundPage(payments=await self._read(ids[:limit]), before=ids[limit - 1])
                if look.looked < looked:
                    return FoundPage(payments=await self._read(ids))
                if self._clock() - begun >= SEARCH_SECONDS:
                    return FoundPage(
                        payments=await self._read(ids),
                        before=look.last_id,
                        looked_until=look.until,
                    )
                given["before"], looked = look.last_id, min(2 * looked, LOOKED_MAX)

    async def _read(self, ids: Sequence[UUID]) -> Sequence[Payment | UnreadablePayment]:
        if not ids:
            return ()
        table = tables.payments
        query = select(table).where(table.c.id.in_(ids)).order_by(table.c.id.desc())
        page = await fetch_each(self._reader, sources.PAYMENTS, query)
        readable = [row for row in page if not isinstance(row, UnreadableRow)]
        whole, parts = await read_again(self._reader, readable)
        self._unreadable.note([*(row for row in page if isinstance(row, UnreadableRow)), *parts])
        read = {payment.id: payment for payment in whole}
        return [read.get(id_) or UnreadablePayment(id=id_) for id_ in ids]


async def _shortest(
    connection: AsyncConnection, leads: Sequence[Lead], given: Mapping[str, Any]
) -> Lead:
    """The first that leads to so few payments that one statement looks at all of them; else the
    first whose payments an index has in order."""
    ordered = [lead for lead in leads if lead.is_ordered]
    if len(leads) == len(ordered) <= 1 and not any(lead.if_few for lead in leads):
        return [*ordered, EVERY][0]
    for lead in (lead.if_few or lead for lead in leads):
        branches = " UNION ALL ".join(
            f"(SELECT 1 FROM {branch.source} LIMIT :most)" for branch in lead.branches
        )
        statement = text(_COUNT.format(branches=branches))
        wanted = {**given, **lead.given, "most": LOOKED_MAX, "few": LOOKED_MAX}
        if (await connection.execute(statement, wanted)).scalar_one() < LOOKED_MAX:
            return lead
    return [*ordered, EVERY][0]


async def _look(
    connection: AsyncConnection, lead: Lead, given: Mapping[str, Any], *, limit: int, most: int
) -> Row[Any]:
    """Looks at so many payments at the most, for so many that are sought."""
    is_sought = " AND ".join(_FILTERS[name] for name in given if name in _FILTERS) or "true"
    branches = " UNION ".join(
        f"(SELECT p.id, p.created_at, {is_sought} AS is_sought FROM {branch.source} "
        f"ORDER BY {branch.order} LIMIT :looked)"
        for branch in lead.branches
    )
    until = shown("min(l.created_at)")
    statement = text(_LOOK.format(limit=limit, branches=branches, until=until))
    wanted = {**given, **lead.given, "looked": most, "few": LOOKED_MAX}
    return (await connection.execute(statement, wanted)).one()


def _given(sought: Sought, before: UUID | None) -> dict[str, Any]:
    """The filters that are set, and between which ids the payments are looked at."""
    values = {name: getattr(sought, name) for name in _FILTERS}
    given = {name: value for name, value in values.items() if value not in (None, (), False)}
    after, until = sought.created_after, sought.created_before
    given["first"] = first_id(after, -ID_MARGIN) if after else UUID(int=0)
    given["before"] = min(before or _LAST_ID, first_id(until, ID_MARGIN) if until else _LAST_ID)
    return given
