"""A rate source as the verbs see it: it has a usable rate of a pair, has none, or is away. It is
loaded and refreshed in the background. A source that raises, hangs or gives a wrong rate harms no
other source."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from services.fx.domain import Bounds, Observation, unusable
from services.fx.metrics import count_fault, publish_age, show_failures
from services.fx.ports import RateSource, SourceAway
from services.shared.clock import Clock
from services.shared.log import get_logger
from services.shared.time_limit import TimeLimit

# A source answers from memory; one that does not within this time hangs.
OBSERVE_SECONDS = 0.5
# So long it is then not asked again, so that no call waits for it once more.
REST = timedelta(seconds=5)
# How long a start waits for the sources, and how long a source may take.
LOAD_SECONDS = 20.0
LOAD_SECONDS_MAX = 60.0
# A source that could not be loaded is left alone for so long, which doubles with each failure in a
# row up to the most: it may be overloaded, and each request may count against a quota.
RELOAD_SECONDS = 30.0
RELOAD_SECONDS_MAX = 900.0
# A source may ask for more, up to this.
RETRY_AFTER_SECONDS_MAX = 3600


class Feed:
    """A source that is read at intervals, with the newest usable observation of each pair."""

    def __init__(
        self,
        name: str,
        source: RateSource,
        clock: Clock,
        *,
        live: bool = False,
        load_seconds_max: float = LOAD_SECONDS_MAX,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.name = name
        self._source = source
        self._clock = clock
        self._live = live
        self._load_seconds_max = load_seconds_max
        self._sleep = sleep
        self._tried, self._loaded = asyncio.Event(), asyncio.Event()
        self._loading: asyncio.Task[None] | None = None
        self._failures = 0
        # When it is read next; None where that can bring nothing newer.
        self.refreshes_at: datetime | None = None
        self._limit = TimeLimit(OBSERVE_SECONDS)
        self._rests_until: datetime | None = None
        self._seen: dict[str, Observation] = {}
        # The last one that could be used, by pair and bounds: a source keeps its newest, which one
        # corridor may accept and another not.
        self._good: dict[tuple[str, Bounds | None], Observation] = {}
        # The reason that the log has last, by pair: each call would say it again.
        self._said: dict[str, str] = {}

    async def open(self, wait_seconds: float = LOAD_SECONDS) -> None:
        """Begins to load the source, and waits so long for the first try; the next ones follow in
        the background."""
        self._loading = asyncio.create_task(self._refresh())
        try:
            async with asyncio.timeout(wait_seconds):
                await self._tried.wait()
        except TimeoutError:
            self._is_away("load", "", error="not loaded yet")

    async def loaded(self) -> None:
        """Returns once the source is loaded."""
        await self._loaded.wait()

    async def close(self) -> None:
        """Ends a loading that is still under way."""
        if self._loading is not None:
            self._loading.cancel()
            await asyncio.gather(self._loading, return_exceptions=True)

    async def observe(
        self, base: str, quote: str, bounds: Bounds | None = None
    ) -> Observation | None:
        """The newest rate of the pair that can be used; None where there is none or it is away.

        Where bounds are given, a middle beyond them cannot be used, and the last one within them
        stands; its age is for the caller to check.
        """
        pair, now = f"{base}/{quote}", self._clock.now()
        if not self._loaded.is_set() or (self._rests_until and now < self._rests_until):
            return None
        self._rests_until = None
        try:
            observation = await self._limit.of(self._source.observe(base, quote))
            if observation is None:
                return None
            now = self._clock.now()
            reason = unusable(observation, now, live=self._live, bounds=bounds)
        except TimeoutError:
            self._rests_until = now + REST
            self._is_away("timeout", pair)
            return None
        except Exception as error:  # noqa: BLE001  Whatever it is, the next source is asked.
            self._is_away("error", pair, error=type(error).__name__)
            return None
        if reason:
            self._is_away(reason, pair)
            return self._good.get((pair, bounds))
        self._said.pop(pair, None)
        self._good[pair, bounds] = observation
        self._show_age(pair, observation)
        return observation

    async def _refresh(self) -> None:
        while True:
            self.refreshes_at = self._clock.now()
            pause = await self._load()
            self._tried.set()
            if pause is None:
                self.refreshes_at = None
                return
            self.refreshes_at = self._clock.now() + timedelta(seconds=pause)
            await self._sleep(pause)

    async def _load(self) -> float | None:
        """Seconds until the next load; None where there is none."""
        try:
            async with asyncio.timeout(self._load_seconds_max):
                await self._source.load()
        except SourceAway as away:
            asked = min(away.retry_after_seconds, RETRY_AFTER_SECONDS_MAX)
            return self._left_alone(str(away), asked)
        except Exception as error:  # noqa: BLE001  Corridors may have another source.
            return self._left_alone(type(error).__name__, 0)
        self._loaded.set()
        self._said.pop("", None)
        self._failures = 0
        show_failures(self.name, 0)
        return self._source.refresh_seconds

    def _left_alone(self, why: str, retry_after_seconds: int) -> float:
        self._is_away("load", "", error=why)
        pause = min(RELOAD_SECONDS * (1 << self._failures), RELOAD_SECONDS_MAX)
        # Its pause no longer grows after so many, and the power of two stays small.
        self._failures += self._failures < 16
        show_failures(self.name, self._failures)
        return max(pause, retry_after_seconds)

    def _show_age(self, pair: str, observation: Observation) -> None:
        if pair not in self._seen:
            publish_age(self.name, pair, lambda: self._age_seconds(pair))
        self._seen[pair] = observation

    def _age_seconds(self, pair: str) -> float:
        return (self._clock.now() - self._seen[pair].observed_at).total_seconds()

    def _is_away(self, reason: str, pair: str, error: str = "") -> None:
        count_fault(self.name, reason)
        if self._said.get(pair) == reason:
            return
        self._said[pair] = reason
        get_logger().warning(
            "rate_source_away", source=self.name, reason=reason, pair=pair, error=error
        )
