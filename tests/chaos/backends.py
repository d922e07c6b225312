"""PostgreSQL's own processes, by what it says of them: one session's, or one of its servants'.
Killing any of them makes the server end every session and recover from its log."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg

from tests.chaos.members import send

ANSWER_SECONDS = 3.0
# The errors where the server is away, or goes away during a query.
AWAY = (
    *(OSError, TimeoutError),
    *(asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError),
)
SESSION = "client backend"
LOOK_SECONDS = 0.005
# Of so many payments at once somebody is in the middle of something.
INTENTS_MIN = 3
_SENDER = """
    SELECT p.lease_owner FROM attempts a
      JOIN payments p ON p.merchant_id = a.merchant_id AND p.id = a.payment_id
     WHERE a.state = 'INTENDED' AND p.lease_until > now()
     GROUP BY p.lease_owner HAVING count(*) >= $1 ORDER BY count(*) DESC LIMIT 1
"""


@dataclass(frozen=True)
class Backends:
    """The server at its superuser's address, who alone sees and ends every session. Methods raise
    one of AWAY where it does not answer."""

    superuser_url: str

    async def pids(self, kind: str = SESSION) -> list[int]:
        """The processes of one kind, as pg_stat_activity names it, but for our own; by age."""
        async with self._connected() as connection:
            rows = await connection.fetch(
                "SELECT pid FROM pg_stat_activity "
                "WHERE backend_type = $1 AND pid <> pg_backend_pid() ORDER BY backend_start, pid",
                kind,
            )
        return [row["pid"] for row in rows]

    async def signal_one(self, kind: str, number: int, rng: random.Random) -> int | None:
        """Sends a signal to one of them; gives its process id, or None where there is none."""
        pids = await self.pids(kind)
        chosen = rng.choice(pids) if pids else None
        return chosen if chosen and send(chosen, number) else None

    async def terminate(self, share: float, rng: random.Random) -> int:
        """Ends a share of all sessions by SQL; gives their number."""
        pids = [pid for pid in await self.pids() if rng.random() < share]
        async with self._connected() as connection:
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) AS pid", pids
            )
        return len(pids)

    async def sender(self) -> int:
        """Waits for a process that has recorded intents under its lease and has not yet marked
        them as sent; gives its process id. Asks again and again, for the moment is a short one."""
        connection = await asyncpg.connect(self.superuser_url, timeout=ANSWER_SECONDS)
        try:
            # The database sends no notification of an intent, so there is no event to wait for.
            while (owner := await connection.fetchval(_SENDER, INTENTS_MIN)) is None:  # noqa: ASYNC110
                await asyncio.sleep(LOOK_SECONDS)
            return int(owner.rpartition(":")[2])
        finally:
            connection.terminate()

    @asynccontextmanager
    async def _connected(self) -> "AsyncIterator[asyncpg.Connection]":
        async with asyncio.timeout(ANSWER_SECONDS):
            connection = await asyncpg.connect(self.superuser_url, timeout=ANSWER_SECONDS)
            try:
                yield connection
            finally:
                connection.terminate()
