"""The effect of an override on a rate that the sources give. It replaces the middle or the margin
within bounds; it cures no rate that is missing or stale, because nothing would bound it. Pure."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from services.fx.domain import Bounds, Override, Rate
from services.shared.errors import Unavailable
from services.shared.money import EXACT


class OverrideOutOfBounds(Unavailable):
    """The override of the corridor's rate is farther from the market's middle than it may be, or a
    middle that the corridor accepts from no source."""

    reason = "FX_OVERRIDE_OUT_OF_BOUNDS"


def apply_override(
    rate: Rate, override: Override, now: datetime, accepted: Bounds | None = None
) -> Rate | OverrideOutOfBounds:
    """The rate by the override; as it was where the override has ended.

    Beyond its bounds nothing is priced: the market's rate is the one that two people replaced.
    """
    if now >= override.expires_at:
        return rate
    market = rate.observation.mid
    if not _is_within_bounds(override, market) or not _is_accepted(override, accepted):
        return OverrideOutOfBounds(pair=f"{rate.base_currency}/{rate.quote_currency}")
    applied = replace(override, market_mid=market)
    if override.markup_basis_points is None:
        return replace(rate, override=applied)
    return replace(
        rate,
        override=applied,
        markup_basis_points=override.markup_basis_points,
        closed_market_basis_points=0,
    )


def outcome_of(answer: Rate | OverrideOutOfBounds) -> str:
    """The effect as the metric counts it: applied, ended or out_of_bounds."""
    if isinstance(answer, OverrideOutOfBounds):
        return "out_of_bounds"
    return "applied" if answer.override else "ended"


def _is_accepted(override: Override, accepted: Bounds | None) -> bool:
    if accepted is None or override.mid is None:
        return True
    return accepted[0] <= override.mid <= accepted[1]


def _is_within_bounds(override: Override, market: Decimal) -> bool:
    mid, margin = override.mid, override.markup_basis_points
    if (mid is None) == (margin is None):
        return False
    most = override.maximum_deviation_basis_points
    if margin is not None:
        return 0 <= margin <= most
    if mid is None or not mid.is_finite() or mid <= 0:
        return False
    distance = abs(EXACT.subtract(mid, market))
    return EXACT.multiply(distance, Decimal(10_000)) <= EXACT.multiply(Decimal(most), market)
