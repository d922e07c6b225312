"""The week of the currency market, which is one rule: it is closed from Friday 17:00 to Sunday
17:00 in New York, whatever the season. Holidays are not in it. Pure."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")
_EDGE = time(17, tzinfo=NEW_YORK)
_FRIDAY, _SUNDAY, _WEEK = timedelta(days=4), timedelta(days=6), timedelta(days=7)


def opens_at(now: datetime) -> datetime | None:
    """The moment at which a closed market opens again; None while it is open."""
    closes, opens = _weekend(_monday(now))
    return opens if closes <= now < opens else None


def open_time(start: datetime, end: datetime) -> timedelta:
    """The part of the time between both in which the market was open."""
    total, monday = end - start, _monday(start)
    while True:
        closes, opens = _weekend(monday)
        if closes >= end:
            return total
        total -= max(min(opens, end) - max(closes, start), timedelta(0))
        monday += _WEEK


def _monday(instant: datetime) -> date:
    day = instant.astimezone(NEW_YORK).date()
    return day - timedelta(days=day.weekday())


def _weekend(monday: date) -> tuple[datetime, datetime]:
    # In UTC, because a difference within one zone leaves out the hour by which clocks are changed.
    friday, sunday = (datetime.combine(monday + days, _EDGE) for days in (_FRIDAY, _SUNDAY))
    return friday.astimezone(UTC), sunday.astimezone(UTC)
