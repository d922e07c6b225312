"""A fixed payout takes the fewest cents that come to it, and is exactly that."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.payments.model.fixed_payout import agree_payout, smallest_net_minor
from services.payments.model.payouts import payout_of
from services.payments.model.quote import Fees, FixedSide, agree_terms
from services.shared.money import Money, exponent
from tests.makers import FEES, make_trail


@given(
    net=st.integers(1, 10**7),
    off=st.integers(-20, 20),
    currency=st.sampled_from(["NGN", "JPY", "KWD", "EUR", "CLF", "VND", "KES"]),
    coarser=st.integers(0, 2),
    rate=st.decimals("0.0001", "99999", places=9, allow_nan=False),
)
def test_a_fixed_payout_takes_the_smallest_net_that_comes_to_it(
    net: int, off: int, currency: str, coarser: int, rate: Decimal
) -> None:
    """By the rule of a fixed amount, at and around the payouts of real nets, where ties are."""
    decimals = max(exponent(currency) - coarser, 0)
    step = 10 ** (exponent(currency) - decimals)
    near = payout_of(Money(net, "USD"), rate, currency, decimals).amount_minor + off * step
    payout = Money(max(near, step), currency)

    found = smallest_net_minor(payout, rate, decimals)

    assert payout_of(Money(found, "USD"), rate, currency, decimals) >= payout
    assert found == 1 or payout_of(Money(found - 1, "USD"), rate, currency, decimals) < payout


@pytest.mark.parametrize(
    ("payout", "net_minor"),
    [
        # A cent is worth 15.23 NGN, so that the payouts in between take the next cent.
        (Money(14845338, "NGN"), 9750),
        (Money(14845339, "NGN"), 9751),
        (Money(14846860, "NGN"), 9751),
        (Money(14846861, "NGN"), 9752),
        (Money(1, "NGN"), 1),
    ],
)
def test_a_payout_between_two_cents_takes_the_larger_one(payout: Money, net_minor: int) -> None:
    assert smallest_net_minor(payout, make_trail().rate) == net_minor


def test_the_terms_of_a_fixed_payout_are_its_net_the_fees_and_exactly_that_payout() -> None:
    terms = agree_payout(Money(9_751, "USD"), Money(14_845_339, "NGN"), FEES, make_trail())

    assert (str(terms.amount), str(terms.net), str(terms.fee)) == ("100.01", "97.51", "2.50")
    assert (terms.payout, terms.fixed_side) == (Money(14_845_339, "NGN"), FixedSide.DESTINATION)


def test_a_fixed_payout_without_fees_takes_its_net_alone() -> None:
    free = Fees(lines=(), schedule_version="free")

    terms = agree_payout(Money(9_751, "USD"), Money(14_845_339, "NGN"), free, make_trail())

    assert terms.amount == terms.net


def test_both_kinds_of_terms_have_the_whole_margin_and_not_only_the_markup() -> None:
    trail = replace(make_trail(), closed_market_basis_points=100)

    of_source = agree_terms(Money(10_000, "USD"), "NGN", FEES, trail)
    of_payout = agree_payout(of_source.net, of_source.payout, FEES, trail)

    assert (of_source.markup_basis_points, of_payout.markup_basis_points) == (150, 150)
