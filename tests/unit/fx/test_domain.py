"""A rate is exact, with the markup taken once, and no older than allowed."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.fx.domain import Observation, Rate, cross_rate, disagree, unusable
from services.fx.market import open_time

# A Wednesday, so that no weekend is among the hours that are counted.
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
mids = st.decimals("0.000001", "1000000", places=9, allow_nan=False).filter(bool)


def rate(mid: Decimal, markup_basis_points: int, closed_market_basis_points: int = 0) -> Rate:
    return Rate(
        base_currency="USD",
        quote_currency="JPY",
        source="test",
        observation=Observation(mid=mid, legs=(), observed_at=NOON, fetched_at=NOON),
        markup_basis_points=markup_basis_points,
        closed_market_basis_points=closed_market_basis_points,
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


@given(mids, st.integers(0, 1000), st.integers(0, 1000))
def test_a_rate_is_the_middle_less_both_margins_rounded_once(
    mid: Decimal, markup: int, closed: int
) -> None:
    exact = Fraction(mid) * (1 - Fraction(markup + closed, 10_000))

    given_rate = rate(mid, markup, closed).rate

    # Half of the last of 18 digits at most: to the nearest, and so rounded once.
    assert abs(Fraction(given_rate) - exact) <= Fraction(1, 2) * Fraction(
        Decimal(1).scaleb(given_rate.adjusted() - 17)
    )


@given(mids, st.integers(0, 1000), st.integers(0, 1000))
def test_margins_are_added_and_not_taken_one_of_the_other(
    mid: Decimal, markup: int, closed: int
) -> None:
    assert rate(mid, markup, closed).rate == rate(mid, markup + closed).rate


@pytest.mark.parametrize(
    ("mids_", "limit", "result"),
    [
        (["100", "101"], 100, False),
        (["101", "100"], 100, False),
        (["100", "101.0000000000001"], 100, True),
        # The two that differ most count, in whatever order they stand.
        (["100", "100.6", "99.5"], 100, True),
        (["100", "100.6", "99.7"], 100, False),
        (["84.5", "0.0118"], 5000, True),
        (["84.5"], 1, False),
    ],
)
def test_sources_disagree_where_the_highest_is_too_far_above_the_lowest(
    mids_: list[str], limit: int, result: bool
) -> None:
    assert disagree([Decimal(mid) for mid in mids_], limit) is result


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


@pytest.mark.parametrize(
    ("observed", "now", "fresh"),
    [
        # Friday's rate on Sunday: 4 hours of Friday, and no more before the market opens.
        ("2026-11-27T18:00", "2026-11-29T21:00", True),
        ("2026-11-27T18:00", "2026-11-30T18:00", True),
        ("2026-11-27T18:00", "2026-11-30T18:01", False),
        ("2026-11-26T18:00", "2026-11-29T12:00", False),
    ],
)
def test_a_closed_market_makes_no_rate_older(observed: str, now: str, fresh: bool) -> None:
    seen, asked = (datetime.fromisoformat(one).replace(tzinfo=UTC) for one in (observed, now))
    observation = Observation(mid=Decimal(1), legs=(), observed_at=seen, fetched_at=seen)

    assert observation.is_fresh(asked, 24) is fresh


@pytest.mark.parametrize(
    ("mid", "reason"),
    [("59.99", "implausible"), ("60", ""), ("110", ""), ("110.01", "implausible")],
)
def test_a_rate_is_implausible_beyond_its_corridors_bounds(mid: str, reason: str) -> None:
    observation = Observation(mid=Decimal(mid), legs=(), observed_at=NOON, fetched_at=NOON)

    assert unusable(observation, NOON, live=True, bounds=(Decimal(60), Decimal(110))) == reason


@given(st.integers(1, 2000), st.integers(0, 6000))
def test_an_age_is_compared_in_open_hours_however_long_it_is(limit: int, hours: int) -> None:
    seen = NOON - timedelta(hours=hours)
    observation = Observation(mid=Decimal(1), legs=(), observed_at=seen, fetched_at=seen)

    within = open_time(seen, NOON) <= timedelta(hours=limit)

    assert observation.is_fresh(NOON, limit) is within
