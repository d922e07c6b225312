"""Terms reproduce by hand, and a quote serves once, in time, for what it was made for."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.payments.domain.quote import (
    AmountTooSmallAfterFees,
    QuoteAlreadyUsed,
    QuoteExpired,
    QuoteMismatch,
    QuoteState,
    agree_terms,
)
from services.shared.money import Money
from tests.makers import FEES, NOW, make_quote, make_trail


@pytest.mark.parametrize(
    ("currency", "mid", "payout"),
    [
        ("NGN", "1530.25", "148453.38"),
        ("JPY", "149.317", "14486"),
        ("KWD", "0.30695", "29.778"),
        ("CLF", "0.0305", "2.9589"),
    ],
)
def test_published_vectors_reproduce(currency: str, mid: str, payout: str) -> None:
    terms = agree_terms(Money(10_000, "USD"), currency, FEES, make_trail(mid))

    assert (str(terms.fee), str(terms.net), str(terms.payout)) == ("2.50", "97.50", payout)


@pytest.mark.parametrize(
    ("amount_minor", "payout"), [(10_000, "98"), (10_100, "98"), (10_200, "100")]
)
def test_a_payout_between_two_units_goes_to_the_even_one(amount_minor: int, payout: str) -> None:
    """Less 2.50 of fees, at a rate of one, the nets are 97.5, 98.5 and 99.5 yen."""
    trail = make_trail("1", markup_basis_points=0)

    terms = agree_terms(Money(amount_minor, "USD"), "JPY", FEES, trail)

    assert str(terms.payout) == payout


@given(amount_minor=st.integers(min_value=251, max_value=10**9))
def test_fees_and_net_always_sum_to_the_amount(amount_minor: int) -> None:
    terms = agree_terms(Money(amount_minor, "USD"), "NGN", FEES, make_trail())

    assert terms.net + terms.fee == terms.amount


@pytest.mark.parametrize("amount_minor", [1, 249, 250])
def test_amount_that_the_fees_eat_up_is_refused(amount_minor: int) -> None:
    with pytest.raises(AmountTooSmallAfterFees):
        agree_terms(Money(amount_minor, "USD"), "NGN", FEES, make_trail())


def test_payout_that_rounds_to_nothing_is_refused() -> None:
    with pytest.raises(AmountTooSmallAfterFees):
        agree_terms(Money(251, "USD"), "KWD", FEES, make_trail("0.00001"))


def test_open_quote_is_usable_for_its_own_amount_and_currency() -> None:
    quote = make_quote()

    quote.check_usable(Money(10_000, "USD"), "NGN", NOW)

    assert quote.state(NOW) is QuoteState.OPEN


def test_expired_quote_is_refused() -> None:
    quote = make_quote()

    with pytest.raises(QuoteExpired):
        quote.check_usable(Money(10_000, "USD"), "NGN", quote.expires_at)

    assert quote.state(quote.expires_at - timedelta(microseconds=1)) is QuoteState.OPEN


def test_used_quote_is_refused_even_when_it_has_expired_too() -> None:
    quote = replace(make_quote(), payment_id=uuid4())

    with pytest.raises(QuoteAlreadyUsed):
        quote.check_usable(Money(10_000, "USD"), "NGN", quote.expires_at + timedelta(days=1))


@pytest.mark.parametrize(("amount", "currency"), [(9_999, "NGN"), (10_000, "INR")])
def test_quote_for_something_else_is_refused(amount: int, currency: str) -> None:
    with pytest.raises(QuoteMismatch):
        make_quote().check_usable(Money(amount, "USD"), currency, NOW)
