"""The postings of a payment leave nothing on its account when it is over, with any figures."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.payments.model.attempt import AttemptState, Step
from services.payments.model.fixed_payout import agree_payout, smallest_net_minor
from services.payments.model.ledger import (
    Posting,
    collection_postings,
    exchange_postings,
    payout_postings,
    refund_postings,
    suspense_postings,
    unwinding_postings,
)
from services.payments.model.payment import ExchangeRule, Payment, State
from services.payments.model.quote import (
    AmountTooSmallAfterFees,
    agree_terms,
)
from services.shared.corridors import load_corridors
from services.shared.money import Money, exponent
from tests.makers import FEES, make_attempt, make_payment, make_terms, make_trail

PAID_OUT = [
    corridor.destination.currency
    for corridor in load_corridors(Path("deploy/corridors"), live=False)
]


def _balances(postings: Iterable[Posting]) -> dict[tuple[str, str], int]:
    sums: dict[tuple[str, str], int] = defaultdict(int)
    for posting in postings:
        sums[posting.debit, posting.amount.currency] += posting.amount.amount_minor
        sums[posting.credit, posting.amount.currency] -= posting.amount.amount_minor
    return sums


def _all(payment: Payment) -> list[Posting]:
    return [
        *collection_postings(payment),
        *exchange_postings(payment),
        *payout_postings(payment),
    ]


@given(
    amount_minor=st.integers(min_value=300, max_value=10**8),
    currency=st.sampled_from(["NGN", "JPY", "KWD", "INR", "CLF"]),
    mid=st.decimals(min_value=5, max_value=99_999, places=6, allow_nan=False),
)
def test_a_completed_payment_leaves_its_account_at_zero(
    amount_minor: int, currency: str, mid: object
) -> None:
    payment = make_payment(terms=make_terms(amount_minor, currency, str(mid)))

    balances = _balances(_all(payment))

    assert balances["payments:USD", "USD"] == 0
    assert balances[f"payments:{currency}", currency] == 0


@given(amount_minor=st.integers(min_value=300, max_value=10**9))
def test_every_currency_sums_to_zero_over_all_accounts(amount_minor: int) -> None:
    balances = _balances(_all(make_payment(terms=make_terms(amount_minor))))

    for currency in ("USD", "NGN"):
        assert sum(value for (_, c), value in balances.items() if c == currency) == 0


def test_dollars_in_are_fees_markup_and_what_was_exchanged() -> None:
    balances = _balances(_all(make_payment()))

    assert balances["onramp:stripe:USD", "USD"] == 10_000
    assert balances["revenue:fees:USD", "USD"] == -250
    assert balances["revenue:fx:USD", "USD"] == -49
    assert balances["fx:position:USD", "USD"] == -9_701


def test_the_payout_is_the_amount_that_was_bought() -> None:
    balances = _balances(_all(make_payment()))

    assert balances["offramp:local_wallet:NGN", "NGN"] == -14_845_338
    assert balances["fx:position:NGN", "NGN"] == 14_845_338


@pytest.mark.parametrize(("amount_minor", "markup_minor"), [(10_350, 51), (10_550, 52)])
def test_a_markup_of_half_a_cent_is_rounded_up(amount_minor: int, markup_minor: int) -> None:
    # After fees of 2.50, half a per cent of 101.00 and of 103.00 dollars.
    balances = _balances(exchange_postings(make_payment(terms=make_terms(amount_minor))))

    assert balances["revenue:fx:USD", "USD"] == -markup_minor


@given(
    amount_minor=st.integers(min_value=300, max_value=5 * 10**7),
    currency=st.sampled_from([*PAID_OUT, "KWD", "BHD", "CLF", "ISK"]),
    mid=st.decimals(min_value="0.0001", max_value=99_999, places=9, allow_nan=False),
    markup=st.integers(min_value=0, max_value=1_000),
    closed=st.integers(min_value=0, max_value=1_000),
)
def test_an_exchange_adds_up_in_both_currencies_and_leaves_no_rounding(
    amount_minor: int, currency: str, mid: Decimal, markup: int, closed: int
) -> None:
    # Part of the margin is for a closed market, and the book posts the whole.
    trail = replace(
        make_trail(str(mid), markup + closed),
        markup_basis_points=markup,
        closed_market_basis_points=closed,
    )
    try:
        terms = agree_terms(Money(amount_minor, "USD"), currency, FEES, trail)
    except AmountTooSmallAfterFees:
        return

    balances = _balances(exchange_postings(make_payment(terms=terms)))

    assert not [account for account, _ in balances if account.startswith("fx:rounding")]
    sold, bought = (
        -balances["fx:position:USD", "USD"],
        balances[f"fx:position:{currency}", currency],
    )
    assert -balances["revenue:fx:USD", "USD"] + sold == terms.net.amount_minor
    assert bought == terms.payout.amount_minor
    # The position leaves the middle by half a cent and half a minor unit at most.
    minor_per_cent = mid.scaleb(exponent(currency) - 2)
    assert abs(bought - sold * minor_per_cent) <= Decimal("0.501") * (1 + minor_per_cent)


@given(
    payout_minor=st.integers(min_value=1, max_value=10**9),
    currency=st.sampled_from(["NGN", "JPY", "KWD", "INR", "CLF", "EUR"]),
    mid=st.decimals(min_value="0.0001", max_value=99_999, places=9, allow_nan=False),
    markup=st.integers(min_value=0, max_value=1_000),
)
def test_a_fixed_payout_is_bought_exactly_and_the_position_bears_less_than_two_cents(
    payout_minor: int, currency: str, mid: Decimal, markup: int
) -> None:
    trail, payout = make_trail(str(mid), markup), Money(payout_minor, currency)
    net = smallest_net_minor(payout, trail.rate)
    if net > 10**14:
        return
    payment = make_payment(terms=agree_payout(Money(net, "USD"), payout, FEES, trail))

    balances = _balances(_all(payment))

    assert not [account for account, _ in balances if account.startswith("fx:rounding")]
    assert balances["payments:USD", "USD"] == balances[f"payments:{currency}", currency] == 0
    sold, bought = (
        -balances["fx:position:USD", "USD"],
        balances[f"fx:position:{currency}", currency],
    )
    assert (bought, sold - balances["revenue:fx:USD", "USD"]) == (payout_minor, net)
    minor_per_cent = mid.scaleb(exponent(currency) - 2)
    left = sold * minor_per_cent - bought
    assert -Decimal("0.501") * (1 + minor_per_cent) <= left
    assert left <= Decimal("1.501") * minor_per_cent + Decimal("0.501")


@given(
    amount_minor=st.integers(min_value=300, max_value=10**8),
    rule=st.sampled_from(ExchangeRule),
)
def test_a_refunded_payment_leaves_nothing_on_any_account(
    amount_minor: int, rule: ExchangeRule
) -> None:
    payment = make_payment(terms=make_terms(amount_minor), exchange_rule=rule)

    balances = _balances(
        [
            *collection_postings(payment),
            *exchange_postings(payment),
            *unwinding_postings(replace(payment, state=State.CONVERTED)),
            *refund_postings(payment, payment.terms.amount),
        ]
    )

    assert set(balances.values()) == {0}


def _written(postings: Iterable[Posting]) -> list[tuple[str, str, str, str]]:
    return [(p.debit, p.credit, str(p.amount), p.cause) for p in postings]


OWED, FX = "payments:USD", "fx:position:USD"


@pytest.mark.parametrize(
    ("amount_minor", "rows"),
    [
        # 98.01 dollars are worth 14,701.50 yen, a tie that goes to the even side.
        (
            10_100,
            [
                (OWED, "revenue:fx:USD", "0.49", "fx_markup"),
                (OWED, FX, "98.01", "exchange_sold"),
                ("fx:position:JPY", "payments:JPY", "14702", "exchange_bought"),
                ("payments:JPY", "fx:rounding:JPY", "1", "exchange_rounding"),
            ],
        ),
        (
            10_400,
            [
                (OWED, "revenue:fx:USD", "0.51", "fx_markup"),
                (OWED, FX, "100.99", "exchange_sold"),
                ("fx:position:JPY", "payments:JPY", "15148", "exchange_bought"),
                ("fx:rounding:JPY", "payments:JPY", "1", "exchange_rounding"),
            ],
        ),
        (
            10_300,
            [
                (OWED, "revenue:fx:USD", "0.50", "fx_markup"),
                (OWED, FX, "100.00", "exchange_sold"),
                ("fx:position:JPY", "payments:JPY", "15000", "exchange_bought"),
            ],
        ),
    ],
    ids=["more than the payout", "less than the payout", "the payout"],
)
def test_an_exchange_of_the_first_rule_buys_what_the_dollars_sold_are_worth_and_rounds_the_rest(
    amount_minor: int, rows: list[tuple[str, str, str, str]]
) -> None:
    terms = agree_terms(Money(amount_minor, "USD"), "JPY", FEES, make_trail("150"))
    payment = make_payment(terms=terms, exchange_rule=ExchangeRule.SOLD_AT_MIDDLE)

    assert _written(exchange_postings(payment)) == rows


def test_an_exchange_buys_the_payout_and_posts_no_markup_of_zero() -> None:
    terms = agree_terms(Money(10_100, "USD"), "JPY", FEES, make_trail("150"))
    free = agree_terms(Money(10_100, "USD"), "JPY", FEES, make_trail("150", 0))

    assert _written(exchange_postings(make_payment(terms=terms))) == [
        (OWED, "revenue:fx:USD", "0.49", "fx_markup"),
        (OWED, FX, "98.01", "exchange_sold"),
        ("fx:position:JPY", "payments:JPY", "14701", "exchange_bought"),
    ]
    assert _written(exchange_postings(make_payment(terms=free))) == [
        (OWED, FX, "98.50", "exchange_sold"),
        ("fx:position:JPY", "payments:JPY", "14775", "exchange_bought"),
    ]


@pytest.mark.parametrize("step", Step)
def test_suspense_says_of_which_step_it_is_and_whether_it_grows(step: Step) -> None:
    before = make_attempt(make_payment(), step, AttemptState.UNKNOWN)
    after = replace(before, moved=Money(1, "USD"))

    (grows,), (shrinks,) = suspense_postings(before, after), suspense_postings(after, before)

    assert (grows.cause, shrinks.cause) == (f"{step}_to_suspense", f"{step}_from_suspense")
    assert (grows.debit, grows.credit) == (shrinks.credit, shrinks.debit)
