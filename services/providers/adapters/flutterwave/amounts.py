"""How Flutterwave takes amounts: JSON numbers in major units, written from decimal text, so that no
amount is ever a binary fraction. The kit reads them."""

from decimal import Decimal, localcontext

from services.shared.money import EXACT, Money

# The amount as we send it, and its number of decimals. Shillings of Tanzania go out whole, although
# ISO 4217 gives them cents; the other differences from two are ISO's too.
_DIGITS = {
    **dict.fromkeys(("EUR", "GBP", "GHS", "KES", "MWK", "NGN", "USD", "ZAR", "ZMW"), 2),
    **dict.fromkeys(("RWF", "TZS", "UGX", "XAF", "XOF"), 0),
}


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
