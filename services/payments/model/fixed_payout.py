"""The terms of a payment whose payout is fixed: the fewest cents that come to it."""

from decimal import ROUND_HALF_EVEN, Decimal

from services.payments.model.quote import Fees, FixedSide, RateTrail, Terms
from services.shared.money import EXACT, SOURCE_CURRENCY, Money, exponent


def smallest_net_minor(payout: Money, rate: Decimal, decimals: int | None = None) -> int:
    """The smallest net, in cents, that comes to a payout of so many decimals or to more; of as many
    as its currency has, where it is None.

    The payout less half of its smallest step is what a net must come to at least, give or take a
    tie; its cents are the smallest, or the ones beside them are.
    """
    decimals = exponent(payout.currency) if decimals is None else decimals
    half_step = Decimal(5).scaleb(-decimals - 1)
    dollars = EXACT.divide(EXACT.subtract(payout.decimal, half_step), rate)
    net = max(int(dollars.scaleb(exponent(SOURCE_CURRENCY), context=EXACT)), 1)

    def reaches(minor: int) -> bool:
        cents = Decimal(minor).scaleb(-exponent(SOURCE_CURRENCY))
        exact = EXACT.multiply(cents, rate).scaleb(decimals, context=EXACT)
        steps = exact.to_integral_value(ROUND_HALF_EVEN, context=EXACT)
        return bool(steps >= payout.decimal.scaleb(decimals, context=EXACT))

    while not reaches(net):
        net += 1
    while net > 1 and reaches(net - 1):
        net -= 1
    return net


def agree_payout(net: Money, payout: Money, fees: Fees, trail: RateTrail) -> Terms:
    """The terms of a payment of exactly this payout, for which this net and fees are taken."""
    return Terms(
        amount=net + fees.total,
        fees=fees.lines,
        fee=fees.total,
        net=net,
        payout=payout,
        fixed_side=FixedSide.DESTINATION,
        **trail.agreed,
    )
