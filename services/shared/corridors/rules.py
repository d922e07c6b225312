"""Refuses corridors that cannot be, although each of their values alone could: when a process
starts and in a sentence, because otherwise a payer finds out."""

from collections.abc import Iterator

from services.shared.corridors.model import MID_MAX, Corridor, FxTerms
from services.shared.corridors.prices import (
    FeeSchedule,
    FeeTerms,
    FeeTier,
    TierKind,
    fee_of,
    unbounded_part,
)
from services.shared.corridors.windows import window_problems
from services.shared.money import EXACT, MAX_AMOUNT_MINOR, SOURCE_CURRENCY, Money
from services.shared.recipients.rules import RulesInvalid

CENT = Money(1, SOURCE_CURRENCY)
# So many that the formula of a fee stays short enough to be read, by people too.
TIERS_MAX = 50
# The source whose rates are made up.
SYNTHETIC = "synthetic"
# The sources whose rates ship with us; those of every other come over a network.
SHIPPED = frozenset({"ecb", SYNTHETIC})


def problems(corridor: Corridor) -> Iterator[str]:
    """Everything that cannot be in a corridor, wherever it is used."""
    way = f"{corridor.source.country}-{corridor.destination.country}".lower()
    if corridor.id != way and not corridor.id.startswith(f"{way}-"):
        yield f"id must be {way}, or begin with {way}-, by its two countries"
    if corridor.source.currency != SOURCE_CURRENCY:
        yield f"only {SOURCE_CURRENCY} can be collected"
    if corridor.destination.currency == corridor.source.currency:
        yield f"{corridor.source.currency} both ways leaves nothing to exchange"
    yield from _rate_problems(corridor.fx)
    try:
        corridor.recipient_rules  # noqa: B018 - made here, so that what is wrong is said at the start
    except RulesInvalid as error:
        yield str(error)
    limits = corridor.limits
    if limits.minimum > limits.maximum:
        yield "limits.minimum_usd is above limits.maximum_usd"
        return
    yield from _payout_problems(corridor)
    yield from window_problems(corridor.fees)
    for schedule in corridor.fees:
        for problem in _schedule_problems(schedule, corridor):
            yield f"fee schedule {schedule.version}: {problem}"


def live_problems(corridor: Corridor) -> Iterator[str]:
    """All that no live deployment may have."""
    if SYNTHETIC in corridor.fx.sources:
        yield "fx.sources names synthetic, whose rates are made up, and this is live"
    if corridor.fx.maximum_age_hours is None:
        yield "fx.maximum_age_hours is required where it is live"
    if corridor.fx.mid_bounds is None and not SHIPPED.issuperset(corridor.fx.sources):
        yield "fx.mid_bounds is required where it is live and a rate comes over a network"


def _rate_problems(fx: FxTerms) -> Iterator[str]:
    if fx.mid_bounds and fx.mid_bounds.both[0] >= fx.mid_bounds.both[1]:
        yield "fx.mid_bounds.lowest is not below fx.mid_bounds.highest"
    if fx.maximum_deviation_basis_points and len(fx.sources) == 1:
        yield "fx.maximum_deviation_basis_points compares sources, and there is one"
    if fx.refused_while_closed and fx.closed_market_basis_points:
        yield "fx.closed_market_basis_points is never used, as fx.refused_while_closed is true"


def _payout_problems(corridor: Corridor) -> Iterator[str]:
    """A maximum whose payout would be more than any amount can be."""
    bounds, maximum = corridor.fx.mid_bounds, corridor.limits.maximum
    highest = bounds.both[1] if bounds else MID_MAX
    most = Money(MAX_AMOUNT_MINOR, corridor.destination.currency)
    if EXACT.multiply(maximum.decimal, highest) > most.decimal:
        yield (
            f"limits.maximum_usd {maximum} at a mid rate of {highest:f} is more than {most} "
            f"{most.currency}, the largest amount; lower it or fx.mid_bounds.highest"
        )


def _schedule_problems(schedule: FeeSchedule, corridor: Corridor) -> Iterator[str]:
    found = list(_terms_problems(schedule))
    for tier in schedule.tiers:
        found += [f"tier from {tier.from_usd}: {one}" for one in _terms_problems(tier)]
    found += list(_tier_problems(schedule, corridor))
    yield from found
    if not found:
        yield from _bound_problems(schedule, corridor)
        yield from _cliff_problems(schedule)
        yield from _net_problems(schedule, corridor)


def _terms_problems(terms: FeeTerms) -> Iterator[str]:
    least, most = terms.bounds
    if least and most and least > most:
        yield f"minimum_usd {least} is above maximum_usd {most}"
    if (least or most) and not terms.share:
        yield "minimum_usd and maximum_usd bound a percentage, and there is none"


def _tier_problems(schedule: FeeSchedule, corridor: Corridor) -> Iterator[str]:
    if bool(schedule.tiers) != bool(schedule.tier_kind):
        kinds = " or ".join(kind.value for kind in TierKind)
        yield f"tiers need a tier_kind, {kinds}, and a tier_kind needs tiers"
    if len(schedule.tiers) > TIERS_MAX:
        yield f"it has {len(schedule.tiers)} tiers, and at most {TIERS_MAX} are allowed"
    starts = [tier.start for tier in schedule.tiers]
    if sorted(set(starts)) != starts:
        yield "fee tiers must be in order of from_usd"
    for tier in schedule.tiers:
        if not corridor.limits.minimum < tier.start <= corridor.limits.maximum:
            yield f"tier from {tier.from_usd}: it begins outside of the limits"
        if schedule.tier_kind is TierKind.MARGINAL and _has_more_than_a_percentage(tier):
            yield f"tier from {tier.from_usd}: a marginal tier has a percentage alone"


def _has_more_than_a_percentage(tier: FeeTier) -> bool:
    return bool(tier.flat_usd or tier.minimum_usd or tier.maximum_usd)


def _bound_problems(schedule: FeeSchedule, corridor: Corridor) -> Iterator[str]:
    """Bounds of a percentage that no amount within the limits comes to."""
    least, most = corridor.limits.minimum, corridor.limits.maximum
    if schedule.tier_kind is TierKind.MARGINAL:
        ranges: list[tuple[FeeTerms, Money, Money]] = [(schedule, least, most)]
    else:
        starts = [least, *(tier.start for tier in schedule.tiers)]
        ends = [*(start - CENT for start in starts[1:]), most]
        ranges = list(zip((schedule, *schedule.tiers), starts, ends, strict=True))
    for terms, first, last in ranges:
        low, high = terms.bounds
        if low and (comes_to := unbounded_part(schedule, first)) >= low:
            yield f"minimum_usd {low} never counts: the percentage of {first} is {comes_to}"
        if high and (comes_to := unbounded_part(schedule, last)) < high:
            yield f"maximum_usd {high} is never reached: the percentage of {last} is {comes_to}"


def _cliff_problems(schedule: FeeSchedule) -> Iterator[str]:
    """Thresholds at which the price jumps and that do not say so, and those that only say so. One
    more cent may cost nothing more, or a cent."""
    for tier in schedule.tiers:
        before = tier.start - CENT
        less, more = fee_of(schedule, before), fee_of(schedule, tier.start)
        jumps = more not in (less, less + CENT)
        if jumps and not tier.cliff:
            yield (
                f"tier from {tier.from_usd}: {before} costs {less} and {tier.start} costs {more}, "
                "a cliff that must be declared with cliff = true"
            )
        if tier.cliff and not jumps:
            yield f"tier from {tier.from_usd}: it declares a cliff, and there is none"


def _net_problems(schedule: FeeSchedule, corridor: Corridor) -> Iterator[str]:
    """Amounts that leave nothing. Within a tier a larger amount leaves no less, so the first of
    each tier stands for all."""
    limits = corridor.limits
    for first in (limits.minimum, *(tier.start for tier in schedule.tiers)):
        if fee_of(schedule, first) >= first:
            hint = _hint(schedule, first, limits.maximum)
            yield f"{first} {first.currency} leaves nothing after its fees{hint}"


def _hint(schedule: FeeSchedule, first: Money, maximum: Money) -> str:
    low, high = first.amount_minor, maximum.amount_minor
    if fee_of(schedule, maximum) >= maximum:
        return ""
    while high - low > 1:
        middle = Money((low + high) // 2, first.currency)
        leaves = fee_of(schedule, middle) < middle
        low, high = (low, middle.amount_minor) if leaves else (middle.amount_minor, high)
    return f"; {Money(high, first.currency)} {first.currency} would leave something"
