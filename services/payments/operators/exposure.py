"""Watches the exchange positions beside the calls, and holds the last look in memory: pricing asks
it without a query. Each replica has its own, and each payment counts from its exchange on, so that
a limit may be passed by the payments that are under way."""

import asyncio
import math
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from prometheus_client import REGISTRY, CollectorRegistry, Gauge

from services.payments.mesh.ports import CurrentCorridors, RateQuery, Rates
from services.payments.model.exposure import Exposure, ExposureLimitReached, Position
from services.payments.model.quote import RateTrail
from services.payments.model.timing import EXPOSURE_SECONDS, MIDDLES_SECONDS
from services.payments.operators.exposure_limits import ExposureLimitsFile
from services.payments.operators.ports import PositionBook
from services.shared.beside import beside
from services.shared.clock import Clock
from services.shared.errors import DomainError, Unavailable
from services.shared.log import get_logger
from services.shared.money import SOURCE_CURRENCY


class ExposureMetrics:
    """The last look as numbers; a number that is not known is not published."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self._position, self._worth, self._maximum = (
            Gauge(f"caravel_exposure_{name}_minor", words, ("currency",), registry=registry)
            for name, words in (
                ("position", "Held of a currency less owed, in its minor units."),
                ("worth", "A position at the middle of the market, in cents."),
                ("maximum", "The most that we may owe of a currency, in its minor units."),
            )
        )
        self._result = Gauge(
            "caravel_exposure_result_minor",
            "The unrealised result of all positions in cents, or no number where a middle of the "
            "market is not known.",
            registry=registry,
        )
        self._seen = Gauge(
            "caravel_exposure_seen_timestamp_seconds",
            "When the positions were last read.",
            registry=registry,
        )

        self._currencies: frozenset[str] = frozenset()

    def publish(self, exposure: Exposure) -> None:
        """Puts a look in the place of the last one."""
        currencies = frozenset(one.currency for one in exposure.positions)
        for gone in self._currencies - currencies:
            for gauge in (self._position, self._worth, self._maximum):
                _publish(gauge, gone, None)
        self._currencies = currencies
        for one in exposure.positions:
            maximum = one.maximum_owed.amount_minor if one.maximum_owed else None
            _publish(self._position, one.currency, one.amount_minor)
            _publish(self._worth, one.currency, one.worth_minor)
            _publish(self._maximum, one.currency, maximum)
        result = exposure.result_minor
        self._result.set(math.nan if result is None else result)
        self._seen.set(exposure.seen_at.timestamp())


def _publish(gauge: Gauge, currency: str, value: int | None) -> None:
    if value is None:
        gauge.remove_by_labels({"currency": currency})
    else:
        gauge.labels(currency).set(value)


# Every process has one set of them.
EXPOSURE_METRICS = ExposureMetrics()


class ExposureWatch:
    """The port ExposureLimits, and the positions for operators."""

    def __init__(
        self,
        book: PositionBook,
        rates: Rates,
        corridors: CurrentCorridors,
        limits: ExposureLimitsFile,
        clock: Clock,
        *,
        metrics: ExposureMetrics = EXPOSURE_METRICS,
    ) -> None:
        self._book = book
        self._rates = rates
        self._corridors = corridors
        self._limits = limits
        self._clock = clock
        self._metrics = metrics
        self._seen: Exposure | None = None
        self._reached: frozenset[str] = frozenset()
        self._trails: Mapping[str, RateTrail] = {}
        self._asked: tuple[frozenset[str], datetime] | None = None

    @property
    def current(self) -> Exposure:
        """The last look. Raises Unavailable before the first."""
        if self._seen is None:
            raise Unavailable("the exchange positions are not read yet")
        return self._seen

    def refuse(self, currency: str) -> None:
        """See ExposureLimits.refuse."""
        if self._seen is None and currency in self._limits.current:
            raise Unavailable("the exchange positions are not read yet")
        if currency in self._reached:
            raise ExposureLimitReached(currency=currency)

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Looks once, and then again and again, as long as the context is open."""
        await self._try()
        async with beside(self._run):
            yield

    async def look(self) -> None:
        """Reads the positions, and the middles of the market where it is time. Raises
        Unavailable."""
        limits, amounts = self._limits.reread(), await self._book.positions()
        seen_at = self._clock.now()
        currencies = sorted({*amounts, *limits})
        trails = await self._middles(frozenset(currencies) - {SOURCE_CURRENCY})
        self._seen = Exposure(
            positions=[
                Position(
                    currency=currency,
                    amount_minor=amounts.get(currency, 0),
                    trail=trails.get(currency),
                    maximum_owed=limits.get(currency),
                )
                for currency in currencies
            ],
            seen_at=seen_at,
        )
        self._reached = frozenset(
            one.currency for one in self._seen.positions if one.is_limit_reached
        )
        self._metrics.publish(self._seen)

    async def _middles(self, currencies: frozenset[str]) -> Mapping[str, RateTrail]:
        """Those that are known; the answers of the last minute count."""
        now = self._clock.now()
        if self._asked is not None:
            known, asked_at = self._asked
            if currencies <= known and now - asked_at < timedelta(seconds=MIDDLES_SECONDS):
                return self._trails
        self._asked, self._trails = None, {}
        if not currencies:
            return {}
        try:
            corridors = await self._corridors.current()
            asked = sorted(
                (one for one in corridors if one.destination.currency in currencies),
                key=lambda one: one.id,
                reverse=True,
            )
            version = corridors.version
            answers = await self._rates.get(
                [RateQuery(corridor_id=one.id, corridors_version=version) for one in asked]
            )
        except DomainError as error:
            get_logger().warning("exposure_without_middles", reason=str(error))
            return {}
        # Where several corridors pay a currency, the first of those with a rate counts.
        self._trails = {
            one.destination.currency: trail
            for one, trail in zip(asked, answers, strict=True)
            if isinstance(trail, RateTrail)
        }
        self._asked = currencies, now
        return self._trails

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(EXPOSURE_SECONDS)
            await self._try()

    async def _try(self) -> None:
        try:
            await self.look()
        except Unavailable as error:
            get_logger().warning("exposure_waits", reason=str(error))
        except Exception:  # noqa: BLE001 - a look that failed must not end the service
            get_logger().exception("exposure_failed")
