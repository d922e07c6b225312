"""Of several schedules one counts on each day for each merchant, and a file with a day that has
none, or two, is refused in a sentence."""

from datetime import date
from typing import Any

import pytest

from services.shared.corridors import FeeSchedule
from services.shared.ids import Prefix, encode_id, new_id
from tests.schedules import corridor_with, make_schedule, refusals

ACME, OTHER = (encode_id(Prefix.MERCHANT, new_id()) for _ in range(2))


def _schedule(version: str, begins: str, until: str = "", **terms: Any) -> FeeSchedule:
    ends = {"effective_until": date.fromisoformat(until)} if until else {}
    return make_schedule(
        version=version, effective_from=date.fromisoformat(begins), percent="1", **ends, **terms
    )


BASE = _schedule("base", "2026-01-01")
SALE = _schedule("sale", "2026-06-01", "2026-07-01", promotional=True)
OWN = _schedule("own", "2026-03-01", merchants=[ACME])
OWN_SALE = _schedule("own-sale", "2026-06-15", "2026-06-16", merchants=[ACME], promotional=True)


@pytest.mark.parametrize(
    ("day", "merchant", "version"),
    [
        ("2026-01-01", "", "base"),
        ("2026-05-31", OTHER, "base"),
        ("2026-06-01", OTHER, "sale"),
        ("2026-06-30", "", "sale"),
        ("2026-07-01", OTHER, "base"),
        ("2026-02-28", ACME, "base"),
        ("2026-03-01", ACME, "own"),
        ("2026-06-01", ACME, "own"),
        ("2026-06-15", ACME, "own-sale"),
        ("2026-06-15", OTHER, "sale"),
        ("2026-06-16", ACME, "own"),
        ("2030-01-01", ACME, "own"),
    ],
)
def test_a_merchants_own_price_counts_before_a_promotion_and_that_before_everybodys(
    day: str, merchant: str, version: str
) -> None:
    corridor = corridor_with(BASE, SALE, OWN, OWN_SALE)

    assert refusals(BASE, SALE, OWN, OWN_SALE) == []
    assert corridor.schedule_on(date.fromisoformat(day), merchant).version == version


def test_a_schedule_without_an_end_lasts_until_the_next_for_the_same_merchants() -> None:
    later = _schedule("later", "2026-09-01")
    corridor = corridor_with(BASE, OWN, later, _schedule("own-2", "2026-08-01", merchants=[ACME]))

    assert corridor.schedule_on(date(2026, 8, 31)).version == "base"
    assert corridor.schedule_on(date(2026, 9, 1)).version == "later"
    assert corridor.schedule_on(date(2026, 9, 1), ACME).version == "own-2"


def test_windows_that_meet_leave_no_day_out() -> None:
    first = _schedule("first", "2026-01-01", "2026-06-01")

    assert refusals(first, _schedule("second", "2026-06-01")) == []


@pytest.mark.parametrize(
    ("schedules", "words"),
    [
        (
            [_schedule("a", "2026-01-01", "2026-06-01"), _schedule("b", "2026-06-02")],
            "no fee schedule is in force from 2026-06-01 to 2026-06-02",
        ),
        (
            [_schedule("a", "2026-01-01", "2026-06-01")],
            "no fee schedule is in force from 2026-06-01 on",
        ),
        (
            [_schedule("a", "2026-01-01", "2026-06-02"), _schedule("b", "2026-06-01")],
            "fee schedules a and b are both in force on 2026-06-01",
        ),
        (
            [BASE, SALE, _schedule("sale-2", "2026-06-30", "2026-08-01", promotional=True)],
            "fee schedules sale and sale-2 are both in force on 2026-06-30",
        ),
        (
            [BASE, OWN, _schedule("both", "2026-05-01", merchants=[OTHER, ACME])],
            f"fee schedules own and both are both in force for {ACME} on 2026-05-01",
        ),
        (
            [BASE, _schedule("early", "2025-12-31", merchants=[ACME])],
            "fee schedule early begins before base, the first one that is for everybody",
        ),
        ([OWN], "no fee schedule is for everybody: all are promotions or name merchants"),
        (
            [BASE, _schedule("sale", "2026-06-01", promotional=True)],
            "fee schedule sale: a promotion needs effective_until",
        ),
        (
            [BASE, _schedule("sale", "2026-06-01", "2026-06-01", promotional=True)],
            "fee schedule sale: effective_until is not after effective_from",
        ),
        ([BASE, _schedule("base", "2026-02-01")], "two fee schedules have the same version"),
        (
            [_schedule("b", "2026-06-01"), BASE],
            "fee schedules must be in order of effective_from",
        ),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_a_day_without_a_price_or_with_two_is_refused(
    schedules: list[FeeSchedule], words: str
) -> None:
    assert words in refusals(*schedules)


def test_two_merchants_may_have_prices_of_their_own_at_a_time() -> None:
    assert refusals(BASE, OWN, _schedule("other", "2026-03-01", merchants=[OTHER])) == []


def test_a_merchant_that_nobody_knows_may_be_named_but_no_text_that_is_no_id() -> None:
    assert refusals(BASE, _schedule("new", "2026-02-01", merchants=[OTHER, "sandbox"])) == []
    with pytest.raises(ValueError, match="acme is no id of a merchant"):
        _schedule("own", "2026-02-01", merchants=["acme"])
