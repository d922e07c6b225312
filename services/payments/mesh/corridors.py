"""The corridors that count at this moment. The database says which version of the files that is,
and every replica holds the last reading: it prices by that version, or not at all. At the moment of
a change each call goes wholly by the version that it began with."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Generic, TypeVar

from prometheus_client import Gauge

from services.payments.base.held import Held
from services.payments.mesh.ports import CurrentCorridors, RateQuery, Rates, VersionSource
from services.payments.model.corridor_version import CorridorVersion
from services.payments.model.quote import RateTrail
from services.payments.model.timing import (
    CORRIDORS_FRESH_SECONDS,
    CORRIDORS_REFRESH_SECONDS,
    CORRIDORS_SWITCH_SECONDS,
)
from services.shared.corridors import (
    Corridors,
    CorridorsError,
    parse_corridors,
)
from services.shared.errors import DomainError, Unavailable
from services.shared.log import get_logger

Made = TypeVar("Made")
_NONE = "no corridor files were applied yet"
SEQUENCE = Gauge(
    "caravel_corridors_sequence",
    "Number of the version of the corridor files that this replica prices by; 0 where it cannot "
    "read the one that counts, and prices nothing.",
)


class _Loading:
    """The versions with their files, which are read before a version counts."""

    def __init__(self, source: VersionSource, *, live: bool) -> None:
        self._source = source
        self._live = live
        # By version; None where this process cannot read the files.
        self.loaded: dict[str, Corridors | None] = {}

    async def open(self) -> tuple[datetime, Sequence[CorridorVersion]]:
        """The database's time, and the versions. Raises Unavailable."""
        now, versions = await self._source.open()
        if not versions:
            raise Unavailable(_NONE)
        names = dict.fromkeys(one.version for one in versions)
        self.loaded = {
            name: self.loaded[name] if name in self.loaded else await self._load(name)
            for name in names
        }
        return now, versions

    async def _load(self, version: str) -> Corridors | None:
        files = await self._source.files(version)
        try:
            return await asyncio.to_thread(parse_corridors, files, live=self._live)
        except CorridorsError as error:
            # They are right for another release; until this one is replaced it prices nothing.
            get_logger().error("corridors_unreadable", version=version, reason=str(error))
            return None


class HeldCorridors(Held[CorridorVersion]):
    """The port CurrentCorridors, read again every second."""

    name = "versions of the corridor files"
    refresh_seconds, fresh_seconds = CORRIDORS_REFRESH_SECONDS, CORRIDORS_FRESH_SECONDS

    def __init__(
        self,
        source: VersionSource,
        *,
        live: bool,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._loading = _Loading(source, live=live)
        self._pause = sleep
        self.files = source.files
        super().__init__(self._loading, clock=clock, sleep=sleep)

    async def current(self) -> Corridors:
        """See CurrentCorridors.current. Waits out the moment of a change, as far as the database's
        clock is not known."""
        while True:
            versions, earliest, latest = await self.rows()
            counting = _counting_at(versions, earliest)
            if counting is _counting_at(versions, latest):
                return self._corridors(counting)
            await self._pause(CORRIDORS_SWITCH_SECONDS)

    async def refuse_unreadable(self) -> None:
        """Raises Unavailable where this process prices nothing."""
        await self.current()

    def _corridors(self, counting: CorridorVersion) -> Corridors:
        corridors = self._loading.loaded.get(counting.version)
        SEQUENCE.set(counting.sequence if corridors else 0)
        if corridors is None:
            raise Unavailable("this replica cannot read the corridor files that count")
        return corridors


class CurrentRates:
    """The port Rates, by the version that counts: for the worker, which prices seldom and holds no
    corridors."""

    def __init__(self, rates: Rates, source: VersionSource) -> None:
        self._rates = rates
        self._source = source

    async def get(self, queries: Sequence[RateQuery]) -> Sequence[RateTrail | DomainError]:
        """See Rates.get."""
        now, versions = await self._source.open()
        if not versions:
            raise Unavailable(_NONE)
        version = _counting_at(versions, now).version
        return await self._rates.get([replace(one, corridors_version=version) for one in queries])


class MadeOf(Generic[Made]):
    """One thing made of the corridors that count, made again where they change."""

    def __init__(self, corridors: CurrentCorridors, make: Callable[[Corridors], Made]) -> None:
        self._corridors = corridors
        self._make = make
        self._made: tuple[Corridors, Made] | None = None

    async def current(self) -> Made:
        """The one of this moment. Raises Unavailable."""
        corridors = await self._corridors.current()
        if self._made is None or self._made[0] is not corridors:
            self._made = corridors, self._make(corridors)
        return self._made[1]


def _counting_at(versions: Sequence[CorridorVersion], now: datetime) -> CorridorVersion:
    """The last one that has begun; the first one stands for the time before."""
    begun = [one for one in versions if one.effective_at <= now]
    return begun[-1] if begun else versions[0]
