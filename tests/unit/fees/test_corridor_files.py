"""Every corridor that ships is whole, and prices a hundred dollars."""

from datetime import date
from pathlib import Path

import pytest

from services.fees.domain import calculate, schedule_on
from services.shared.corridors import load_corridors
from services.shared.money import Money

FOLDER = Path(__file__).parents[3] / "deploy" / "corridors"
HUNDRED = Money(10000, "USD")


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.toml")), ids=lambda path: path.stem)
def test_corridor_prices_a_hundred_dollars(path: Path) -> None:
    corridor = load_corridors(FOLDER).get(path.stem)

    fees = calculate(schedule_on(corridor, date(2026, 11, 23)), HUNDRED)

    assert corridor.limits.minimum <= HUNDRED <= corridor.limits.maximum
    assert fees.total < HUNDRED


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.toml")), ids=lambda path: path.stem)
def test_corridor_file_opens_by_saying_what_it_is(path: Path) -> None:
    assert path.read_text().startswith("# ")


@pytest.mark.parametrize("corridor_id", ["us-in", "us-jp", "us-mx", "us-ng", "us-ph"])
def test_first_corridors_take_two_dollars_fifty_of_a_hundred(corridor_id: str) -> None:
    corridor = load_corridors(FOLDER).get(corridor_id)

    fees = calculate(schedule_on(corridor, date(2026, 11, 23)), HUNDRED)

    assert fees.total == Money(250, "USD")


def test_first_corridors_are_there() -> None:
    currencies = {corridor.destination.currency for corridor in load_corridors(FOLDER)}

    assert currencies >= {"INR", "JPY", "MXN", "NGN", "PHP"}
