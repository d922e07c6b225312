"""Whether the database lets work be done: a question that takes every way a payment takes, and
changes nothing. It has a connection of its own, because all others may be waiting."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

import asyncpg

from services.payments.base.tables import idempotency_keys, payment_events, payments, quotes
from services.payments.model.timing import (
    READINESS_ANSWER_SECONDS,
    READINESS_IDLE_SECONDS,
    READINESS_STATEMENT_SECONDS,
)
from services.shared.db import Address
from services.shared.db_errors import as_ours, failure_of
from services.shared.readiness import Ask

SETTINGS = {
    "application_name": "caravel-readiness",
    "statement_timeout": f"{READINESS_STATEMENT_SECONDS * 1000}",
    "idle_in_transaction_session_timeout": f"{READINESS_IDLE_SECONDS * 1000}",
    # So little that a sort goes to the disk.
    "work_mem": "64kB",
}
TABLES = ", ".join(table.name for table in (payments, quotes, idempotency_keys, payment_events))
# Whether rows can be written, as far as locks go; whether the disk has room, by a sort that takes
# some; whether a commit is kept, by a message in the log that nobody reads.
WRITABLE = f"LOCK TABLE {TABLES} IN ROW EXCLUSIVE MODE"
ROOM = "SELECT count(*) FROM (SELECT g FROM generate_series(1, 5000) g ORDER BY -g OFFSET 0) x"
KEPT = "SELECT pg_logical_emit_message(true, 'caravel-readiness', '')"


class DatabaseReadiness:
    """Asks the database; one question at a time."""

    def __init__(self, url: Address) -> None:
        self._url = url
        self._connection: asyncpg.Connection | None = None

    async def ask(self) -> None:
        """Raises DatabaseUnavailable or DatabaseMistake where no payment could be written now."""
        try:
            async with asyncio.timeout(READINESS_ANSWER_SECONDS):
                await self._ask()
        except BaseException as error:
            self.close()
            failure = failure_of(error)
            if failure is None:
                raise
            raise as_ours(failure) from None

    def close(self) -> None:
        """Drops the connection without a goodbye, which a server that hangs would not answer."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def _ask(self) -> None:
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(
                self._url(), timeout=READINESS_ANSWER_SECONDS, server_settings=SETTINGS
            )
        async with self._connection.transaction():
            await self._connection.execute(WRITABLE)
            await self._connection.execute(ROOM)
            await self._connection.execute(KEPT)


def all_of(*asks: Ask) -> Ask:
    """One question in the place of several, asked in turn."""

    async def ask() -> None:
        for one in asks:
            await one()

    return ask


@asynccontextmanager
async def opened_readiness(url: Address) -> AsyncIterator[Ask]:
    """The question whether the database lets work be done, for the length of a block."""
    with closing(DatabaseReadiness(url)) as database:
        yield database.ask
