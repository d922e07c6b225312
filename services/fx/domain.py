"""Rates: an observed mid rate with its trail, and our markup. Rates are exact
decimals of 18 significant digits; amounts are exchanged elsewhere, in payments. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext

from services.shared.errors import Unavailable
from services.shared.money import EXACT

# More digits than any source publishes, and few enough that rate times amount stays exact.
RATE_DIGITS = Context(prec=18, rounding=ROUND_HALF_EVEN)
# A rate may be dated so far ahead: clocks differ.
CLOCK_TOLERANCE = timedelta(minutes=5)
# No currency that is paid out is worth so much or so little: a rate beyond is a mistake.
MID_MIN, MID_MAX = Decimal("0.0001"), Decimal(10_000_000)


class RateUnavailable(Unavailable):
    """No source of the corridor has a rate for the pair."""

    reason = "FX_RATE_UNAVAILABLE"


class RateStale(Unavailable):
    """The newest rate is older than the corridor allows."""

    reason = "FX_RATE_STALE"


@dataclass(frozen=True)
class RateQuery:
    """One rate wanted; trace_ids, of the payments that want it, are for the log alone."""

    corridor_id: str
    trace_ids: tuple[str, ...] = ()


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
    """

    mid: Decimal
    legs: tuple[Leg, ...]
    observed_at: datetime
    fetched_at: datetime
    synthetic: bool = False

    def is_fresh(self, now: datetime, maximum_age_hours: int | None) -> bool:
        """Whether the age is within the limit; None allows any age."""
        if maximum_age_hours is None:
            return True
        return now - self.observed_at <= timedelta(hours=maximum_age_hours)


def unusable(observation: Observation, now: datetime, *, live: bool) -> str:
    """The reason why an observation is never used, or nothing: nonsense, future or synthetic."""
    rates = (observation.mid, *(leg.rate for leg in observation.legs))
    if not all(rate.is_finite() and rate > 0 for rate in rates):
        return "nonsense"
    if not MID_MIN <= observation.mid <= MID_MAX:
        return "nonsense"
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

    @property
    def rate(self) -> Decimal:
        """The middle less our margin, rounded once."""
        with localcontext(EXACT):
            kept = Decimal(10_000 - self.markup_basis_points) / 10_000
            return RATE_DIGITS.plus(self.observation.mid * kept)


def cross_rate(base_per_pivot: Decimal, quote_per_pivot: Decimal) -> Decimal:
    """The price of one unit of base in quote, both priced per unit of a third currency."""
    return RATE_DIGITS.plus(EXACT.divide(quote_per_pivot, base_per_pivot))
