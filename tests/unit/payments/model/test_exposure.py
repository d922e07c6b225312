"""Position and result explain the book: whatever payments do, a position is all that the other
accounts hold of its currency, and the result is what assets and debts are worth beyond income."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from services.payments.model.exposure import Exposure, Position
from services.payments.model.ledger import (
    Posting,
    collection_postings,
    exchange_postings,
    payout_postings,
    refund_postings,
    return_postings,
    unwinding_postings,
)
from services.payments.model.payment import Payment, State
from services.shared.money import Money, exponent
from tests.makers import make_override, make_payment, make_terms, make_trail

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
# The middle of each currency when its payments were priced.
MIDS = {"NGN": "1530.25", "JPY": "151.3", "KWD": "0.3071", "INR": "94.75"}
INCOME = ("revenue",)
# The lives of a payment, each as far as it came.
LIVES = ("collected", "exchanged", "paid", "returned", "refunded", "refunded_after_return")


def _life(payment: Payment, life: str) -> list[Posting]:
    posted = [*collection_postings(payment)]
    if life != "collected":
        posted += exchange_postings(payment)
    if life in ("paid", "returned", "refunded_after_return"):
        posted += payout_postings(payment)
    if life in ("returned", "refunded_after_return"):
        posted += return_postings(payment)
    if life.startswith("refunded"):
        given_back = replace(payment, state=State.CONVERTED)
        posted += unwinding_postings(given_back)
        posted += refund_postings(payment, payment.terms.amount)
    return posted


def _balances(postings: Iterable[Posting]) -> dict[tuple[str, str], int]:
    sums: dict[tuple[str, str], int] = defaultdict(int)
    for posting in postings:
        sums[posting.debit, posting.amount.currency] += posting.amount.amount_minor
        sums[posting.credit, posting.amount.currency] -= posting.amount.amount_minor
    return sums


def _exposure(balances: dict[tuple[str, str], int], factor: Decimal = Decimal(1)) -> Exposure:
    """The positions of the book, at the middles of the market times a factor."""
    return Exposure(
        positions=[
            Position(
                currency=currency,
                amount_minor=-balance,
                trail=make_trail(str(Decimal(MIDS[currency]) * factor))
                if currency in MIDS
                else None,
            )
            for (account, currency), balance in balances.items()
            if account.startswith("fx:position:")
        ],
        seen_at=NOW,
    )


def _cents(currency: str, minor: int, factor: Decimal) -> Fraction:
    if currency == "USD":
        return Fraction(minor)
    mid = Fraction(Decimal(MIDS[currency]) * factor)
    return Fraction(minor, 10 ** exponent(currency)) / mid * 100


PAYMENTS = st.lists(
    st.tuples(
        st.integers(min_value=300, max_value=10**7),
        st.sampled_from(sorted(MIDS)),
        st.sampled_from(LIVES),
    ),
    max_size=8,
)


def _posted(payments: Sequence[tuple[int, str, str]]) -> list[Posting]:
    return [
        posting
        for amount, currency, life in payments
        for posting in _life(make_payment(terms=make_terms(amount, currency, MIDS[currency])), life)
    ]


@given(payments=PAYMENTS)
def test_a_position_is_all_that_the_other_accounts_of_its_currency_hold(
    payments: list[tuple[int, str, str]],
) -> None:
    balances = _balances(_posted(payments))

    for position in _exposure(balances).positions:
        others = sum(
            balance
            for (account, currency), balance in balances.items()
            if currency == position.currency and not account.startswith("fx:position:")
        )
        assert position.amount_minor == others


@given(payments=PAYMENTS, factor=st.decimals(min_value="0.5", max_value=2, places=4))
def test_assets_and_debts_at_the_middle_are_our_income_and_the_result(
    payments: list[tuple[int, str, str]], factor: Decimal
) -> None:
    balances = _balances(_posted(payments))
    exposure = _exposure(balances, factor)

    held = sum(
        (
            _cents(currency, balance, factor)
            for (account, currency), balance in balances.items()
            if account.split(":")[0] not in ("fx", *INCOME)
        ),
        start=Fraction(0),
    )
    income = -sum(
        balance for (account, _), balance in balances.items() if account.split(":")[0] in INCOME
    )

    result = exposure.result_minor
    assert result is not None
    # Each worth is rounded to a cent.
    assert abs(held - income - result) <= Fraction(len(exposure.positions), 2)


@given(payments=PAYMENTS)
def test_at_the_rates_of_the_exchanges_the_result_is_their_rounding_alone(
    payments: list[tuple[int, str, str]],
) -> None:
    exposure = _exposure(_balances(_posted(payments)))

    steps = [Fraction(100) / Fraction(MIDS[c]) / 10 ** exponent(c) for _, c, _ in payments]
    most = sum(((1 + step) / 2 for step in steps), start=Fraction(len(exposure.positions), 2))
    result = exposure.result_minor
    assert result is not None
    assert abs(result) <= most


def test_payments_that_are_given_back_leave_no_position() -> None:
    exposure = _exposure(
        _balances(_posted([(10_000, "NGN", "refunded"), (5_000, "JPY", "refunded")]))
    )

    assert [position.amount_minor for position in exposure.positions] == [0, 0, 0]
    assert exposure.result_minor == 0


def test_a_currency_that_we_owe_and_that_becomes_dearer_is_a_loss() -> None:
    balances = _balances(_posted([(10_000, "NGN", "paid")]))

    dearer = _exposure(balances, Decimal("0.5"))

    owed = next(one for one in dearer.positions if one.currency == "NGN")
    assert owed.amount_minor == -14_845_338
    assert owed.worth_minor == -19_403
    # 97.01 dollars were sold for it.
    assert dearer.result_minor == 9_701 - 19_403


def test_a_position_is_worth_the_market_s_middle_also_under_an_override() -> None:
    override = make_override(rate=Decimal(95), market_mid_rate=Decimal(100))
    trail = replace(make_trail("95"), override=override)

    owed = Position(currency="INR", amount_minor=-1_000_00, trail=trail)

    assert owed.worth_minor == -10_00


def test_without_a_middle_neither_worth_nor_result_is_known() -> None:
    unknown = Position(currency="NGN", amount_minor=-1)
    dollars = Position(currency="USD", amount_minor=100)

    assert unknown.worth_minor is None
    assert Exposure(positions=[dollars, unknown], seen_at=NOW).result_minor is None
    nothing = Position(currency="NGN", amount_minor=0)
    assert Exposure(positions=[dollars, nothing], seen_at=NOW).result_minor == 100


def test_a_limit_counts_what_we_owe_and_never_what_we_hold() -> None:
    most = Money(1_000, "NGN")

    assert Position(currency="NGN", amount_minor=-1_000, maximum_owed=most).is_limit_reached
    assert not Position(currency="NGN", amount_minor=-999, maximum_owed=most).is_limit_reached
    assert not Position(currency="NGN", amount_minor=5_000, maximum_owed=most).is_limit_reached
    assert not Position(currency="NGN", amount_minor=-5_000).is_limit_reached
