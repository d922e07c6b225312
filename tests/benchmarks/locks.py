"""The waits of a database's sessions, looked at many times a second, and its deadlocks."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from tests.benchmarks.server import PREFIX, Server

LOOK_SECONDS = 0.1
_WAITS = """
    SELECT wait_event_type || ':' || wait_event AS wait, count(*) AS sessions
      FROM pg_stat_activity
     WHERE datname = current_database() AND state <> 'idle' AND pid <> pg_backend_pid()
       AND wait_event IS NOT NULL AND wait_event_type NOT IN ('Client', 'Activity', 'Timeout')
     GROUP BY 1
"""
_ACTIVE = """
    SELECT count(*) FROM pg_stat_activity
     WHERE datname = current_database() AND state <> 'idle' AND pid <> pg_backend_pid()
"""


@dataclass
class Waits:
    """The waits that were seen."""

    looks: int = 0
    # Sessions at work, over all looks, and of these those that waited, by what for.
    active: int = 0
    waiting: Counter[str] = field(default_factory=Counter)
    deadlocks: int = 0

    @property
    def lock_share(self) -> float:
        """Of the sessions at work, those that waited for another session's lock."""
        locks = sum(n for name, n in self.waiting.items() if name.startswith("Lock:"))
        return locks / max(1, self.active)


@asynccontextmanager
async def watching(server: Server, database: str) -> AsyncIterator[Waits]:
    """Looks for the length of a block."""
    waits = Waits()
    async with server.connected(database) as connection:

        async def look() -> None:
            while True:
                waits.looks += 1
                waits.active += await connection.fetchval(_ACTIVE)
                for row in await connection.fetch(_WAITS):
                    waits.waiting[row["wait"]] += row["sessions"]
                await asyncio.sleep(LOOK_SECONDS)

        before = await _deadlocks(server, database)
        task = asyncio.create_task(look())
        try:
            yield waits
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            waits.deadlocks = await _deadlocks(server, database) - before


async def _deadlocks(server: Server, database: str) -> int:
    async with server.connected() as connection:
        count: int = await connection.fetchval(
            "SELECT deadlocks FROM pg_stat_database WHERE datname = $1", PREFIX + database
        )
        return count
