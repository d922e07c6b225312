"""Every corridor that ships is whole, and prices a hundred dollars."""

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.fees.domain import calculate
from services.shared.corridors import TierKind, load_corridors
from services.shared.money import Money

FOLDER = Path(__file__).parents[3] / "deploy" / "corridors"
HUNDRED = Money(10000, "USD")
SHIPPED = list(load_corridors(FOLDER, live=False))


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.toml")), ids=lambda path: path.stem)
def test_corridor_prices_a_hundred_dollars(path: Path) -> None:
    corridor = load_corridors(FOLDER, live=False).get(path.stem)

    fees = calculate(corridor.schedule_on(date(2026, 11, 23)), HUNDRED)

    assert corridor.limits.minimum <= HUNDRED <= corridor.limits.maximum
    assert fees.total < HUNDRED


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.toml")), ids=lambda path: path.stem)
def test_corridor_file_opens_by_saying_what_it_is(path: Path) -> None:
    assert path.read_text().startswith("# ")


@given(st.data())
def test_one_more_cent_raises_the_fees_by_at_most_one_cent(data: st.DataObject) -> None:
    corridor = data.draw(st.sampled_from(SHIPPED))
    schedule = data.draw(st.sampled_from(corridor.fees))
    if schedule.tier_kind is TierKind.WHOLE_AMOUNT:
        return
    lowest, highest = corridor.limits.minimum.amount_minor, corridor.limits.maximum.amount_minor
    edges = [lowest, *(tier.start.amount_minor - 1 for tier in schedule.tiers), highest - 1]
    minor = data.draw(st.sampled_from(edges) | st.integers(lowest, highest - 1))
    less, more = (calculate(schedule, Money(one, "USD")).total for one in (minor, minor + 1))

    assert more.amount_minor - less.amount_minor in (0, 1)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.toml")), ids=lambda path: path.stem)
def test_the_shown_minimum_can_be_sent(path: Path) -> None:
    corridor = load_corridors(FOLDER, live=False).get(path.stem)

    for schedule in corridor.fees:
        assert calculate(schedule, corridor.limits.minimum).total < corridor.limits.minimum


@pytest.mark.parametrize("corridor_id", ["us-in", "us-jp", "us-mx", "us-ng", "us-ph"])
def test_first_corridors_take_two_dollars_fifty_of_a_hundred(corridor_id: str) -> None:
    corridor = load_corridors(FOLDER, live=False).get(corridor_id)

    fees = calculate(corridor.schedule_on(date(2026, 11, 23)), HUNDRED)

    assert fees.total == Money(250, "USD")


def test_first_corridors_are_there() -> None:
    currencies = {corridor.destination.currency for corridor in load_corridors(FOLDER, live=False)}

    assert currencies >= {"INR", "JPY", "MXN", "NGN", "PHP"}
