"""The wake-up between processes: a transaction that makes a payment or a message due sends a
notification, and every listening worker receives it after the commit. A missed one costs one
polling interval."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager

import asyncpg
from sqlalchemy import text

from services.payments.model.timing import (
    ALARM_CLOSE_SECONDS,
    ALARM_CONNECT_SECONDS,
    ALARM_RETRY_SECONDS,
)
from services.shared.beside import beside
from services.shared.db import Address
from services.shared.db_errors import failure_of
from services.shared.log import get_logger

# The channels: for the worker's loop of payments, and for its loop of merchants' events.
PAYMENTS, MESSAGES = "caravel_due", "caravel_messages"
PAYMENTS_DUE = text(f"SELECT pg_notify('{PAYMENTS}', '')")
MESSAGES_DUE = text(f"SELECT pg_notify('{MESSAGES}', '')")


class Alarm:
    """Listens on a connection of its own, and comes back when the server does."""

    def __init__(self, url: Address, rings: Mapping[str, Callable[[], None]]) -> None:
        """rings has the function to call for each channel."""
        self._url = url
        self._rings = rings

    def listening(self) -> AbstractAsyncContextManager[None]:
        """Rings for every notification while the block runs."""
        return beside(self._listen)

    async def _listen(self) -> None:
        while True:
            try:
                await self._listen_once()
            except Exception as error:  # noqa: BLE001 - any error is tried again
                get_logger().warning("alarm_waits", reason=str(failure_of(error) or "unknown"))
            await asyncio.sleep(ALARM_RETRY_SECONDS)

    async def _listen_once(self) -> None:
        closed = asyncio.Event()
        connection = await asyncpg.connect(
            self._url(),
            timeout=ALARM_CONNECT_SECONDS,
            server_settings={"application_name": "caravel-alarm"},
        )
        try:
            connection.add_termination_listener(lambda _: closed.set())
            for channel in self._rings:
                await connection.add_listener(channel, self._called)
            # A notification that was missed meanwhile is made good by looking once.
            for ring in self._rings.values():
                ring()
            await closed.wait()
        finally:
            await connection.close(timeout=ALARM_CLOSE_SECONDS)

    def _called(self, _: object, __: int, channel: str, ___: object) -> None:
        self._rings[channel]()
