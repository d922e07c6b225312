"""Terms reproduce by hand, and a quote serves once, in time, for what it was made for."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.payments.model.quote import (
    AmountTooSmallAfterFees,
    QuoteAlreadyUsed,
    QuoteExpired,
    QuoteMismatch,
    QuoteState,
    agree_terms,
)
from services.shared.money import Money
from tests.makers import FEES, NOW, make_override, make_quote, make_trail


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


@pytest.mark.parametrize(
    ("amount_minor", "currency", "mid"),
    [(1, "NGN", "1530.25"), (249, "NGN", "1530.25"), (250, "NGN", "1530.25"), (251, "KWD", "1e-5")],
    ids=["a cent", "less than the fees", "the fees alone", "a payout that rounds to nothing"],
)
def test_an_amount_of_which_fees_leave_nothing_is_refused_with_the_fee(
    amount_minor: int, currency: str, mid: str
) -> None:
    with pytest.raises(AmountTooSmallAfterFees) as refusal:
        agree_terms(Money(amount_minor, "USD"), currency, FEES, make_trail(mid))

    assert refusal.value.metadata == {"fee_usd": "2.50"}


def test_the_smallest_payout_is_one_minor_unit() -> None:
    terms = agree_terms(Money(251, "USD"), "KWD", FEES, make_trail("0.1", markup_basis_points=0))

    assert terms.payout == Money(1, "KWD")


def test_open_quote_is_usable_for_its_own_amount_and_currency() -> None:
    quote = make_quote()

    quote.check_usable(Money(10_000, "USD"), "NGN", NOW)

    assert quote.state(NOW) is QuoteState.OPEN


def test_expired_quote_is_refused() -> None:
    quote = make_quote()

    with pytest.raises(QuoteExpired) as refusal:
        quote.check_usable(Money(10_000, "USD"), "NGN", quote.expires_at)

    assert refusal.value.metadata == {"quote_id": quote.quote_id}
    assert quote.state(quote.expires_at - timedelta(microseconds=1)) is QuoteState.OPEN


def test_used_quote_is_refused_even_when_it_has_expired_too() -> None:
    quote = replace(make_quote(), payment_id=uuid4())

    with pytest.raises(QuoteAlreadyUsed) as refusal:
        quote.check_usable(Money(10_000, "USD"), "NGN", quote.expires_at + timedelta(days=1))

    assert refusal.value.metadata == {"quote_id": quote.quote_id}


@pytest.mark.parametrize(
    ("amount", "currency", "field"),
    [(9_999, "NGN", "amount_usd"), (10_000, "INR", "destination_currency")],
)
def test_quote_for_something_else_is_refused_by_name_of_the_field(
    amount: int, currency: str, field: str
) -> None:
    with pytest.raises(QuoteMismatch) as refusal:
        make_quote().check_usable(Money(amount, "USD"), currency, NOW)

    assert refusal.value.metadata == {"field": field}


def test_the_market_s_middle_is_its_own_also_under_an_override() -> None:
    market, override = make_trail(), make_override(market_mid_rate=Decimal("1530.25"))
    overridden = replace(make_trail("1540.5"), override=override)

    assert market.market_mid_rate == overridden.market_mid_rate == Decimal("1530.25")


@pytest.mark.parametrize(
    ("source", "institution"),
    [("ecb", "ecb"), ("frankfurter", "frankfurter"), ("frankfurter:ECB", "ECB")],
)
def test_a_rate_is_of_the_institution_that_its_source_passes_on(
    source: str, institution: str
) -> None:
    assert replace(make_trail(), source=source).published_by == institution


def test_the_cost_under_an_override_is_measured_against_the_market() -> None:
    override = make_override(rate=Decimal(95), market_mid_rate=Decimal(100))
    market, overridden = make_trail("100"), replace(make_trail("95"), override=override)

    dear, usual = (
        agree_terms(Money(20_000, "USD"), "INR", FEES, trail) for trail in (overridden, market)
    )

    lost = (usual.payout.decimal - dear.payout.decimal) / 100
    assert lost > 0
    assert dear.cost.amount == usual.cost.amount + lost
    assert dear.market_mid_rate == usual.market_mid_rate == usual.mid_rate


def test_a_margin_of_an_override_leaves_the_middle() -> None:
    override = make_override(rate=None, markup_basis_points=50, market_mid_rate=Decimal(100))

    terms = agree_terms(
        Money(20_000, "USD"), "INR", FEES, replace(make_trail("100"), override=override)
    )

    assert (terms.replaced_mid_rate, terms.market_mid_rate) == (None, Decimal(100))
