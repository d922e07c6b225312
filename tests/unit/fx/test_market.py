"""The market's week: closed from Friday 17:00 to Sunday 17:00 in New York, summer and winter."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.fx.market import NEW_YORK, open_time, opens_at

HOUR = timedelta(hours=1)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "opens"),
    [
        # Winter: New York is five hours behind.
        ("2026-11-27T21:59:59", None),
        ("2026-11-27T22:00", "2026-11-29T22:00"),
        ("2026-11-28T12:00", "2026-11-29T22:00"),
        ("2026-11-29T21:59:59", "2026-11-29T22:00"),
        ("2026-11-29T22:00", None),
        ("2026-12-01T03:00", None),
        # Summer: four.
        ("2026-07-03T20:59:59", None),
        ("2026-07-03T21:00", "2026-07-05T21:00"),
        ("2026-07-05T21:00", None),
        # The weekends in which clocks are changed: forward on March 8th, back on November 1st.
        ("2026-03-06T21:59:59", None),
        ("2026-03-06T22:00", "2026-03-08T21:00"),
        ("2026-03-08T20:59:59", "2026-03-08T21:00"),
        ("2026-03-08T21:00", None),
        ("2026-10-30T21:00", "2026-11-01T22:00"),
        ("2026-11-01T21:30", "2026-11-01T22:00"),
        ("2026-11-01T22:00", None),
    ],
)
def test_a_closed_market_says_when_it_opens(now: str, opens: str | None) -> None:
    assert opens_at(utc(now)) == (utc(opens) if opens else None)


@pytest.mark.parametrize(
    ("start", "end", "hours"),
    [
        ("2026-11-25T12:00", "2026-11-26T12:00", 24),
        # From Friday's close to Sunday's opening no time passes.
        ("2026-11-27T22:00", "2026-11-29T22:00", 0),
        ("2026-11-27T16:00", "2026-11-29T12:00", 6),
        ("2026-11-27T16:00", "2026-11-30T00:00", 8),
        ("2026-11-28T00:00", "2026-11-29T00:00", 0),
        # A week has five days, in the weeks with 47 and 49 closed hours too.
        ("2026-11-25T12:00", "2026-12-02T12:00", 120),
        ("2026-03-04T12:00", "2026-03-11T12:00", 121),
        ("2026-10-28T12:00", "2026-11-04T12:00", 119),
        # A clock that is behind.
        ("2026-11-25T12:00", "2026-11-25T11:00", -1),
    ],
)
def test_a_closed_market_is_no_part_of_the_time(start: str, end: str, hours: int) -> None:
    assert open_time(utc(start), utc(end)) == hours * HOUR


instants = st.datetimes(datetime(2024, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC))


@given(instants, st.integers(0, 24 * 40))
def test_open_time_is_the_sum_of_its_open_hours(start: datetime, hours: int) -> None:
    start = start.replace(minute=0, second=0, microsecond=0)
    counted = sum(opens_at(start + number * HOUR) is None for number in range(hours))

    assert open_time(start, start + hours * HOUR) == counted * HOUR


@given(instants)
def test_the_market_opens_on_sunday_at_17_in_new_york(now: datetime) -> None:
    opens = opens_at(now)

    if opens is not None:
        local = opens.astimezone(NEW_YORK)
        assert (local.weekday(), local.hour, local.minute) == (6, 17, 0)
        assert timedelta(0) < opens - now <= 49 * HOUR
