"""The exchange position: of each currency, the money that we hold less the money that we owe, and
its worth at the middle of the market.

An exchange sells dollars and buys local money, each against `fx:position` in its own currency. The
books of a currency add up to nothing, so that its position, credits less debits, is all that the
other accounts hold of it. All positions together, at the middle of the market, are the unrealised
result: nothing at the rate of each exchange, but for its rounding, and a loss where a currency that
we owe has become dearer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal

from services.payments.model.quote import RateTrail
from services.shared.errors import Unavailable
from services.shared.money import EXACT, SOURCE_CURRENCY, Money, exponent


class ExposureLimitReached(Unavailable):
    """We owe as much of the destination currency as we may; ask again later."""

    reason = "EXPOSURE_LIMIT_REACHED"


@dataclass(frozen=True, kw_only=True)
class Position:
    """The position of one currency."""

    currency: str
    # Minor units: below nothing where we owe more than we hold.
    amount_minor: int
    # None where the middle of the market is not known, and for the source currency itself.
    trail: RateTrail | None = None
    # The most that we may owe; None where there is no limit.
    maximum_owed: Money | None = None

    @property
    def is_limit_reached(self) -> bool:
        """Whether no new payment may make us owe more."""
        return (
            self.maximum_owed is not None and -self.amount_minor >= self.maximum_owed.amount_minor
        )

    @property
    def worth_minor(self) -> int | None:
        """Its worth at the middle of the market, in minor units of the source currency; None where
        that is not known."""
        if self.currency == SOURCE_CURRENCY or not self.amount_minor:
            return self.amount_minor
        if self.trail is None:
            return None
        amount = Decimal(self.amount_minor).scaleb(-exponent(self.currency), context=EXACT)
        worth = EXACT.divide(amount, self.trail.market_mid_rate)
        minor = worth.scaleb(exponent(SOURCE_CURRENCY), context=EXACT)
        return int(minor.to_integral_value(ROUND_HALF_EVEN, context=EXACT))


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """All positions, as the book had them at one moment."""

    positions: Sequence[Position]
    seen_at: datetime

    @property
    def result_minor(self) -> int | None:
        """The unrealised result, in minor units of the source currency: the sum of the worths; None
        where one of them is not known."""
        total = 0
        for position in self.positions:
            worth = position.worth_minor
            if worth is None:
                return None
            total += worth
        return total
