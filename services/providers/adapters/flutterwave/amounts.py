"""How Flutterwave writes amounts: JSON numbers in major units. They are written from decimal text
and read as decimals, so that no amount is ever a binary fraction."""

from decimal import Decimal, localcontext

from services.shared.money import EXACT, CurrencyUnknown, Money, exponent

# The amount as we send it, and its number of decimals. Shillings of Tanzania go out whole, although
# ISO 4217 gives them cents; the other differences from two are ISO's too.
_DIGITS = {
    **dict.fromkeys(("EUR", "GBP", "GHS", "KES", "MWK", "NGN", "USD", "ZAR", "ZMW"), 2),
    **dict.fromkeys(("RWF", "TZS", "UGX", "XAF", "XOF"), 0),
}
# Far more digits than an amount of ours has; a longer number would only cost time.
_DIGITS_MAX = 20


def is_supported(currency: str) -> bool:
    """True where we pay this currency out through Flutterwave."""
    return currency in _DIGITS


def to_number(money: Money) -> Decimal | None:
    """The amount to write, or None where Flutterwave has no such currency or no such small unit."""
    if not is_supported(money.currency):
        return None
    with localcontext(EXACT):
        number = money.decimal.quantize(Decimal(1).scaleb(-_DIGITS[money.currency]))
    return number if number == money.decimal else None


def from_number(number: object, currency: object) -> Money | None:
    """The amount that Flutterwave states, or None where it states none that is exact and known."""
    if type(number) is int:
        number = Decimal(number)
    if not isinstance(number, Decimal) or not isinstance(currency, str):
        return None
    if not _is_short(number):
        return None
    try:
        minor = number.scaleb(exponent(currency), context=EXACT)
        return Money(int(minor), currency) if minor == minor.to_integral_value() else None
    except (CurrencyUnknown, ValueError):
        return None


def _is_short(number: Decimal) -> bool:
    if not number.is_finite():
        return False
    _, digits, places = number.as_tuple()
    return len(digits) <= _DIGITS_MAX and -_DIGITS_MAX <= int(places) <= _DIGITS_MAX
