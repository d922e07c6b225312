"""A fee schedule and its arithmetic: a flat part, and a percentage within bounds, of the whole
amount or tier by tier. Pure."""

from datetime import date
from decimal import Decimal
from enum import StrEnum
from functools import cached_property

from pydantic import Field

from services.shared.corridors.sections import PercentText, Section, UsdText
from services.shared.money import EXACT, SOURCE_CURRENCY, Money, parse_amount, round_half_up

NOTHING = Money(0, SOURCE_CURRENCY)


class TierKind(StrEnum):
    """The part of an amount that a tier's terms apply to."""

    # Only to what lies above its threshold, so that no amount costs more than the next one brings.
    MARGINAL = "marginal"
    # To the whole amount, in place of the schedule's own; the price may jump at the threshold.
    WHOLE_AMOUNT = "whole_amount"


class FeeTerms(Section):
    """A price: a flat part and a percentage of the amount, the latter within bounds."""

    flat_usd: UsdText | None = None
    percent: PercentText = "0"
    minimum_usd: UsdText | None = None
    maximum_usd: UsdText | None = None

    @cached_property
    def flat(self) -> Money:
        """The flat part."""
        return _usd(self.flat_usd) or NOTHING

    @cached_property
    def share(self) -> Decimal:
        """The percentage as a fraction: 1.5 percent is 0.015."""
        return Decimal(self.percent) / 100

    @cached_property
    def bounds(self) -> tuple[Money | None, Money | None]:
        """The least and the most that the percentage comes to."""
        return _usd(self.minimum_usd), _usd(self.maximum_usd)

    def bounded(self, exact: Decimal) -> Money:
        """The percentage part, rounded once and kept within its bounds."""
        part, (least, most) = round_half_up(exact, SOURCE_CURRENCY), self.bounds
        part = max(part, least) if least else part
        return min(part, most) if most else part


class FeeTier(FeeTerms):
    """A price for amounts from from_usd on."""

    from_usd: UsdText

    @cached_property
    def start(self) -> Money:
        """The threshold."""
        return parse_amount(self.from_usd, SOURCE_CURRENCY, field="from_usd")


class FeeSchedule(FeeTerms):
    """A version of the corridor's prices, in force from a day on."""

    version: str = Field(min_length=1, max_length=32)
    effective_from: date
    tier_kind: TierKind | None = None
    tiers: tuple[FeeTier, ...] = ()


def flat_part(schedule: FeeSchedule, amount: Money) -> Money:
    """The flat part of the price of an amount."""
    return _terms_for(schedule, amount).flat


def percentage_part(schedule: FeeSchedule, amount: Money) -> Money:
    """The percentage part of the price of an amount, rounded half up to cents."""
    if schedule.tier_kind is TierKind.MARGINAL:
        return schedule.bounded(_marginal(schedule, amount))
    terms = _terms_for(schedule, amount)
    return terms.bounded(EXACT.multiply(amount.decimal, terms.share))


def _marginal(schedule: FeeSchedule, amount: Money) -> Decimal:
    """Each tier's percentage of the part of the amount that lies within the tier, in all."""
    starts = [Decimal(0), *(min(tier.start, amount).decimal for tier in schedule.tiers)]
    ends = [*starts[1:], amount.decimal]
    shares = [schedule.share, *(tier.share for tier in schedule.tiers)]
    total = Decimal(0)
    for start, end, share in zip(starts, ends, shares, strict=True):
        total = EXACT.add(total, EXACT.multiply(EXACT.subtract(end, start), share))
    return total


def _terms_for(schedule: FeeSchedule, amount: Money) -> FeeTerms:
    if schedule.tier_kind is TierKind.MARGINAL:
        return schedule
    reached = [tier for tier in schedule.tiers if tier.start <= amount]
    return reached[-1] if reached else schedule


def _usd(text: str | None) -> Money | None:
    return parse_amount(text, SOURCE_CURRENCY, field="fees") if text else None
