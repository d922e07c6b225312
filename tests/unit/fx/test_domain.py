"""A rate is exact, with the markup taken once, and no older than allowed."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.fx.domain import Observation, Rate, cross_rate, unusable

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
mids = st.decimals("0.000001", "1000000", places=9, allow_nan=False).filter(bool)


def rate(mid: Decimal, markup_basis_points: int) -> Rate:
    return Rate(
        base_currency="USD",
        quote_currency="JPY",
        source="test",
        observation=Observation(mid=mid, legs=(), observed_at=NOON, fetched_at=NOON),
        markup_basis_points=markup_basis_points,
    )


@pytest.mark.parametrize(
    ("mid", "expected"),
    [
        ("1530.25", "1522.59875"),
        ("149.317", "148.570415"),
        ("0.30695", "0.30541525"),
        ("0.0305", "0.0303475"),
    ],
)
def test_markup_is_taken_exactly(mid: str, expected: str) -> None:
    assert rate(Decimal(mid), 50).rate == Decimal(expected)


def test_rate_is_rounded_once_to_18_significant_digits() -> None:
    mid = Decimal("94.9552452559971357")

    assert rate(mid, 50).rate == Decimal("94.4804690297171500")


@pytest.mark.parametrize(
    ("mid", "expected"),
    [
        ("1.0000000000000003", "0.995000000000000298"),
        ("1.0000000000000001", "0.995000000000000100"),
    ],
)
def test_a_rate_between_two_of_18_digits_goes_to_the_even_one(mid: str, expected: str) -> None:
    assert rate(Decimal(mid), 50).rate == Decimal(expected)


@given(mids)
def test_without_markup_the_customer_gets_the_middle(mid: Decimal) -> None:
    assert rate(mid, 0).rate == mid


@given(mids, st.integers(0, 999))
def test_more_markup_never_means_a_better_rate(mid: Decimal, markup: int) -> None:
    assert 0 < rate(mid, markup + 1).rate < rate(mid, markup).rate <= mid


def test_cross_rate_is_the_quotient_of_its_legs() -> None:
    assert cross_rate(Decimal("1.1172"), Decimal("106.0840")) == Decimal("94.9552452559971357")
    assert cross_rate(Decimal("1.25"), Decimal(1)) == Decimal("0.8")


@given(mids, mids)
def test_cross_rate_has_an_error_in_the_18th_digit_at_most(base: Decimal, quote: Decimal) -> None:
    cross = cross_rate(base, quote)

    assert abs(cross * base - quote) <= quote * Decimal("1e-17")


@pytest.mark.parametrize(
    ("age", "limit", "fresh"),
    [
        (timedelta(hours=24), 24, True),
        (timedelta(hours=24, microseconds=1), 24, False),
        (timedelta(days=3650), None, True),
        (timedelta(0), 1, True),
    ],
)
def test_rate_is_fresh_up_to_the_limit(age: timedelta, limit: int | None, fresh: bool) -> None:
    observation = Observation(mid=Decimal(1), legs=(), observed_at=NOON - age, fetched_at=NOON)

    assert observation.is_fresh(NOON, limit) is fresh


@pytest.mark.parametrize(
    ("mid", "reason"),
    [
        ("0.00009999", "nonsense"),
        ("0.0001", ""),
        ("10000000", ""),
        ("10000000.0001", "nonsense"),
    ],
)
def test_a_rate_is_nonsense_beyond_what_any_currency_is_worth(mid: str, reason: str) -> None:
    observation = Observation(mid=Decimal(mid), legs=(), observed_at=NOON, fetched_at=NOON)

    assert unusable(observation, NOON, live=True) == reason
