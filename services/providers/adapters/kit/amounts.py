"""Amounts as providers state them, in minor or in major units. A provider that counts in units of
its own has them in its own folder."""

from decimal import Decimal

from services.shared.money import EXACT, CurrencyUnknown, Money, exponent

# Far more digits than an amount of ours has; a longer number would only cost time.
_DIGITS_MAX = 20


def states_money(number: object, currency: object) -> bool:
    """Whether an amount is stated at all, be it ours or another."""
    is_number = isinstance(number, int | Decimal) and not isinstance(number, bool)
    return is_number and isinstance(currency, str)


def minor_units(number: object, currency: object) -> Money | None:
    """The amount that is stated in whole minor units, or None where none is that is known."""
    if type(number) is not int or not isinstance(currency, str):
        return None
    try:
        return Money(number, currency)
    except (CurrencyUnknown, ValueError):
        return None


def major_units(number: object, currency: object) -> Money | None:
    """The amount that is stated in major units, or None where none is that is exact and known."""
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
