"""Rates: an observed mid rate with its trail, and our markup. Rates are exact
decimals of 18 significant digits; amounts are exchanged elsewhere, in payments. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext

from services.fx.market import open_time
from services.shared.corridors import MID_MAX, MID_MIN
from services.shared.errors import Unavailable
from services.shared.money import EXACT

# More digits than any source publishes, and few enough that rate times amount stays exact.
RATE_DIGITS = Context(prec=18, rounding=ROUND_HALF_EVEN)
# A rate may be dated so far ahead: clocks differ.
CLOCK_TOLERANCE = timedelta(minutes=5)
BASIS_POINTS = 10_000
ANCIENT = timedelta(days=90)
# The lowest and the highest mid rate that a corridor accepts.
Bounds = tuple[Decimal, Decimal]


class RateUnavailable(Unavailable):
    """No source of the corridor has a rate for the pair."""

    reason = "FX_RATE_UNAVAILABLE"


class RateStale(Unavailable):
    """The newest rate is older than the corridor allows."""

    reason = "FX_RATE_STALE"


class MarketClosed(Unavailable):
    """The currency market is closed, and the corridor makes no quotes meanwhile."""

    reason = "FX_MARKET_CLOSED"


class SourcesDisagree(Unavailable):
    """The corridor's sources differ by more than it allows, so that one of them is wrong."""

    reason = "FX_SOURCES_DISAGREE"


@dataclass(frozen=True, kw_only=True)
class Override:
    """A middle or a margin, one of them, that two operators have put in the market's place."""

    override_id: str
    # NaN where the query's is no number, which is never within bounds.
    mid: Decimal | None
    markup_basis_points: int | None
    expires_at: datetime
    maximum_deviation_basis_points: int
    proposed_by: str
    approved_by: str
    reason: str
    # The market's own middle, where it was applied.
    market_mid: Decimal | None = None


@dataclass(frozen=True)
class RateQuery:
    """One rate wanted; trace_ids, of the payments that want it, are for the log alone."""

    corridor_id: str
    trace_ids: tuple[str, ...] = ()
    override: Override | None = None


@dataclass(frozen=True)
class Leg:
    """One observed pair: the price of one unit of base in quote, as the source published it."""

    base_currency: str
    quote_currency: str
    rate: Decimal


@dataclass(frozen=True, kw_only=True)
class Observation:
    """A middle rate as a source knows it, with the pairs it was made from.

    observed_at is the source's word, fetched_at ours; synthetic means that it is made up.
    payload_sha256 is of the bytes that the source answered, in hexadecimal digits. published_by is
    the institution whose rate the source passes on, where it names one.
    """

    mid: Decimal
    legs: tuple[Leg, ...]
    observed_at: datetime
    fetched_at: datetime
    synthetic: bool = False
    payload_sha256: str = ""
    published_by: str = ""

    def is_fresh(self, now: datetime, maximum_age_hours: int | None) -> bool:
        """Whether the age, of which a closed market is no part, is within the limit; None allows
        any age."""
        if maximum_age_hours is None:
            return True
        limit, elapsed = timedelta(hours=maximum_age_hours), now - self.observed_at
        # The market is open for more than half of the time, so that of an ancient rate no weekends
        # need be counted.
        if elapsed > 2 * limit + timedelta(days=7):
            return False
        return elapsed <= limit or open_time(self.observed_at, now) <= limit

    def age(self, now: datetime) -> timedelta:
        """How old it is, without the time in which the market was closed."""
        elapsed = now - self.observed_at
        # Of a rate that no corridor takes any more no weekends need be counted.
        return elapsed if elapsed > ANCIENT else open_time(self.observed_at, now)


def unusable(
    observation: Observation, now: datetime, *, live: bool, bounds: Bounds | None = None
) -> str:
    """The reason why an observation is not used, or nothing: nonsense, implausible, future or
    synthetic."""
    rates = (observation.mid, *(leg.rate for leg in observation.legs))
    if not all(rate.is_finite() and rate > 0 for rate in rates):
        return "nonsense"
    if not MID_MIN <= observation.mid <= MID_MAX:
        return "nonsense"
    if bounds and not bounds[0] <= observation.mid <= bounds[1]:
        return "implausible"
    if observation.observed_at > now + CLOCK_TOLERANCE:
        return "future"
    return "synthetic" if observation.synthetic and live else ""


@dataclass(frozen=True, kw_only=True)
class Rate:
    """The rate of one unit of base for the customer, with its whole trail."""

    base_currency: str
    quote_currency: str
    source: str
    observation: Observation
    markup_basis_points: int
    # More of a margin, because the market is closed.
    closed_market_basis_points: int = 0
    override: Override | None = None

    @property
    def mid(self) -> Decimal:
        """The middle that it is made from: the market's, or that of the override."""
        replaced = self.override.mid if self.override else None
        return self.observation.mid if replaced is None else replaced

    @property
    def rate(self) -> Decimal:
        """The middle less our margins, rounded once."""
        margins = self.markup_basis_points + self.closed_market_basis_points
        with localcontext(EXACT):
            kept = Decimal(BASIS_POINTS - margins) / BASIS_POINTS
            return RATE_DIGITS.plus(self.mid * kept)


def disagree(mids: Sequence[Decimal], maximum_basis_points: int) -> bool:
    """Whether the highest of the middles is above the lowest by more than so many basis points."""
    lowest, highest = min(mids), max(mids)
    with localcontext(EXACT):
        return (highest - lowest) * BASIS_POINTS > lowest * maximum_basis_points


def divergence(mids: Sequence[Decimal]) -> Decimal:
    """How far the highest of the middles is above the lowest, in basis points; for people."""
    lowest, highest = min(mids), max(mids)
    return RATE_DIGITS.divide((highest - lowest) * BASIS_POINTS, lowest)


def cross_rate(base_per_pivot: Decimal, quote_per_pivot: Decimal) -> Decimal:
    """The price of one unit of base in quote, both priced per unit of a third currency."""
    return RATE_DIGITS.plus(EXACT.divide(quote_per_pivot, base_per_pivot))
