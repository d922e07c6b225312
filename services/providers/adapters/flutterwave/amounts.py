"""How Flutterwave takes amounts: JSON numbers in major units, written from decimal text, so that no
amount is ever a binary fraction. The kit reads them."""

from decimal import Decimal, localcontext

from services.providers.adapters.flutterwave.rails import RAILS
from services.shared.money import EXACT, Money

# The most decimals that any of its rails sends in a currency; which of them pays, a route decides.
_DIGITS = {rail.currency: rail.decimals for rail in sorted(RAILS, key=lambda one: one.decimals)}


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
