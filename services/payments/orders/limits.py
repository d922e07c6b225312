"""The amounts that a corridor can really send at a rate: its own limits, cut down to the payouts
that its rails take once the fees are off. GET /api/corridors shows them; a payment is held to the
same rules by pricing."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from services.payments.model.pause import NOTHING_PAUSED, Paused
from services.payments.model.payouts import PayoutAboveMaximum
from services.payments.model.quote import (
    AmountTooSmallAfterFees,
    FeeLine,
    Fees,
    RateTrail,
    Terms,
)
from services.payments.model.rails import (
    PayoutBelowMinimum,
    agree_by_rails,
    decimals_of,
    offramps_of,
)
from services.payments.orders.pricing import check_limits
from services.payments.orders.routes import Rails, Routes, unpaused
from services.shared.clock import Clock
from services.shared.corridors import Corridor, FeeSchedule, flat_part, percentage_part
from services.shared.errors import DomainError
from services.shared.money import Money
from services.shared.recipients import RecipientKind


@dataclass(frozen=True, kw_only=True)
class KindLimits:
    """The amounts that one kind of recipient can be paid, and the payouts that they come to."""

    kind: RecipientKind
    offramps: tuple[str, ...]
    decimals: int
    minimum: Money
    maximum: Money
    minimum_payout: Money
    maximum_payout: Money
    # Of the first offramp, as text; empty where it has none.
    cut_off: str


@dataclass(frozen=True, kw_only=True)
class Offer:
    """A corridor as it is offered at this moment."""

    corridor: Corridor
    # None where none is in force yet.
    schedule: FeeSchedule | None
    # None where no rate is available.
    trail: RateTrail | None
    # Empty where no rate is available or the rails are not known yet.
    kinds: tuple[KindLimits, ...]
    # Whether no payment can be made in it now, because of a pause.
    is_paused: bool = False

    @property
    def minimum(self) -> Money:
        """The smallest amount that every kind of recipient can be paid."""
        return max((one.minimum for one in self.kinds), default=self.corridor.limits.minimum)

    @property
    def maximum(self) -> Money:
        """The largest amount that every kind of recipient can be paid."""
        return min((one.maximum for one in self.kinds), default=self.corridor.limits.maximum)


class Offers:
    """Works out what corridors can send; a result is kept until rate, fees or rails change."""

    def __init__(self, routes: Routes, clock: Clock) -> None:
        self._routes = routes
        self._clock = clock
        self._kept: dict[
            tuple[str, str, RecipientKind], tuple[tuple[object, ...], KindLimits | None]
        ] = {}

    def offer(
        self,
        corridor: Corridor,
        trail: RateTrail | None,
        merchant_id: str = "",
        paused: Paused = NOTHING_PAUSED,
    ) -> Offer:
        """The corridor at this rate, by the fees that count for a merchant; for everybody where
        none is named."""
        try:
            schedule = corridor.schedule_on(self._clock.now().date(), merchant_id)
        except DomainError:
            schedule = None
        kinds: tuple[KindLimits, ...] = ()
        if trail and schedule:
            kinds = tuple(self._kinds(corridor, trail, schedule, paused))
        return Offer(
            corridor=corridor,
            schedule=schedule,
            trail=trail,
            kinds=kinds,
            is_paused=paused.stops(
                corridor.id, corridor.providers.onramps, corridor.providers.offramps
            ),
        )

    def terms(self, corridor: Corridor, amount: Money, trail: RateTrail) -> tuple[Terms, str]:
        """The terms of a payment to any kind of recipient by the fees that count for everybody, and
        the version of their schedule.

        Raises AmountBelowMinimum, AmountAboveMaximum, CorridorUnsupported, RailUnsupported,
        Unavailable, and what agree_by_rails() raises.
        """
        check_limits(corridor, amount)
        schedule = corridor.schedule_on(self._clock.now().date())
        rails = self._routes.rails(corridor, None)
        fees = _fees(schedule, amount)
        return agree_by_rails(amount, fees, trail, rails)[0], fees.schedule_version

    def _kinds(
        self, corridor: Corridor, trail: RateTrail, schedule: FeeSchedule, paused: Paused
    ) -> Iterator[KindLimits]:
        for kind in corridor.kinds:
            try:
                rails = unpaused(self._routes.rails(corridor, (kind, "")), paused)
            except DomainError:
                continue
            made_from = (trail.rate, schedule, rails)
            key = (corridor.id, schedule.version, kind)
            kept = self._kept.get(key)
            if kept is None or kept[0] != made_from:
                kept = (made_from, _limits(corridor, kind, trail, schedule, rails))
                self._kept[key] = kept
            if kept[1] is not None:
                yield kept[1]


def _limits(
    corridor: Corridor, kind: RecipientKind, trail: RateTrail, schedule: FeeSchedule, rails: Rails
) -> KindLimits | None:
    """None where no amount within the corridor's limits can be sent."""

    def agreed(minor: int) -> Money:
        amount = Money(minor, corridor.source.currency)
        return agree_by_rails(amount, _fees(schedule, amount), trail, rails)[0].payout

    minimum, maximum = _range(corridor, schedule, agreed)
    if minimum is None or maximum is None:
        return None
    try:
        payouts = agreed(minimum.amount_minor), agreed(maximum.amount_minor)
    except DomainError:
        return None
    cut_off = rails[0].rail.cut_off
    return KindLimits(
        kind=kind,
        offramps=offramps_of(rails),
        decimals=decimals_of(rails),
        minimum=minimum,
        maximum=maximum,
        minimum_payout=payouts[0],
        maximum_payout=payouts[1],
        cut_off=str(cut_off) if cut_off else "",
    )


def _range(
    corridor: Corridor, schedule: FeeSchedule, agreed: Callable[[int], Money]
) -> tuple[Money | None, Money | None]:
    """The smallest and the largest amount of the corridor's limits that can be sent.

    Between two thresholds of the fees a larger amount never brings a smaller payout, so that each
    part is searched by halving.
    """
    limits, currency = corridor.limits, corridor.source.currency
    starts = sorted(
        {limits.minimum.amount_minor, *(tier.start.amount_minor for tier in schedule.tiers)}
    )
    ends = [*(start - 1 for start in starts[1:]), limits.maximum.amount_minor]
    parts = list(zip(starts, ends, strict=True))
    lowest = next((_first(one, agreed) for one in parts if _reaches(one[1], agreed)), None)
    highest = next((_last(one, agreed) for one in parts[::-1] if _fits(one[0], agreed)), None)
    return (
        None if lowest is None else Money(lowest, currency),
        None if highest is None else Money(highest, currency),
    )


def _reaches(minor: int, agreed: Callable[[int], Money]) -> bool:
    """Whether the amount is large enough."""
    try:
        agreed(minor)
    except (AmountTooSmallAfterFees, PayoutBelowMinimum):
        return False
    except PayoutAboveMaximum:
        return True
    return True


def _fits(minor: int, agreed: Callable[[int], Money]) -> bool:
    """Whether the amount is small enough."""
    try:
        agreed(minor)
    except PayoutAboveMaximum:
        return False
    except (AmountTooSmallAfterFees, PayoutBelowMinimum):
        return True
    return True


def _first(part: tuple[int, int], agreed: Callable[[int], Money]) -> int:
    low, high = part
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if _reaches(middle, agreed) else (middle + 1, high)
    return low


def _last(part: tuple[int, int], agreed: Callable[[int], Money]) -> int:
    low, high = part
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if _fits(middle, agreed) else (low, middle - 1)
    return low


def _fees(schedule: FeeSchedule, amount: Money) -> Fees:
    parts: Sequence[Money] = (flat_part(schedule, amount), percentage_part(schedule, amount))
    lines = tuple(FeeLine(name="fee", amount=part) for part in parts)
    return Fees(lines=lines, schedule_version=schedule.version)
