"""A quote by an override is held to the override that two people agreed on."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from services.payments.audit.overridden import Agreed, faults
from services.payments.audit.prices import Prices
from tests.makers import NOW, make_override, make_quote, make_trail

AGREED = Agreed(
    corridor_id="us-ng",
    rate=Decimal("1540.5"),
    markup_basis_points=None,
    maximum_deviation_basis_points=300,
    starts_at=NOW - timedelta(hours=1),
    ends_at=NOW + timedelta(hours=1),
    proposed_by="ada",
    approved_by="grace",
    is_agreed=True,
)
MARKET = Decimal("1530.25")
TRAIL = replace(make_trail("1540.5"), override=make_override(market_mid_rate=MARKET))
QUOTE = make_quote(trail=TRAIL)
MARGIN = replace(AGREED, rate=None, markup_basis_points=50)
BY_MARGIN = replace(
    make_trail(),
    markup_basis_points=50,
    override=make_override(rate=None, markup_basis_points=50, market_mid_rate=MARKET),
)


def test_a_quote_by_an_override_that_was_agreed_holds() -> None:
    assert list(faults(QUOTE, {"ovr_1": AGREED})) == []
    assert list(faults(make_quote(trail=BY_MARGIN), {"ovr_1": MARGIN})) == []
    assert list(faults(make_quote(), {})) == []


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"is_agreed": False}, ["not agreed by two"]),
        ({"corridor_id": "us-mx"}, ["another corridor"]),
        ({"starts_at": NOW + timedelta(minutes=1)}, ["not in force"]),
        ({"ends_at": NOW - timedelta(minutes=1)}, ["not in force"]),
        ({"rate": Decimal("1540")}, ["other terms", "another price"]),
        ({"approved_by": "mallory"}, ["other terms"]),
        ({"maximum_deviation_basis_points": 10}, ["other terms", "beyond its bound"]),
    ],
)
def test_each_way_in_which_an_override_does_not_hold_is_found(
    changes: dict[str, Any], found: list[str]
) -> None:
    assert list(faults(QUOTE, {"ovr_1": replace(AGREED, **changes)})) == found


@pytest.mark.parametrize(
    ("trail", "found"),
    [
        (replace(TRAIL, mid_rate=Decimal("1545")), ["another price"]),
        (replace(TRAIL, override=make_override()), ["beyond its bound"]),
        (replace(TRAIL, override=make_override(market_mid_rate=Decimal(9))), ["beyond its bound"]),
    ],
    ids=["another middle", "no market", "far from the market"],
)
def test_a_price_that_does_not_follow_is_found(trail: Any, found: list[str]) -> None:
    assert list(faults(make_quote(trail=trail), {"ovr_1": AGREED})) == found


@pytest.mark.parametrize(
    "changes", [{"markup_basis_points": 40}, {"closed_market_basis_points": 5}, {"mid_rate": 1540}]
)
def test_the_margin_of_an_override_is_the_whole_one_on_the_market_s_middle(
    changes: dict[str, Any],
) -> None:
    quote = make_quote(trail=replace(BY_MARGIN, **changes))

    assert list(faults(quote, {"ovr_1": MARGIN})) == ["another price"]


def test_a_price_by_an_override_that_never_was_is_counted() -> None:
    prices = Prices({})
    prices.look(QUOTE)

    assert prices.overridden.violations == 1
    assert prices.overridden.examples == (f"{QUOTE.quote_id} no such override",)
