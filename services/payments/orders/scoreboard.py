"""Measures corridors by the payments of a merchant, or of all. Counting takes a part of a second,
so that one count is made at a time, of all corridors at once, and kept for a minute."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from services.payments.mesh.ports import RateQuery, Rates
from services.payments.model.principal import MerchantId
from services.payments.model.quote import RateTrail
from services.payments.model.scoreboard import AMOUNT, Cost, Figures, Scoreboard
from services.payments.model.timing import SCOREBOARD_KEPT
from services.payments.orders.limits import Offers
from services.shared.clock import Clock
from services.shared.corridors import Corridor, Corridors
from services.shared.errors import DomainError

# Of more merchants than these, the count that was made first is forgotten.
KEPT_MAX = 1000


@dataclass(frozen=True, kw_only=True)
class Counted:
    """The payments of a merchant, or of all, by corridor."""

    counted_from: datetime
    counted_until: datetime
    all_counted: bool
    figures: Mapping[str, Figures]


class ScoreboardStore(Protocol):
    """The payments to be counted."""

    async def count(self, merchant_id: MerchantId | None) -> Counted:
        """Those of the window; of all merchants where none is named. Raises Unavailable."""
        ...


class Scoreboards:
    """The scoreboards of all corridors."""

    def __init__(
        self,
        store: ScoreboardStore,
        corridors: Corridors,
        rates: Rates,
        offers: Offers,
        clock: Clock,
    ) -> None:
        self._store = store
        self._corridors = corridors
        self._rates = rates
        self._offers = offers
        self._clock = clock
        self._kept: dict[MerchantId | None, tuple[datetime, Counted]] = {}
        self._counting = asyncio.Lock()

    async def of(self, merchant_id: MerchantId, corridor_id: str) -> Scoreboard:
        """A corridor by the payments of a merchant. Raises CorridorUnsupported, Unavailable."""
        corridor = self._corridors.get(corridor_id)
        [board] = await self._boards(merchant_id, [corridor])
        return board

    async def all(self) -> Sequence[Scoreboard]:
        """Every corridor, sorted by id, by the payments of all merchants. Raises Unavailable."""
        return await self._boards(None, sorted(self._corridors, key=lambda one: one.id))

    async def _boards(
        self, merchant_id: MerchantId | None, corridors: Sequence[Corridor]
    ) -> Sequence[Scoreboard]:
        counted = await self._counted(merchant_id)
        trails = await self._trails(corridors)
        return [
            self._board(corridor, counted, trail)
            for corridor, trail in zip(corridors, trails, strict=True)
        ]

    def _board(
        self, corridor: Corridor, counted: Counted, trail: RateTrail | DomainError
    ) -> Scoreboard:
        cost = self._cost(corridor, trail)
        return Scoreboard(
            corridor_id=corridor.id,
            counted_from=counted.counted_from,
            counted_until=counted.counted_until,
            all_counted=counted.all_counted,
            figures=counted.figures.get(corridor.id, Figures()),
            cost=cost if isinstance(cost, Cost) else None,
            cost_unknown_reason=cost.error_reason if isinstance(cost, DomainError) else "",
        )

    async def _counted(self, merchant_id: MerchantId | None) -> Counted:
        async with self._counting:
            now = self._clock.now()
            made_at, counted = self._kept.get(merchant_id, (None, None))
            if made_at is None or counted is None or now - made_at >= SCOREBOARD_KEPT:
                counted = await self._store.count(merchant_id)
                self._kept.pop(merchant_id, None)
                self._kept[merchant_id] = now, counted
                if len(self._kept) > KEPT_MAX:
                    del self._kept[next(iter(self._kept))]
            return counted

    async def _trails(self, corridors: Sequence[Corridor]) -> Sequence[RateTrail | DomainError]:
        try:
            version = self._corridors.version
            return await self._rates.get(
                [RateQuery(corridor_id=one.id, corridors_version=version) for one in corridors]
            )
        except DomainError as error:
            return [error] * len(corridors)

    def _cost(self, corridor: Corridor, trail: RateTrail | DomainError) -> Cost | DomainError:
        if isinstance(trail, DomainError):
            return trail
        try:
            terms, version = self._offers.terms(corridor, AMOUNT, trail)
        except DomainError as error:
            return error
        return Cost(terms=terms, trail=trail, fee_schedule_version=version)
