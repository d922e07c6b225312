"""How all payments stand: read once for all who look within a second, because reading takes a part
of one."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from services.payments.engine.overdue import OverdueCount
from services.payments.mesh.ports import BreakerState, CurrentCorridors, RateQuery, Rates
from services.payments.model.attempt import Capabilities
from services.payments.model.progress import ExpectedTime, expected_times
from services.payments.model.quote import RateTrail
from services.payments.model.timing import OVERVIEW_KEPT
from services.shared.clock import Clock
from services.shared.errors import DomainError
from services.shared.money import Money


@dataclass(frozen=True, kw_only=True)
class UnderWay:
    """Payments of one state and age that the engine carries on."""

    state: str
    age: str
    payments: int
    amount: Money


@dataclass(frozen=True, kw_only=True)
class WaitingPayments:
    """Payments that wait for the same person; the reason is that of a hold."""

    waiting_for: str
    hold_reason: str
    payments: int
    amount: Money
    oldest_since: datetime | None
    past_deadline: int


@dataclass(frozen=True, kw_only=True)
class CompletionTime:
    """How long so many payments took."""

    payments: int
    median: timedelta
    p95: timedelta


@dataclass(frozen=True, kw_only=True)
class CorridorSuccess:
    """How payments of a corridor ended."""

    corridor_id: str
    payments: int
    completed: int
    not_completed: int


@dataclass(frozen=True, kw_only=True)
class ProviderSuccess:
    """How attempts of a step at a provider ended."""

    provider: str
    step: str
    succeeded: int
    failed: int
    open: int
    unknown: int


@dataclass(frozen=True, kw_only=True)
class Queue:
    """Something that waits to be done by us."""

    name: str
    waiting: int
    oldest: timedelta
    set_aside: int


@dataclass(frozen=True, kw_only=True)
class ProviderInbox:
    """Events of a provider that are not applied."""

    provider: str
    waiting: int
    oldest: timedelta
    set_aside: int
    orphans: int


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How all payments stand, as the database has them."""

    seen_at: datetime
    under_way: Sequence[UnderWay]
    overdue: Sequence[OverdueCount]
    waiting: Sequence[WaitingPayments]
    completion: CompletionTime
    corridors: Sequence[CorridorSuccess]
    payments_counted_from: datetime
    providers: Sequence[ProviderSuccess]
    providers_counted_from: datetime
    queues: Sequence[Queue]
    inbox: Sequence[ProviderInbox]
    failing_endpoints: int
    failing_events: int
    is_partial: bool


@dataclass(frozen=True, kw_only=True)
class Overview:
    """The same, with the rate of each corridor or why there is none, and what each provider is
    sent."""

    standing: Standing
    rates: Mapping[str, RateTrail | DomainError]
    # None where providers does not answer.
    breakers: Sequence[BreakerState] | None


class OverviewStore(Protocol):
    """All payments, counted."""

    async def read(self, expected: Sequence[ExpectedTime]) -> Standing:
        """How they stand now. Raises Unavailable."""
        ...


class Overviewing:
    """The overview of one replica."""

    def __init__(
        self,
        store: OverviewStore,
        rates: Rates,
        corridors: CurrentCorridors,
        declared: Callable[[], Mapping[str, Capabilities]],
        clock: Clock,
        *,
        breakers: Callable[[], Awaitable[Sequence[BreakerState]]],
    ) -> None:
        """declared gives the newest declarations of the providers."""
        self._store = store
        self._rates = rates
        self._corridors = corridors
        self._declared = declared
        self._clock = clock
        self._breakers = breakers
        self._reading = asyncio.Lock()
        self._kept: tuple[datetime, Overview] | None = None

    async def current(self) -> Overview:
        """The overview, a second old at the most. Raises Unavailable."""
        async with self._reading:
            now = self._clock.now()
            if self._kept is None or now - self._kept[0] >= OVERVIEW_KEPT:
                self._kept = now, await self._read()
            return self._kept[1]

    async def _read(self) -> Overview:
        standing = await self._store.read(expected_times(self._declared()))
        ids: Sequence[str] = ()
        rates: Sequence[RateTrail | DomainError]
        try:
            corridors = await self._corridors.current()
            ids = sorted(corridor.id for corridor in corridors)
            version = corridors.version
            rates = await self._rates.get(
                [RateQuery(corridor_id=one, corridors_version=version) for one in ids]
            )
        except DomainError as error:
            rates = [error] * len(ids)
        return Overview(
            standing=standing,
            rates=dict(zip(ids, rates, strict=True)),
            breakers=await self._sent(),
        )

    async def _sent(self) -> Sequence[BreakerState] | None:
        try:
            return await self._breakers()
        except DomainError:
            return None
