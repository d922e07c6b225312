"""A fee schedule and its arithmetic: a flat part, and a percentage within bounds, of the whole
amount or tier by tier. Pure. Every amount of a schedule is in the currency that payers pay in: a
corridor has one destination currency, so a price for one currency is the schedule of its corridor.
Which schedule of a corridor counts on a day is in windows."""

import json
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import Annotated

from pydantic import AfterValidator, Field

from services.shared.corridors.sections import Flag, PercentText, Section, UsdText
from services.shared.ids import Prefix, decode_id
from services.shared.money import (
    EXACT,
    MAX_AMOUNT_MINOR,
    SOURCE_CURRENCY,
    Money,
    parse_amount,
    round_half_up,
)

NOTHING = Money(0, SOURCE_CURRENCY)


# The one merchant of a sandbox without credentials, who has no id of the form of others.
SANDBOX = "sandbox"


def _merchant(text: str) -> str:
    if text != SANDBOX and decode_id(Prefix.MERCHANT, text) is None:
        raise ValueError(f"{text} is no id of a merchant")
    return text


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
        """The flat part in US dollars; nothing where the file states none."""
        return _usd(self.flat_usd) or NOTHING

    @cached_property
    def share(self) -> Decimal:
        """The percentage as a fraction: 1.5 percent is 0.015."""
        return Decimal(self.percent) / 100

    @cached_property
    def bounds(self) -> tuple[Money | None, Money | None]:
        """The least and the most that the percentage comes to."""
        return _usd(self.minimum_usd), _usd(self.maximum_usd)


class FeeTier(FeeTerms):
    """A price for amounts from from_usd on."""

    from_usd: UsdText
    # True where the price jumps at the threshold on purpose: from there on a larger amount costs
    # less, or leaves less, than the cent before it.
    cliff: Flag = False

    @cached_property
    def start(self) -> Money:
        """The smallest amount of the tier, in US dollars."""
        return parse_amount(self.from_usd, SOURCE_CURRENCY, field="from_usd")


class FeeSchedule(FeeTerms):
    """A version of the corridor's prices, in force from a day on: of everybody, of the merchants
    that it names, or as a promotion that lies over the others for a time."""

    version: str = Field(min_length=1, max_length=32)
    effective_from: date
    # The first day on which it is not in force any more. Absent, it ends where the next schedule of
    # the same merchants begins; a promotion has it always.
    effective_until: date | None = None
    promotional: Flag = False
    # Empty for everybody.
    merchants: tuple[Annotated[str, AfterValidator(_merchant)], ...] = ()
    tier_kind: TierKind | None = None
    tiers: tuple[FeeTier, ...] = ()

    @cached_property
    def terms_json(self) -> str:
        """All that a fee is computed from, as canonical JSON: sorted keys, no blanks, and of the
        merchants only that there are some, because one shall not learn of the others."""
        terms = self.model_dump(
            mode="json", exclude={"merchants", "tiers"}, exclude_none=True, exclude_defaults=True
        )
        tiers = [
            tier.model_dump(exclude={"cliff"}, exclude_none=True, exclude_defaults=True)
            for tier in self.tiers
        ]
        known = {
            "currency": SOURCE_CURRENCY,
            "rounding": "half_up",
            **terms,
            **({"for_merchant": True} if self.merchants else {}),
            **({"tiers": tiers} if tiers else {}),
        }
        return json.dumps(known, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def fee_of(schedule: FeeSchedule, amount: Money) -> Money:
    """The whole price of an amount."""
    return flat_part(schedule, amount) + percentage_part(schedule, amount)


def flat_part(schedule: FeeSchedule, amount: Money) -> Money:
    """The flat part of the price of an amount."""
    return terms_for(schedule, amount).flat


def percentage_part(schedule: FeeSchedule, amount: Money) -> Money:
    """The percentage part of the price of an amount, rounded once, half up, to cents, and kept
    within its bounds."""
    part, (least, most) = unbounded_part(schedule, amount), terms_for(schedule, amount).bounds
    part = max(part, least) if least else part
    return min(part, most) if most else part


def unbounded_part(schedule: FeeSchedule, amount: Money) -> Money:
    """The percentage of an amount, whatever its bounds."""
    exact = Decimal(0)
    for part, share in shares(schedule, amount):
        exact = EXACT.add(exact, EXACT.multiply(part, share))
    return round_half_up(exact, SOURCE_CURRENCY)


def shares(schedule: FeeSchedule, amount: Money) -> Iterator[tuple[Decimal, Decimal]]:
    """The parts of an amount with the share that is taken of each: the whole of it, or what lies
    within each tier that it reaches."""
    if schedule.tier_kind is not TierKind.MARGINAL:
        yield amount.decimal, terms_for(schedule, amount).share
        return
    reached = [tier for tier in schedule.tiers if tier.start < amount]
    starts = [Decimal(0), *(tier.start.decimal for tier in reached)]
    ends = [*starts[1:], amount.decimal]
    for start, end, terms in zip(starts, ends, (schedule, *reached), strict=True):
        yield EXACT.subtract(end, start), terms.share


def terms_for(schedule: FeeSchedule, amount: Money) -> FeeTerms:
    """The terms with the flat part and the bounds that count for an amount."""
    if schedule.tier_kind is TierKind.MARGINAL:
        return schedule
    reached = [tier for tier in schedule.tiers if tier.start <= amount]
    return reached[-1] if reached else schedule


def smallest_leaving(schedule: FeeSchedule, net: Money) -> Money | None:
    """The smallest amount that leaves at least so much after its fees; None where none does.

    Between two thresholds one more cent costs at most one more, so that what is left never
    shrinks, and the first of them is found by halving; the ranges are searched in order, because at
    a threshold the price may jump either way.
    """
    starts = [1, *(tier.start.amount_minor for tier in schedule.tiers)]
    ends = [*(start - 1 for start in starts[1:]), MAX_AMOUNT_MINOR]
    for start, end in zip(starts, ends, strict=True):
        # Nothing smaller than the net itself leaves it.
        low = max(start, net.amount_minor)
        if low <= end and _leaves(schedule, end, net):
            return Money(_first_leaving(schedule, low, end, net), net.currency)
    return None


def _first_leaving(schedule: FeeSchedule, low: int, high: int, net: Money) -> int:
    """The first amount of a range that leaves the net, as the last one does. Fees are small beside
    amounts, so that it is looked for near the low end first."""
    step = 1
    while low + step < high and not _leaves(schedule, low + step, net):
        low, step = low + step, 2 * step
    high = min(low + step, high)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if _leaves(schedule, middle, net) else (middle + 1, high)
    return low


def _leaves(schedule: FeeSchedule, minor: int, net: Money) -> bool:
    amount = Money(minor, net.currency)
    return minor - fee_of(schedule, amount).amount_minor >= net.amount_minor


def _usd(text: str | None) -> Money | None:
    return parse_amount(text, SOURCE_CURRENCY, field="fees") if text else None
