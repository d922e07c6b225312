"""The payout that a net comes to at a rate."""

from decimal import Decimal

from services.shared.errors import OutOfRange
from services.shared.money import (
    EXACT,
    MAX_AMOUNT_MINOR,
    AmountOutOfBounds,
    Money,
    decimal_text,
    exponent,
    round_half_even,
)


class PayoutAboveMaximum(OutOfRange):
    """The payout is larger than any offramp sends to this kind of recipient."""

    reason = "PAYOUT_ABOVE_MAXIMUM"


def payout_of(net: Money, rate: Decimal, currency: str, decimals: int | None = None) -> Money:
    """The payout that a net comes to at a rate, rounded half to even. Raises PayoutAboveMaximum
    where it is larger than any amount can be."""
    exact = EXACT.multiply(net.decimal, rate)
    try:
        return round_half_even(exact, currency, decimals)
    except AmountOutOfBounds:
        raise PayoutAboveMaximum(
            payout_amount=decimal_text(exact, exponent(currency)),
            currency=currency,
            maximum=str(Money(MAX_AMOUNT_MINOR, currency)),
        ) from None
