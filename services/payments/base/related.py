"""The refunds and disputes of payments, read after the payments themselves and only for those that
have any, so that all others cost no more for it."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from sqlalchemy import Table, TextClause, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.payments.base import rows, sources, tables
from services.payments.base.columns import columns
from services.payments.base.errors import describe
from services.payments.base.unreadable import UnreadableRow, read_each
from services.payments.model.dispute import Dispute
from services.payments.model.payment import Payment
from services.payments.model.refund import Refund
from services.shared.db import connected
from services.shared.db_errors import DatabaseMistake

# The payments, and apart the rows that cannot be read.
Whole = tuple[Sequence[Payment], Sequence[UnreadableRow]]


def _of_payments(table: Table) -> TextClause:
    """The rows of a table of numbered parts of payments, by the keys of those."""
    return text(
        f"""
        SELECT {columns(table, "one")} FROM {table.name} one
          JOIN json_to_recordset(CAST(:rows AS json)) AS r(merchant_id text, payment_id uuid)
         USING (merchant_id, payment_id)
         ORDER BY one.merchant_id, one.payment_id, one.number
        """
    )


_REFUNDS, _DISPUTES = _of_payments(tables.refunds), _of_payments(tables.disputes)


async def with_related(connection: AsyncConnection, payments: Sequence[Payment]) -> Whole:
    """The payments with their refunds and disputes, in order, without those of which one cannot be
    read.

    Of one moment only where nobody changes the payments meanwhile.
    """
    wanted = [payment for payment in payments if payment.related]
    if not wanted:
        return payments, ()
    asked = rows.as_json({"merchant_id": p.merchant_id, "payment_id": p.id} for p in wanted)
    given = (await connection.execute(_REFUNDS, {"rows": asked})).all()
    claimed = (await connection.execute(_DISPUTES, {"rows": asked})).all()
    found_refunds, no_refunds = read_each(sources.REFUNDS, given)
    found_disputes, no_disputes = read_each(sources.DISPUTES, claimed)
    unreadable = [*no_refunds, *no_disputes]
    broken = {row.payment_id for row in unreadable}
    refunds: dict[UUID, list[Refund]] = defaultdict(list)
    for _, refund in found_refunds:
        refunds[refund.payment_id].append(refund)
    disputes: dict[UUID, list[Dispute]] = defaultdict(list)
    for _, dispute in found_disputes:
        disputes[dispute.payment_id].append(dispute)
    return [
        replace(payment, refunds=tuple(refunds[payment.id]), disputes=tuple(disputes[payment.id]))
        if payment.related
        else payment
        for payment in payments
        if payment.id not in broken
    ], unreadable


async def read_again(engine: AsyncEngine, payments: Sequence[Payment]) -> Whole:
    """The same, in any order: those with refunds are read again, together with them and as of one
    moment."""
    wanted = [payment for payment in payments if payment.related]
    if not wanted:
        return payments, ()
    table = tables.payments
    keys = [(payment.merchant_id, payment.id) for payment in wanted]
    query = select(table).where(tuple_(table.c.merchant_id, table.c.id).in_(keys))
    snapshot = engine.execution_options(isolation_level="REPEATABLE READ")
    try:
        async with connected(snapshot) as connection:
            found = (await connection.execute(query)).all()
            readable, unreadable = read_each(sources.PAYMENTS, found)
            whole, parts = await with_related(connection, [payment for _, payment in readable])
    except DatabaseMistake as error:
        whole, parts = await _apart(engine, wanted, describe(error))
        unreadable = []
    others = (payment for payment in payments if not payment.related)
    return [*others, *whole], [*unreadable, *parts]


async def _apart(engine: AsyncEngine, wanted: Sequence[Payment], error: str) -> Whole:
    """The driver cannot read a value of one of these; of several, each is read alone."""
    if len(wanted) == 1:
        named = {"merchant_id": wanted[0].merchant_id, "id": wanted[0].id}
        return (), [sources.PAYMENTS.of_key(named, error)]
    whole: list[Payment] = []
    unreadable: list[UnreadableRow] = []
    for payment in wanted:
        read, broken = await read_again(engine, [payment])
        whole += read
        unreadable += broken
    return whole, unreadable
