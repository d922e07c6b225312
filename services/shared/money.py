"""Exact money: integer minor units and an ISO 4217 code. Decimal text is read strictly and written
with the currency's own number of digits; floats never appear."""

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal, localcontext

from iso4217 import Currency as IsoCurrency

from services.shared.errors import Invalid, field_invalid

# Enough digits for any 64-bit amount times any rate of 18 digits, exactly.
EXACT = Context(prec=60)
MAX_AMOUNT_MINOR = 10**15
# More digits than any source of rates publishes, and few enough that rate times amount stays exact.
RATE_DIGITS = 18
_DECIMAL_TEXT = re.compile(r"(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,30})?", re.ASCII)
# The currency that payers pay in. Names of the public API (amount_usd, fee_usd) and of the corridor
# files (minimum_usd) imply it; no other line of the code may.
SOURCE_CURRENCY = "USD"
EXPONENTS: dict[str, int] = {
    currency.code: currency.exponent
    for currency in IsoCurrency
    # Codes without an exponent are metals, funds and tests; nobody is paid in them.
    if currency.exponent is not None
}


class CurrencyUnknown(Invalid):
    """The code is no ISO 4217 currency that money can be paid in."""

    reason = "CURRENCY_UNKNOWN"


class AmountOutOfBounds(ValueError):
    """Less than nothing, or more than any amount can be."""


def exponent(currency: str) -> int:
    """Number of digits after the decimal point, by ISO 4217. Raises CurrencyUnknown."""
    try:
        return EXPONENTS[currency]
    except KeyError:
        raise CurrencyUnknown(currency=currency[:8]) from None


@dataclass(frozen=True, order=True)
class Money:
    """An exact amount: whole minor units of one currency, never negative."""

    amount_minor: int
    currency: str

    def __post_init__(self) -> None:
        exponent(self.currency)
        if not 0 <= self.amount_minor <= MAX_AMOUNT_MINOR:
            raise AmountOutOfBounds(f"amount out of bounds: {self.amount_minor} {self.currency}")

    def __add__(self, other: "Money") -> "Money":
        return Money(self.amount_minor + self._same(other).amount_minor, self.currency)

    def __sub__(self, other: "Money") -> "Money":
        return Money(self.amount_minor - self._same(other).amount_minor, self.currency)

    def _same(self, other: "Money") -> "Money":
        if other.currency != self.currency:
            raise ValueError(f"{self.currency} and {other.currency} do not mix")
        return other

    @property
    def decimal(self) -> Decimal:
        """The amount in major units, exact."""
        return Decimal(self.amount_minor).scaleb(-exponent(self.currency), context=EXACT)

    def __str__(self) -> str:
        """Decimal text with the currency's own digits: "100.00", "14486"."""
        digits = exponent(self.currency)
        if not digits:
            return str(self.amount_minor)
        whole, part = divmod(self.amount_minor, 10**digits)
        return f"{whole}.{part:0{digits}d}"


def round_half_even(value: Decimal, currency: str, decimals: int | None = None) -> Money:
    """The nearest amount with so many decimals, ties to even: the rule for exchanged money.

    None means as many as the currency has.
    """
    if decimals is None:
        return _rounded(value, currency, ROUND_HALF_EVEN)
    whole = value.scaleb(decimals, context=EXACT).to_integral_value(ROUND_HALF_EVEN, context=EXACT)
    return Money(int(whole) * 10 ** (exponent(currency) - decimals), currency)


def round_half_up(value: Decimal, currency: str) -> Money:
    """The nearest amount the currency can express, ties up: the rule for fees."""
    return _rounded(value, currency, ROUND_HALF_UP)


def _rounded(value: Decimal, currency: str, rounding: str) -> Money:
    minor = value.scaleb(exponent(currency), context=EXACT)
    return Money(int(minor.to_integral_value(rounding=rounding, context=EXACT)), currency)


def parse_amount(text: str, currency: str, *, field: str) -> Money:
    """Reads what a client sent: strict ASCII decimal, positive, no more digits than the currency.

    The gateway writes out the exponent of a JSON number; text has none. Raises Invalid with a
    reason that names the field.
    """
    if not text:
        raise field_invalid(field, f"{field} is required", "FIELD_REQUIRED")
    if text.startswith("-") and _DECIMAL_TEXT.fullmatch(text[1:21]):
        raise field_invalid(field, f"{field} must be positive", "AMOUNT_NOT_POSITIVE")
    match = _DECIMAL_TEXT.fullmatch(text) if len(text) <= 50 else None
    if match is None:
        raise field_invalid(field, f"{field} must be a plain decimal such as 100.00")
    with localcontext(EXACT):
        value = Decimal(text)
        if value == 0:
            raise field_invalid(field, f"{field} must be positive", "AMOUNT_NOT_POSITIVE")
        minor = value.scaleb(exponent(currency))
        if minor != minor.to_integral_value():
            raise field_invalid(
                field,
                f"{field} may have at most {exponent(currency)} decimals",
                "AMOUNT_PRECISION_EXCEEDED",
                max_decimals=str(exponent(currency)),
            )
        if minor > MAX_AMOUNT_MINOR:
            raise field_invalid(field, f"{field} is too large", "AMOUNT_ABOVE_MAXIMUM")
    return Money(int(minor), currency)


def decimal_text(value: Decimal, decimals: int) -> str:
    """A figure, rounded half to even to so many decimals; it may be negative."""
    rounded = value.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_EVEN, context=EXACT)
    return f"{rounded if rounded else abs(rounded):f}"


def parse_rate(text: str, *, field: str) -> Decimal:
    """Reads a rate that a client sent: a strict ASCII decimal, positive, of at most RATE_DIGITS
    digits. Raises Invalid with a reason that names the field."""
    match = _DECIMAL_TEXT.fullmatch(text) if len(text) <= 50 else None
    if match is None:
        raise field_invalid(field, f"{field} must be a plain decimal such as 1530.25")
    rate = Decimal(text)
    if rate == 0:
        raise field_invalid(field, f"{field} must be positive", "AMOUNT_NOT_POSITIVE")
    if len(rate.normalize(EXACT).as_tuple().digits) > RATE_DIGITS:
        raise field_invalid(field, f"{field} may have at most {RATE_DIGITS} digits")
    return rate


def format_rate(rate: Decimal) -> str:
    """A rate as plain decimal text: no exponent, no trailing zeros."""
    return f"{rate.normalize(EXACT):f}"
