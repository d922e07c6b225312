"""Whatever the figures, the postings of a payment leave nothing on its account when it is over."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from services.payments.domain.ledger import (
    Posting,
    collection_postings,
    exchange_postings,
    payout_postings,
    refund_postings,
    unwinding_postings,
)
from services.payments.domain.payment import Payment, State
from tests.makers import make_payment, make_terms


def _balances(postings: Iterable[Posting]) -> dict[tuple[str, str], int]:
    sums: dict[tuple[str, str], int] = defaultdict(int)
    for posting in postings:
        sums[posting.debit, posting.amount.currency] += posting.amount.amount_minor
        sums[posting.credit, posting.amount.currency] -= posting.amount.amount_minor
    return sums


def _all(payment: Payment) -> list[Posting]:
    return [
        *collection_postings(payment),
        *exchange_postings(payment.terms),
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


def test_the_recipient_is_paid_the_promised_amount_whatever_rounding_costs() -> None:
    balances = _balances(_all(make_payment()))

    assert balances["offramp:local_wallet:NGN", "NGN"] == -14_845_338
    assert balances["fx:position:NGN", "NGN"] + balances["fx:rounding:NGN", "NGN"] == 14_845_338


@given(amount_minor=st.integers(min_value=300, max_value=10**8))
def test_a_refunded_payment_leaves_nothing_on_any_account(amount_minor: int) -> None:
    payment = make_payment(terms=make_terms(amount_minor))

    balances = _balances(
        [
            *collection_postings(payment),
            *exchange_postings(payment.terms),
            *unwinding_postings(replace(payment, state=State.CONVERTED)),
            *refund_postings(payment, payment.terms.amount),
        ]
    )

    assert set(balances.values()) == {0}


def test_zero_amounts_are_not_posted() -> None:
    terms = make_terms()

    assert all(posting.amount.amount_minor > 0 for posting in exchange_postings(terms))
