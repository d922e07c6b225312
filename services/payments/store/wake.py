"""The wake-up between processes: whoever makes a payment due says so in its transaction, and every
worker that listens hears it after the commit. A missed call costs one polling interval."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import asyncpg
from sqlalchemy import text

CHANNEL = "caravel_due"
CALL = text(f"SELECT pg_notify('{CHANNEL}', '')")
RECONNECT_SECONDS = 1.0


class Alarm:
    """Listens on a connection of its own, and comes back when the server does."""

    def __init__(self, url: str, ring: Callable[[], None]) -> None:
        self._url = url
        self._ring = ring

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Rings for every call heard while the block runs."""
        task = asyncio.create_task(self._listen())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _listen(self) -> None:
        while True:
            with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
                await self._listen_once()
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _listen_once(self) -> None:
        closed = asyncio.Event()
        connection = await asyncpg.connect(
            self._url, timeout=5, server_settings={"application_name": "caravel-alarm"}
        )
        try:
            connection.add_termination_listener(lambda _: closed.set())
            await connection.add_listener(CHANNEL, lambda *_: self._ring())
            # Whatever was missed while nobody listened is found by looking once.
            self._ring()
            await closed.wait()
        finally:
            await connection.close(timeout=2)
