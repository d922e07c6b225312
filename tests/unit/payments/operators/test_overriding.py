"""An order for an override is bounded in time and in its distance from the market."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.payments.operators.overriding import (
    OverrideOrder,
    OverrideTooFar,
    OverrideTooLong,
    order_of,
)
from services.payments.operators.policy import OverrideBounds
from services.shared.corridors.model import MidBounds
from tests.makers import NOW

BOUNDS = OverrideBounds(maximum_deviation_basis_points=300, maximum_hours=24)
HOUR, TICK = timedelta(hours=1), timedelta(microseconds=1)


def order(**changes: Any) -> OverrideOrder:
    usual = OverrideOrder(
        corridor_id="us-ng",
        rate=Decimal("1540.5"),
        markup_basis_points=None,
        starts_at=None,
        ends_at=NOW + HOUR,
    )
    return replace(usual, **changes)


@pytest.mark.parametrize(
    ("starts", "ends", "allowed"),
    [
        (None, TICK, True),
        (None, timedelta(0), False),
        (None, -HOUR, False),
        (None, 24 * HOUR, True),
        (None, 24 * HOUR + TICK, False),
        (HOUR, 25 * HOUR, True),
        (HOUR, 25 * HOUR + TICK, False),
        (HOUR, HOUR, False),
        (24 * HOUR, 25 * HOUR, True),
        (24 * HOUR + TICK, 25 * HOUR, False),
        # A beginning in the past is now.
        (-HOUR, 24 * HOUR, True),
        (-HOUR, timedelta(0), False),
    ],
)
def test_an_override_lasts_as_long_as_it_may_and_not_longer(
    starts: timedelta | None, ends: timedelta, allowed: bool
) -> None:
    wanted = order(starts_at=None if starts is None else NOW + starts, ends_at=NOW + ends)

    if allowed:
        wanted.check_times(NOW, BOUNDS)
    else:
        with pytest.raises(OverrideTooLong):
            wanted.check_times(NOW, BOUNDS)


@pytest.mark.parametrize(
    ("rate", "margin", "allowed"),
    [
        ("1576.1575", None, True),
        ("1576.1575000001", None, False),
        ("1484.3425", None, True),
        ("1484.3424999999", None, False),
        (None, 0, True),
        (None, 300, True),
        (None, 301, False),
    ],
)
def test_an_override_is_as_near_to_the_market_as_it_must_be(
    rate: str | None, margin: int | None, allowed: bool
) -> None:
    wanted = order(rate=rate and Decimal(rate), markup_basis_points=margin)

    if allowed:
        wanted.check_distance(Decimal("1530.25"), BOUNDS)
    else:
        with pytest.raises(OverrideTooFar):
            wanted.check_distance(Decimal("1530.25"), BOUNDS)


@pytest.mark.parametrize(
    ("rate", "allowed"),
    [("1500", True), ("1499.99", False), ("1550", True), ("1550.01", False), (None, True)],
)
def test_an_override_is_a_middle_that_the_corridor_believes(
    rate: str | None, allowed: bool
) -> None:
    wanted = order(rate=rate and Decimal(rate), markup_basis_points=None if rate else 5)
    bounds = MidBounds(lowest="1500", highest="1550")

    wanted.check_accepted(None)
    if allowed:
        wanted.check_accepted(bounds)
    else:
        with pytest.raises(OverrideTooFar):
            wanted.check_accepted(bounds)


rates = st.decimals("0.0001", "10000000", places=8, allow_nan=False, allow_infinity=False)


@given(rates | st.integers(0, 1000), st.none() | st.datetimes())
def test_an_order_reads_back_as_a_proposal_keeps_it(what: Any, starts: Any) -> None:
    is_margin = isinstance(what, int)
    wanted = order(
        rate=None if is_margin else what.normalize(),
        markup_basis_points=what if is_margin else None,
        starts_at=starts and starts.replace(tzinfo=NOW.tzinfo),
    )

    assert order_of("us-ng", wanted.arguments) == wanted
