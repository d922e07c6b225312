"""The overrides of rates as the processes that price know them. The service holds them in memory
and reads them again several times a second, so that a creation costs no query, and an override
counts, and ends, in every replica within a second. The worker, which prices seldom, reads them each
time."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from services.payments.model.quote import RateOverride
from services.payments.model.timing import (
    OVERRIDES_FRESH_SECONDS,
    OVERRIDES_REFRESH_SECONDS,
    OVERRIDES_WAIT_SECONDS,
)
from services.payments.operators.overriding import AgreedOverride
from services.payments.operators.ports import OverrideSource
from services.shared.beside import beside
from services.shared.errors import DomainError, Unavailable
from services.shared.log import get_logger


class ReadOverrides:
    """The port Overrides, read each time."""

    def __init__(self, source: OverrideSource) -> None:
        self._source = source

    async def in_force(self) -> Mapping[str, RateOverride]:
        """See Overrides.in_force."""
        now, found = await self._source.open()
        return {one.corridor_id: rate_override(one) for one in found if one.is_in_force(now)}


class HeldOverrides:
    """The port Overrides in memory."""

    def __init__(
        self,
        source: OverrideSource,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        wait_seconds: float = OVERRIDES_WAIT_SECONDS,
    ) -> None:
        self._source = source
        self._clock = clock
        self._sleep = sleep
        self._wait_seconds = wait_seconds
        # The reading that is under way, which all share who wait for one.
        self._reading: asyncio.Task[None] | None = None
        self._open: Sequence[AgreedOverride] = ()
        # The database's time of the last reading, and ours before and after it.
        self._now: datetime | None = None
        self._began = self._ended = float("-inf")

    async def in_force(self) -> Mapping[str, RateOverride]:
        """See Overrides.in_force; by what is older than a second nothing is priced."""
        if self._is_old():
            await self._read_again()
        if self._is_old():
            raise Unavailable("the overrides of rates were read too slowly")
        return {one.corridor_id: rate_override(one) for one in self._open if self._is_in_force(one)}

    async def load(self) -> None:
        """Reads those that are open. Raises Unavailable."""
        began = self._clock()
        now, found = await self._source.open()
        self._now, self._open = now, found
        self._began, self._ended = began, self._clock()

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
        """Waits for the reading that is under way, or for a new one. Raises Unavailable."""
        try:
            async with asyncio.timeout(self._wait_seconds):
                # Others wait for the same.
                await asyncio.shield(self._shared())
        except TimeoutError:
            raise Unavailable("the overrides of rates cannot be read now") from None

    def _shared(self) -> asyncio.Task[None]:
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self.load())
            self._reading.add_done_callback(_look_at)
        return self._reading

    def _is_in_force(self, override: AgreedOverride) -> bool:
        """Whether it has begun by the earliest time that the database may have now, and not ended
        by the latest."""
        if self._now is None:
            return False
        clock = self._clock()
        earliest = self._now + timedelta(seconds=clock - self._ended)
        latest = self._now + timedelta(seconds=clock - self._began)
        return override.is_in_force(earliest) and override.is_in_force(latest)

    def _is_old(self) -> bool:
        return self._clock() - self._began > OVERRIDES_FRESH_SECONDS

    async def _refresh(self) -> None:
        while True:
            try:
                await asyncio.shield(self._shared())
            except DomainError as error:
                get_logger().warning("overrides_not_refreshed", reason=str(error))
            except Exception as error:  # noqa: BLE001 - without readings nothing would be priced
                get_logger().error("overrides_not_refreshed", reason=type(error).__name__)
            await self._sleep(OVERRIDES_REFRESH_SECONDS)


def _look_at(reading: asyncio.Task[None]) -> None:
    """Looks at a reading's error also where nobody has waited to its end, as asyncio asks for."""
    if not reading.cancelled():
        reading.exception()


def rate_override(agreed: AgreedOverride) -> RateOverride:
    """An override as fx takes it."""
    return RateOverride(
        override_id=agreed.override_id,
        rate=agreed.rate,
        markup_basis_points=agreed.markup_basis_points,
        expires_at=agreed.ends_at,
        maximum_deviation_basis_points=agreed.maximum_deviation_basis_points,
        proposed_by=agreed.proposed_by,
        approved_by=agreed.approved_by,
        reason=agreed.reason,
    )
