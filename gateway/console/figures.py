"""The figures of the overview, as bars: the text of each is complete without its picture."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from gateway.console.client import Record
from gateway.console.words import span

# A payment of such an age needs no look, a look, and a person.
_AGES = {"0": "busy", "10min": "busy", "1h": "warn", "4h": "warn", "1d": "bad"}
_AGE_WORDS = {
    "0": "below 10 min",
    "10min": "from 10 min",
    "1h": "from 1 h",
    "4h": "from 4 h",
    "1d": "from 1 d",
}


@dataclass(frozen=True)
class Segment:
    """A part of a bar, in percent of the longest one."""

    begins: float
    width: float
    tone: str


@dataclass(frozen=True)
class Bar:
    """One row of a plot: its name, its bar, and the same in words."""

    name: str
    segments: Sequence[Segment]
    text: str


def bars(rows: Sequence[tuple[str, Sequence[tuple[int, str]], str]]) -> list[Bar]:
    """Bars of rows, each a name, counts with their colours, and a text."""
    longest = max((sum(count for count, _ in counts) for _, counts, _ in rows), default=0) or 1
    return [Bar(name, _segments(counts, longest), text) for name, counts, text in rows]


def _segments(counts: Sequence[tuple[int, str]], longest: int) -> Sequence[Segment]:
    found, begins = [], 0.0
    for count, tone in counts:
        width = round(100 * count / longest, 2)
        if width:
            found.append(Segment(round(begins, 2), width, tone))
        begins += width
    return found


def under_way(overview: Record) -> list[Bar]:
    """The payments that the engine carries on, by state, coloured by age."""
    groups: dict[str, list[Record]] = {}
    for one in overview["under_way"]:
        groups.setdefault(one["state"], []).append(one)
    return bars(
        [
            (
                state,
                [(one["payments"], _AGES.get(one["age"], "bad")) for one in ages],
                f"{sum(one['payments'] for one in ages)}: "
                + ", ".join(
                    f"{one['payments']} {_AGE_WORDS.get(one['age'], one['age'])}" for one in ages
                ),
            )
            for state, ages in groups.items()
        ]
    )


def providers(overview: Record) -> list[Bar]:
    """The attempts at each provider, by their ends."""
    return bars(
        [
            (
                f"{one['provider']} {one['step']}",
                [
                    (one["succeeded"], "good"),
                    (one["open"] - one["unknown"], "busy"),
                    (one["unknown"], "warn"),
                    (one["failed"], "bad"),
                ],
                f"{share(one['succeeded'], one['succeeded'] + one['failed'])} succeeded: "
                f"{one['succeeded']}, failed {one['failed']}, open {one['open']}, "
                f"of these unknown {one['unknown']}",
            )
            for one in overview["providers"]
            if one["succeeded"] + one["failed"] + one["open"]
        ]
    )


def corridors(overview: Record) -> list[Bar]:
    """The payments of each corridor, by their ends."""
    return bars(
        [
            (
                one["corridor_id"],
                [
                    (one["completed"], "good"),
                    (one["payments"] - one["completed"] - one["not_completed"], "busy"),
                    (one["not_completed"], "bad"),
                ],
                f"{share(one['completed'], one['completed'] + one['not_completed'])} completed: "
                f"{one['completed']} of {one['payments']}, not completed {one['not_completed']}",
            )
            for one in overview["corridors"]
        ]
    )


def share(part: int, whole: int) -> str:
    """A part in percent."""
    return f"{Decimal(100) * part / whole:.1f} %" if whole else "none"


def money(groups: Iterable[Record]) -> Decimal:
    """The amounts of these groups together."""
    return sum((Decimal(one["amount_usd"] or "0") for one in groups), Decimal())


def seconds(length: float) -> str:
    """A length of time, given in seconds, for people: `4.2 s`, from ten on as a span is written."""
    return f"{length:.1f} s" if length < 10 else span(timedelta(seconds=length))
