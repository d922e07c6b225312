"""The accounts that an adjustment may change, and how far, over every pair of them."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.payments.model.adjustment import (
    BOUNDS,
    PAIRS,
    AccountNotAdjustable,
    Adjusted,
    Adjustment,
    AdjustmentTooLarge,
)
from services.shared.errors import NotAllowedNow
from services.shared.money import Money

ALL = (
    "onramp:stripe:USD",
    "onramp:wise:USD",
    "offramp:wise:USD",
    "offramp:stripe:USD",
    "suspense:stripe:USD",
    "suspense:wise:USD",
    "chargebacks:USD",
    "adjustments:USD",
    "payments:USD",
    "revenue:fees:USD",
    "revenue:fx:USD",
    "fx:position:USD",
    "fx:rounding:USD",
)


def adjustment(debit: str, credit: str, minor: int = 5) -> Adjustment:
    return Adjustment(debit=debit, credit=credit, amount=Money(minor, "USD"), evidence="line 12")


def test_the_tables_name_the_same_kinds() -> None:
    assert set().union(*PAIRS) == set(BOUNDS)


def test_only_the_pairs_of_the_table_are_adjusted_and_of_one_provider() -> None:
    allowed = set()
    for debit, credit in product(ALL, repeat=2):
        try:
            adjustment(debit, credit).check()
        except NotAllowedNow:
            continue
        allowed.add(frozenset({debit, credit}))

    assert allowed == {
        frozenset(pair)
        for pair in (
            ("suspense:stripe:USD", "adjustments:USD"),
            ("suspense:wise:USD", "adjustments:USD"),
            ("suspense:stripe:USD", "onramp:stripe:USD"),
            ("suspense:stripe:USD", "offramp:stripe:USD"),
            ("suspense:wise:USD", "onramp:wise:USD"),
            ("suspense:wise:USD", "offramp:wise:USD"),
            ("chargebacks:USD", "adjustments:USD"),
        )
    }


@pytest.mark.parametrize("account", ["adjustments:x:USD", "suspense:USD", "suspense::USD", ":USD"])
def test_an_account_that_the_book_does_not_have_is_refused(account: str) -> None:
    with pytest.raises(AccountNotAdjustable):
        adjustment(account, "adjustments:USD").check()


@given(
    own=st.integers(-20, 20),
    clearing=st.integers(-20, 20),
    orders=st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(1, 20)), max_size=12),
)
def test_no_run_of_adjustments_leaves_the_bounds(
    own: int, clearing: int, orders: list[tuple[bool, bool, int]]
) -> None:
    suspense, onramp, gain = "suspense:stripe:USD", "onramp:stripe:USD", "adjustments:USD"
    adjusted = dict.fromkeys((suspense, onramp, gain), 0)
    for is_debit, is_gain, minor in orders:
        other = gain if is_gain else onramp
        debit, credit = (suspense, other) if is_debit else (other, suspense)
        wanted = adjustment(debit, credit, minor)
        try:
            Adjusted(own={suspense: own, onramp: clearing}, adjusted=adjusted).check(wanted)
        except AdjustmentTooLarge:
            continue
        adjusted[debit] += minor
        adjusted[credit] -= minor
        assert min(0, own) <= own + adjusted[suspense] <= max(0, own)
        assert is_gain or clearing + adjusted[onramp] >= 0
    assert sum(adjusted.values()) == 0
