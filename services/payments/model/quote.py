"""A quote: what a payment will cost and bring, held until it expires and good for one payment. The
rate's whole trail stays with it; the payment copies the terms."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal
from enum import StrEnum
from functools import cached_property
from typing import TypedDict
from uuid import UUID

from services.payments.model.disclosure import DisclosureTerms
from services.payments.model.payouts import payout_of
from services.payments.model.timing import CORRECTION, PATIENCE
from services.shared.errors import NotAllowedNow, NotFound
from services.shared.ids import Prefix, decode_id, encode_id
from services.shared.money import EXACT, SOURCE_CURRENCY, Money
from services.shared.recipients import Recipient
from services.shared.recipients.rules import RecipientRules

_DIGITS = Context(prec=18, rounding=ROUND_HALF_EVEN)


class QuoteNotFound(NotFound):
    """There is no such quote."""

    reason = "QUOTE_NOT_FOUND"


class QuoteExpired(NotAllowedNow):
    """The quote has expired; ask for a new one."""

    reason = "QUOTE_EXPIRED"


class QuoteAlreadyUsed(NotAllowedNow):
    """The quote already belongs to a payment; ask for a new one."""

    reason = "QUOTE_ALREADY_USED"


class QuoteMismatch(NotAllowedNow):
    """The payment is not what the quote was made for."""

    reason = "QUOTE_MISMATCH"


class AmountTooSmallAfterFees(NotAllowedNow):
    """Nothing is left to pay out once the fees are taken."""

    reason = "AMOUNT_TOO_SMALL_AFTER_FEES"


@dataclass(frozen=True, kw_only=True)
class FeeLine:
    """One named part of the fee."""

    name: str
    amount: Money
    # The arithmetic of the amount with its numbers, kept with the quote; empty where unknown.
    formula: str = field(default="", compare=False)


@dataclass(frozen=True, kw_only=True)
class Fees:
    """All of the fee, and the version of the schedule it comes from."""

    lines: tuple[FeeLine, ...]
    schedule_version: str
    # The schedule as it was applied, as canonical JSON; empty where unknown.
    schedule_terms: str = ""

    @property
    def total(self) -> Money:
        """The sum of the lines."""
        return Money(sum(line.amount.amount_minor for line in self.lines), SOURCE_CURRENCY)


@dataclass(frozen=True, kw_only=True)
class RateLeg:
    """One observed pair: units of quote_currency for one base_currency."""

    base_currency: str
    quote_currency: str
    rate: Decimal


@dataclass(frozen=True, kw_only=True)
class RateOverride:
    """A middle or a margin, one of them, that two operators have put in the market's place until a
    time."""

    override_id: str
    # One of the two.
    rate: Decimal | None
    markup_basis_points: int | None
    expires_at: datetime
    # The farthest that it may be from the market's middle.
    maximum_deviation_basis_points: int
    proposed_by: str
    approved_by: str
    reason: str
    # The market's own middle, where a rate was made by it.
    market_mid_rate: Decimal | None = None


class AgreedRate(TypedDict):
    """The figures of terms that come from the trail."""

    rate: Decimal
    mid_rate: Decimal
    replaced_mid_rate: Decimal | None
    markup_basis_points: int


@dataclass(frozen=True, kw_only=True)
class RateTrail:
    """A rate and how we know it: units of the destination currency for one US dollar."""

    rate: Decimal
    mid_rate: Decimal
    markup_basis_points: int
    source: str
    synthetic: bool
    observed_at: datetime
    fetched_at: datetime
    legs: tuple[RateLeg, ...]
    # SHA-256 of what the source answered, in hexadecimal digits; empty where unknown.
    payload_sha256: str = ""
    # The part of the margin for a closed market; None where unknown.
    closed_market_basis_points: int | None = None
    # Its middle or its margin stands in mid_rate or in markup_basis_points. None where none was.
    override: RateOverride | None = None

    @property
    def published_by(self) -> str:
        """The institution whose rate it is: after a colon in the source, or the source itself."""
        return self.source.rpartition(":")[2]

    @property
    def replaced_mid_rate(self) -> Decimal | None:
        """The market's own middle, where an override has put another in its place."""
        replaces = self.override and self.override.rate is not None
        return self.override.market_mid_rate if self.override and replaces else None

    @property
    def market_mid_rate(self) -> Decimal:
        """The market's own middle, also where an override has put another in its place."""
        return self.mid_rate if self.replaced_mid_rate is None else self.replaced_mid_rate

    @property
    def margin_basis_points(self) -> int:
        """Our whole margin inside the rate: the markup, and more while the market is closed."""
        return self.markup_basis_points + (self.closed_market_basis_points or 0)

    @property
    def agreed(self) -> AgreedRate:
        """The figures that terms at this rate have."""
        return AgreedRate(
            rate=self.rate,
            mid_rate=self.mid_rate,
            replaced_mid_rate=self.replaced_mid_rate,
            markup_basis_points=self.margin_basis_points,
        )


@dataclass(frozen=True, kw_only=True)
class Rounding:
    """How figures are rounded, each once."""

    fees: str
    rate: str
    rate_digits: int
    payout: str


# The rule of today, kept with each quote: one of the past may have had another.
ROUNDING = Rounding(fees="half_up", rate="half_even", rate_digits=18, payout="half_even")


class FixedSide(StrEnum):
    """The amount that was asked for, from which the others follow."""

    # The payer pays so much.
    SOURCE = "source"
    # The recipient gets so much.
    DESTINATION = "destination"


@dataclass(frozen=True, kw_only=True)
class Terms:
    """The figures that bind us. net = amount - fees. Where the source is fixed, payout = net x
    rate, rounded half to even to the decimals of the payment's route. Where the destination is, net
    is the smallest that so comes to the payout, or to more, which is then not paid out."""

    amount: Money
    fees: tuple[FeeLine, ...]
    fee: Money
    net: Money
    rate: Decimal
    mid_rate: Decimal
    # Our whole margin, as the book posts it.
    markup_basis_points: int
    payout: Money
    fixed_side: FixedSide = FixedSide.SOURCE
    # The market's own middle, where mid_rate is that of an override.
    replaced_mid_rate: Decimal | None = None

    @property
    def market_mid_rate(self) -> Decimal:
        """The market's own middle, against which the cost is measured."""
        return self.mid_rate if self.replaced_mid_rate is None else self.replaced_mid_rate

    @cached_property
    def cost(self) -> "Cost":
        """The whole cost; kept, because each view of a payment shows it."""
        amount, payout = self.amount.decimal, self.payout.decimal
        paid = EXACT.subtract(amount, EXACT.divide(payout, self.market_mid_rate))
        percent = EXACT.divide(paid.scaleb(2, context=EXACT), amount)
        return Cost(all_in_rate=_DIGITS.divide(payout, amount), amount=paid, percent=percent)


@dataclass(frozen=True, kw_only=True)
class Cost:
    """The whole cost of a price, fees and margin."""

    # The payout for each unit that the payer pays, to 18 significant digits.
    all_in_rate: Decimal
    # The amount less the worth of the payout at the market's middle, unrounded.
    amount: Decimal
    # The same in percent of the amount, unrounded.
    percent: Decimal


def agree_terms(
    amount: Money, currency: str, fees: Fees, trail: RateTrail, decimals: int | None = None
) -> Terms:
    """The terms of a payment of amount into currency. Raises AmountTooSmallAfterFees,
    PayoutAboveMaximum.

    The payout has so many decimals; as many as its currency where it is None.
    """
    fee = fees.total
    if fee >= amount:
        raise AmountTooSmallAfterFees(fee_usd=str(fee))
    net = amount - fee
    payout = payout_of(net, trail.rate, currency, decimals)
    if payout.amount_minor == 0:
        raise AmountTooSmallAfterFees(fee_usd=str(fee))
    return Terms(
        amount=amount,
        fees=fees.lines,
        fee=fee,
        net=net,
        payout=payout,
        **trail.agreed,
    )


@dataclass(frozen=True, kw_only=True)
class Route:
    """The providers that may serve a payment, in order of preference, as they were when priced."""

    onramps: tuple[str, ...]
    offramps: tuple[str, ...]
    # ISO 3166 code of the country of the payout; empty in a route from before it was kept.
    country: str = ""
    # How many decimals a payout has that each of them can send. None with a route from before rails
    # were declared: as many as the currency.
    payout_decimals: int | None = None
    # How long a payout waits in all for an offramp that can pay: a balance is empty, a limit
    # reached, a provider down.
    patience: timedelta = PATIENCE
    # How long a payment waits for its merchant to correct a recipient that could not be paid.
    correction: timedelta = CORRECTION
    # How long a step takes as a rule, where the corridor says so and not its providers.
    expected: Mapping[str, timedelta] = field(default_factory=dict, hash=False)
    # How long after the collection the payout does not begin, so that the payment can be cancelled
    # for a full refund. Zero where the corridor has no such window.
    cancel_window: timedelta = timedelta(0)


@dataclass(frozen=True, kw_only=True)
class LateFunds:
    """The rule for money that comes after the quote has expired, as it was then.

    Within the grace the locked rate is honoured. Later the payment is priced again, and goes on by
    itself where the new rate is worse by no more than the tolerance; else a person decides.
    """

    grace: timedelta
    tolerance_basis_points: int


class RefundFees(StrEnum):
    """The fees of a payment that is refunded; the words of the corridor files."""

    # The payer gets back what was paid.
    RETURNED = "returned"
    # The payer gets back what was paid less the fees, which we have earned.
    KEPT = "kept"


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """The corridor's other conditions, as they were when the offer was made: the offer stands also
    where the corridor has changed since, or is gone."""

    route: Route
    late_funds: LateFunds
    refund_fees: RefundFees = RefundFees.RETURNED
    # Kept with an open quote alone; None with one from before they were.
    recipients: RecipientRules | None = None
    # None where the corridor discloses nothing, and with an offer from before it was kept.
    disclosure: DisclosureTerms | None = None


@dataclass(frozen=True, kw_only=True)
class Pricing:
    """The inputs of a price: all that its figures are recomputed from."""

    trail: RateTrail
    fees: tuple[FeeLine, ...]
    fee_schedule_version: str
    schedule_terms: str
    rounding: Rounding | None


class QuoteState(StrEnum):
    """Whether the offer can still be used."""

    OPEN = "OPEN"
    USED = "USED"
    EXPIRED = "EXPIRED"


@dataclass(frozen=True, kw_only=True)
class Quote:
    """A firm offer to one merchant."""

    merchant_id: str
    id: UUID
    corridor_id: str
    terms: Terms
    trail: RateTrail
    fee_schedule_version: str
    # As in Fees.
    schedule_terms: str = ""
    # None where unknown.
    rounding: Rounding | None = None
    created_at: datetime
    expires_at: datetime
    # None with an offer from before they were kept with it; its corridor's present ones apply.
    conditions: Conditions | None
    payment_id: UUID | None = None
    # The recipient that it was asked for with, as it will be sent; None where it names none.
    recipient: Recipient | None = None

    @property
    def quote_id(self) -> str:
        """The public id, for example quo_01jd8x3v9me7rb5k3n6q2f4h8z."""
        return encode_id(Prefix.QUOTE, self.id)

    @property
    def pricing(self) -> Pricing:
        """The inputs of its price."""
        return Pricing(
            trail=self.trail,
            fees=self.terms.fees,
            fee_schedule_version=self.fee_schedule_version,
            schedule_terms=self.schedule_terms,
            rounding=self.rounding,
        )

    def state(self, now: datetime) -> QuoteState:
        """Whether the offer can still be used at this instant."""
        if self.payment_id is not None:
            return QuoteState.USED
        return QuoteState.OPEN if now < self.expires_at else QuoteState.EXPIRED

    def check_usable(self, amount: Money, currency: str, now: datetime) -> None:
        """Raises QuoteMismatch, QuoteAlreadyUsed or QuoteExpired unless a payment may use it."""
        if amount != self.terms.amount:
            raise QuoteMismatch(field="amount_usd")
        if currency != self.terms.payout.currency:
            raise QuoteMismatch(field="destination_currency")
        state = self.state(now)
        if state is QuoteState.USED:
            raise QuoteAlreadyUsed(quote_id=self.quote_id)
        if state is QuoteState.EXPIRED:
            raise QuoteExpired(quote_id=self.quote_id)


def read_quote_id(text: str) -> UUID:
    """The id behind a public quote id. Raises QuoteNotFound for a malformed one."""
    quote_id = decode_id(Prefix.QUOTE, text)
    if quote_id is None:
        raise QuoteNotFound(quote_id=text)
    return quote_id
