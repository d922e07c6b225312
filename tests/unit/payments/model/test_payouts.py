"""No payout is larger than an amount can be."""

from decimal import Decimal

import pytest

from services.payments.model.payouts import PayoutAboveMaximum, payout_of
from services.shared.money import MAX_AMOUNT_MINOR, Money


@pytest.mark.parametrize("decimals", [None, 0])
def test_a_payout_that_no_amount_can_express_is_refused_with_the_largest_one(
    decimals: int | None,
) -> None:
    net, rate = Money(10**11, "USD"), Decimal(10_000)
    largest = payout_of(net, rate, "IDR", decimals)

    with pytest.raises(PayoutAboveMaximum) as refusal:
        payout_of(net, rate + 1, "IDR", decimals)

    assert largest.amount_minor == MAX_AMOUNT_MINOR
    assert refusal.value.metadata == {
        "payout_amount": "10001000000000.00",
        "currency": "IDR",
        "maximum": "10000000000000.00",
    }
