"""A corridor measured against the targets that the G20 has set for 2027 with the Financial
Stability Board (Targets for Addressing the Four Challenges of Cross-Border Payments, 2021): of
remittances, 200 dollars cost 3 percent at the most; three quarters of payments arrive within an
hour of their beginning, the others within one business day; and the whole cost is shown before a
payment."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from services.payments.model.payment import UNCOLLECTED, State
from services.payments.model.quote import RateTrail, Terms
from services.shared.money import EXACT, SOURCE_CURRENCY, Money

# The amount whose cost is compared, as the World Bank's Remittance Prices Worldwide do.
AMOUNT = Money(20_000, SOURCE_CURRENCY)
WINDOW = timedelta(days=30)
COST_PERCENT_MAX = Decimal(3)
WITHIN_HOUR_PERCENT = Decimal(75)
WITHIN_DAY_PERCENT = Decimal(100)
DISCLOSED_PERCENT = Decimal(100)
# Its dollars were never collected, or not yet.
NOT_COLLECTED = UNCOLLECTED | {State.CREATED, State.COLLECTING}


@dataclass(frozen=True, kw_only=True)
class Share:
    """The payments that have reached something, of those that are counted."""

    counted: int = 0
    reached: int = 0
    target_percent: Decimal

    @property
    def percent(self) -> Decimal | None:
        """The share in percent, unrounded; None where no payment counts."""
        if not self.counted:
            return None
        return EXACT.divide(Decimal(100 * self.reached), Decimal(self.counted))

    @property
    def is_met(self) -> bool | None:
        """Whether the target is met; None where no payment counts."""
        return None if self.percent is None else self.percent >= self.target_percent


@dataclass(frozen=True, kw_only=True)
class Figures:
    """The payments of one corridor."""

    payments: int = 0
    within_hour: Share = Share(target_percent=WITHIN_HOUR_PERCENT)
    within_day: Share = Share(target_percent=WITHIN_DAY_PERCENT)
    disclosed: Share = Share(target_percent=DISCLOSED_PERCENT)


@dataclass(frozen=True, kw_only=True)
class Cost:
    """The price of AMOUNT at one moment."""

    terms: Terms
    trail: RateTrail
    fee_schedule_version: str

    @property
    def is_met(self) -> bool:
        """Whether the target is met."""
        return self.terms.cost.percent <= COST_PERCENT_MAX


@dataclass(frozen=True, kw_only=True)
class Scoreboard:
    """The figures of one corridor, and its cost or the reason why that is not known."""

    corridor_id: str
    counted_from: datetime
    counted_until: datetime
    # False where there were more payments than are counted at once.
    all_counted: bool
    figures: Figures
    cost: Cost | None
    cost_unknown_reason: str = ""
