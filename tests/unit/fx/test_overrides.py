"""An override replaces the middle or the margin, within its bounds and before its end."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.fx.domain import Observation, Override, Rate
from services.fx.overrides import OverrideOutOfBounds, apply_override, outcome_of

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
TICK = timedelta(microseconds=1)
MARKET = Rate(
    base_currency="USD",
    quote_currency="INR",
    source="test",
    observation=Observation(mid=Decimal(80), legs=(), observed_at=NOON, fetched_at=NOON),
    markup_basis_points=50,
)
mids = st.decimals("0.0001", "10000000", places=8, allow_nan=False, allow_infinity=False)


def override(**changes: Any) -> Override:
    usual = Override(
        override_id="ovr_1",
        mid=Decimal(81),
        markup_basis_points=None,
        expires_at=NOON + timedelta(hours=1),
        maximum_deviation_basis_points=300,
        proposed_by="ada",
        approved_by="grace",
        reason="the market is thin",
    )
    return replace(usual, **changes)


def margin(basis_points: int) -> Override:
    return override(mid=None, markup_basis_points=basis_points)


def test_a_value_replaces_the_middle_and_leaves_the_margin() -> None:
    answer = apply_override(MARKET, override(), NOON)

    assert isinstance(answer, Rate)
    assert (answer.mid, answer.markup_basis_points) == (Decimal(81), 50)
    assert answer.rate == Decimal("80.595")


def test_a_value_leaves_the_margin_of_a_closed_market() -> None:
    answer = apply_override(replace(MARKET, closed_market_basis_points=50), override(), NOON)

    assert isinstance(answer, Rate)
    assert answer.rate == Decimal("80.19")


def test_a_margin_replaces_all_of_the_margin_and_leaves_the_middle() -> None:
    answer = apply_override(replace(MARKET, closed_market_basis_points=30), margin(0), NOON)

    assert isinstance(answer, Rate)
    assert answer.closed_market_basis_points == 0
    assert (answer.mid, answer.markup_basis_points, answer.rate) == (Decimal(80), 0, Decimal(80))


def test_the_answer_names_the_override_and_the_market_s_middle_beside_it() -> None:
    answer = apply_override(MARKET, override(), NOON)

    assert isinstance(answer, Rate)
    assert answer.override == override(market_mid=Decimal(80))


@pytest.mark.parametrize(
    ("moment", "applied"),
    [(timedelta(hours=1) - TICK, True), (timedelta(hours=1), False), (timedelta(hours=2), False)],
    ids=["just before its end", "at its end", "after it"],
)
def test_an_override_that_has_ended_is_not_applied(moment: timedelta, applied: bool) -> None:
    answer = apply_override(MARKET, override(), NOON + moment)

    assert isinstance(answer, Rate)
    assert (answer != MARKET) is applied
    assert outcome_of(answer) == ("applied" if applied else "ended")


@pytest.mark.parametrize(
    ("mid", "within"),
    [
        ("82.4", True),
        ("82.40000001", False),
        ("77.6", True),
        ("77.59999999", False),
        ("NaN", False),
        ("Infinity", False),
        ("0", False),
        ("-80", False),
    ],
)
def test_a_value_is_applied_up_to_its_distance_from_the_market(mid: str, within: bool) -> None:
    answer = apply_override(MARKET, override(mid=Decimal(mid)), NOON)

    assert isinstance(answer, Rate) is within


@pytest.mark.parametrize(("points", "within"), [(0, True), (300, True), (301, False), (-1, False)])
def test_a_margin_is_applied_up_to_the_same_distance(points: int, within: bool) -> None:
    assert isinstance(apply_override(MARKET, margin(points), NOON), Rate) is within


@pytest.mark.parametrize(
    ("mid", "within"),
    [("79", True), ("78.9999", False), ("81", True), ("81.00000001", False)],
)
def test_a_value_is_applied_only_where_the_corridor_would_accept_it(mid: str, within: bool) -> None:
    accepted = (Decimal(79), Decimal(81))

    answer = apply_override(MARKET, override(mid=Decimal(mid)), NOON, accepted)

    assert isinstance(answer, Rate) is within
    # A margin leaves the market's middle, which was looked at already.
    assert isinstance(apply_override(MARKET, margin(0), NOON, accepted), Rate)


@pytest.mark.parametrize("mid", [None, Decimal(80)])
def test_an_override_of_both_or_of_neither_is_refused(mid: Decimal | None) -> None:
    both = override(mid=mid, markup_basis_points=None if mid is None else 50)

    answer = apply_override(MARKET, both, NOON)

    assert isinstance(answer, OverrideOutOfBounds)
    assert answer.metadata == {"pair": "USD/INR"}
    assert outcome_of(answer) == "out_of_bounds"


@given(mids, mids, st.integers(0, 10_000))
def test_no_price_is_farther_from_the_market_than_the_bound(
    market: Decimal, mid: Decimal, most: int
) -> None:
    now = replace(MARKET, observation=replace(MARKET.observation, mid=market))
    bounded = override(mid=mid, maximum_deviation_basis_points=most)

    answer = apply_override(now, bounded, NOON)

    is_near = abs(mid - market) * 10_000 <= market * most
    assert isinstance(answer, Rate) is is_near
