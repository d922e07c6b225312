"""Rows that count for a time, as the processes that price hold them in memory: read again and
again, so that a creation costs no query, and each row counts, and ends, in every replica within a
second or at its moment. By older knowledge nothing is priced."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, Protocol, TypeVar

from services.payments.model.timing import (
    HELD_FRESH_SECONDS,
    HELD_REFRESH_SECONDS,
    HELD_WAIT_SECONDS,
)
from services.shared.beside import beside
from services.shared.errors import DomainError, Unavailable
from services.shared.log import get_logger

Row = TypeVar("Row")
Row_co = TypeVar("Row_co", covariant=True)


class Source(Protocol[Row_co]):
    """The rows as the database has them."""

    async def open(self) -> tuple[datetime, Sequence[Row_co]]:
        """The database's time, and those that count or will. Raises Unavailable."""
        ...


@dataclass(frozen=True)
class _Reading(Generic[Row]):
    now: datetime
    rows: Sequence[Row]
    # Our clock before and after it.
    began: float
    ended: float


class Held(Generic[Row]):
    """The rows of a source in memory."""

    # For messages.
    name = "rows"
    # From one reading to the next, and how old one may be.
    refresh_seconds, fresh_seconds = HELD_REFRESH_SECONDS, HELD_FRESH_SECONDS

    def __init__(
        self,
        source: Source[Row],
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        wait_seconds: float = HELD_WAIT_SECONDS,
    ) -> None:
        self._source = source
        self._clock = clock
        self._sleep = sleep
        self._wait_seconds = wait_seconds
        # The reading that is under way, which all share who wait for one.
        self._reading: asyncio.Task[None] | None = None
        self._last: _Reading[Row] | None = None

    async def rows(self) -> tuple[Sequence[Row], datetime, datetime]:
        """The rows, and the earliest and the latest time that the database may have now. Waits for
        a reading, or a few. Raises Unavailable where they are not known as they were a moment
        ago."""
        last = self._fresh()
        if last is None:
            await self._read_again()
            last = self._fresh()
        if last is None:
            raise Unavailable(f"the {self.name} cannot be read now")
        clock = self._clock()
        earliest = last.now + timedelta(seconds=clock - last.ended)
        latest = last.now + timedelta(seconds=clock - last.began)
        return last.rows, earliest, latest

    async def load(self) -> None:
        """Reads them. Raises Unavailable."""
        began = self._clock()
        now, found = await self._source.open()
        self._last = _Reading(now, found, began, self._clock())

    @asynccontextmanager
    async def refreshed(self) -> AsyncIterator[None]:
        """Reads again and again while the block runs."""
        try:
            async with beside(self._refresh):
                yield
        finally:
            if self._reading is not None:
                self._reading.cancel()

    async def _read_again(self) -> None:
        """Waits for a reading that is not old at its end, as one is that a machine has kept from
        going on, but not for ever. Raises Unavailable."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._wait_seconds):
                while self._fresh() is None:
                    # Others wait for the same.
                    await asyncio.shield(self._shared())

    def _shared(self) -> asyncio.Task[None]:
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self.load())
            self._reading.add_done_callback(_look_at)
        return self._reading

    def _fresh(self) -> _Reading[Row] | None:
        last = self._last
        if last is None or self._clock() - last.began > self.fresh_seconds:
            return None
        return last

    async def _refresh(self) -> None:
        event = f"{self.name.replace(' ', '_')}_not_refreshed"
        while True:
            try:
                await asyncio.shield(self._shared())
            except DomainError as error:
                get_logger().warning(event, reason=str(error))
            except Exception as error:  # noqa: BLE001 - without readings nothing would be priced
                get_logger().error(event, reason=type(error).__name__)
            await self._sleep(self.refresh_seconds)


def _look_at(reading: asyncio.Task[None]) -> None:
    """Looks at a reading's error also where nobody has waited to its end, as asyncio asks for."""
    if not reading.cancelled():
        reading.exception()
