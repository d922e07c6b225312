"""The durable list of rows that cannot be read. A reader that meets one notes it, which costs it
nothing: a task of its own writes the entry, once, however often the row is read meanwhile. Where a
crash loses a note, the audit makes it again, because it reads every row."""

import asyncio
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from prometheus_client import Counter
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.payments.base.errors import describe
from services.payments.base.rows import as_json
from services.payments.base.sources import ALL, answers
from services.payments.base.unreadable import Source, UnreadableRow, reread
from services.payments.model.timing import UNREADABLE_NOTED_SECONDS
from services.shared.db import connected
from services.shared.log import get_logger
from services.shared.rollback import repeated

UNREADABLE = Counter(
    "caravel_unreadable_rows_total", "Rows met that could not be read, by their table.", ["table"]
)
# So many rows are remembered as noted, and not noted again meanwhile.
REMEMBERED_MAX = 10_000
# How many are written at once.
WRITTEN_MAX = 500
# In order, so that two processes wait for each other and never deadlock. One that an operator has
# discarded stays so.
_KEEP = text(
    """
    INSERT INTO unreadable_rows
           (table_name, row_key, merchant_id, payment_id, column_name, error)
    SELECT table_name, row_key, merchant_id, payment_id, column_name, error
      FROM json_to_recordset(CAST(:rows AS json))
        AS r(table_name text, row_key text, merchant_id text, payment_id uuid, column_name text,
             error text)
     ORDER BY table_name, row_key
    ON CONFLICT (table_name, row_key) DO UPDATE
       SET state = 'OPEN', found_at = now(), column_name = excluded.column_name,
           error = excluded.error
     WHERE unreadable_rows.state = 'ENDED'
    """
)
_STANDING = text(
    """
    SELECT table_name, row_key FROM unreadable_rows
     WHERE state <> 'ENDED' AND (table_name, row_key) > (:table_name, :row_key)
     ORDER BY table_name, row_key LIMIT :limit
    """
)
_COUNT = text("SELECT count(*) FROM unreadable_rows WHERE state = 'OPEN'")
_END = text(
    """
    UPDATE unreadable_rows u SET state = 'ENDED'
      FROM json_to_recordset(CAST(:rows AS json)) AS r(table_name text, row_key text)
     WHERE u.table_name = r.table_name AND u.row_key = r.row_key AND u.state <> 'ENDED'
    """
)
# A payment that was claimed with all its attempts and refunds can be read.
_END_OF_PAYMENT = text(
    """
    UPDATE unreadable_rows SET state = 'ENDED'
     WHERE payment_id = :payment_id AND merchant_id = :merchant_id AND state <> 'ENDED'
       AND table_name IN ('payments', 'attempts', 'refunds')
    """
)


class UnreadableRows:
    """The list, and the notes of one process on their way to it."""

    def __init__(
        self, engine: AsyncEngine, decode_answer: Callable[[str, bytes], object] | None = None
    ) -> None:
        """Without decode_answer nothing is said of the answers that idempotency keys keep."""
        self._engine = engine
        kept = (answers(decode_answer),) if decode_answer else ()
        self.sources: Mapping[str, Source[Any]] = {s.table.name: s for s in (*ALL, *kept)}
        self._noted: dict[tuple[str, str], float] = {}
        self._waiting: dict[tuple[str, str], UnreadableRow] = {}
        self._writing: asyncio.Task[None] | None = None

    def note(self, found: Iterable[UnreadableRow]) -> None:
        """Counts and logs each, and has those written that were not of late."""
        for row in found:
            _report(row)
            key = (row.table, row.key)
            now = time.monotonic()
            if now - self._noted.get(key, -math.inf) < UNREADABLE_NOTED_SECONDS:
                continue
            if len(self._noted) >= REMEMBERED_MAX:
                self._noted.clear()
            self._noted[key] = now
            self._waiting[key] = row
        if self._waiting and (self._writing is None or self._writing.done()):
            self._writing = asyncio.create_task(self._write())

    async def _write(self) -> None:
        while self._waiting:
            keys = list(self._waiting)[:WRITTEN_MAX]
            rows = [self._waiting.pop(key) for key in keys]
            try:
                await self.keep(rows)
            except Exception as error:  # noqa: BLE001 - the next reader notes it, or the audit
                get_logger().warning("unreadable_rows_not_kept", reason=describe(error))

    @repeated
    async def keep(self, found: Sequence[UnreadableRow]) -> None:
        """Puts each on the list, once; of one that the driver could not read, its column is found.

        Does not count or log them.
        """
        async with connected(self._engine) as connection:
            located = [row if row.column else await self._located(connection, row) for row in found]
            await connection.execute(_KEEP, {"rows": as_json(map(_entry, located))})
            await connection.commit()

    @repeated
    async def count(self) -> int:
        """How many rows are listed."""
        async with connected(self._engine) as connection:
            return int((await connection.execute(_COUNT)).scalar_one())

    async def _located(self, connection: AsyncConnection, row: UnreadableRow) -> UnreadableRow:
        return await self.reread(connection, row.table, row.key) or row

    async def reread(
        self, connection: AsyncConnection, table: str, key: str
    ) -> UnreadableRow | None:
        """The row of an entry, where it still cannot be read; in the connection's transaction."""
        source = self.sources.get(table)
        return await reread(connection, source, key) if source else None

    @repeated
    async def end_repaired(self, after: tuple[str, str], limit: int) -> tuple[str, str] | None:
        """Reads the rows of the next entries, and ends those that can be read or are gone; gives
        the last of them, or None at the end of the list."""
        async with connected(self._engine) as connection:
            parameters = {"table_name": after[0], "row_key": after[1], "limit": limit}
            entries = (await connection.execute(_STANDING, parameters)).all()
            repaired = [
                {"table_name": table, "row_key": key}
                for table, key in entries
                if table in self.sources and await self.reread(connection, table, key) is None
            ]
            if repaired:
                await connection.execute(_END, {"rows": as_json(repaired)})
                await connection.commit()
        if len(entries) < limit:
            return None
        return entries[-1].table_name, entries[-1].row_key


async def end_of_payment(connection: AsyncConnection, merchant_id: str, payment_id: UUID) -> None:
    """Ends the entries of a payment and its attempts, which have just been read."""
    named = {"merchant_id": merchant_id, "payment_id": payment_id}
    await connection.execute(_END_OF_PAYMENT, named)


def _entry(row: UnreadableRow) -> Mapping[str, Any]:
    return {
        "table_name": row.table,
        "row_key": row.key,
        "merchant_id": row.merchant_id,
        "payment_id": row.payment_id,
        "column_name": row.column,
        "error": row.error,
    }


def _report(row: UnreadableRow) -> None:
    """Counts the row, and says in the log which it is."""
    UNREADABLE.labels(row.table).inc()
    get_logger().warning(
        "row_unreadable",
        table=row.table,
        column=row.column,
        transaction_id=row.transaction_id,
        reason=row.error,
    )
