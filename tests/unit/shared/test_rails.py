"""A rail takes the amounts between its bounds that it can write, in its currency and country."""

from datetime import time
from typing import Any

import pytest

from services.shared.money import Money
from services.shared.recipients import RecipientKind
from services.shared.recipients.rails import CutOff, Rail


def _rail(**changes: Any) -> Rail:
    given = {
        "recipient_kind": RecipientKind.MOBILE_MONEY,
        "minimum": Money(100_000, "TZS"),
        "maximum": Money(500_000_000, "TZS"),
        "decimals": 0,
        **changes,
    }
    return Rail(**given)


@pytest.mark.parametrize(
    ("minor", "takes"),
    [
        (100_000, True),
        (500_000_000, True),
        (99_900, False),
        (500_000_100, False),
        (100_100, True),
        (100_050, False),
        (100_001, False),
    ],
)
def test_a_rail_of_whole_units_takes_whole_units_within_its_bounds(minor: int, takes: bool) -> None:
    assert _rail().takes(Money(minor, "TZS")) is takes


@pytest.mark.parametrize(
    ("operators", "operator", "reaches"),
    [(set(), "MTN", True), ({"MTN"}, "MTN", True), ({"MTN"}, "", True), ({"MTN"}, "WAVE", False)],
)
def test_a_network_is_reached_where_the_rail_names_it_or_none(
    operators: set[str], operator: str, reaches: bool
) -> None:
    rail = _rail(operators=frozenset(operators))

    assert rail.reaches(RecipientKind.MOBILE_MONEY, operator) is reaches
    assert not rail.reaches(RecipientKind.WALLET, operator)


def test_an_amount_of_another_currency_is_not_taken_whatever_its_size() -> None:
    rail = _rail()
    assert not rail.pays_in("KES", "")
    assert rail.pays_in("TZS", "TZ")


@pytest.mark.parametrize(
    ("of_rail", "asked", "pays"),
    [("", "CI", True), ("CI", "CI", True), ("CI", "SN", False), ("CI", "", True)],
)
def test_a_country_counts_where_both_name_one(of_rail: str, asked: str, pays: bool) -> None:
    assert _rail(country=of_rail).pays_in("TZS", asked) is pays


@pytest.mark.parametrize(
    "changes",
    [
        {"decimals": 3},
        {"decimals": -1},
        {"minimum": Money(0, "TZS")},
        {"minimum": Money(100_050, "TZS")},
        {"minimum": Money(500_000_100, "TZS")},
        {"maximum": Money(500_000_001, "TZS")},
    ],
    ids=str,
)
def test_a_rail_whose_own_bounds_cannot_be_sent_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"rail|decimals"):
        _rail(**changes)


def test_a_cut_off_is_shown_with_the_place_where_it_counts() -> None:
    assert str(CutOff(time=time(17, 0), time_zone="Asia/Tokyo")) == "17:00 Asia/Tokyo"
