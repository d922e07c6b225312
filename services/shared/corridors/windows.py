"""The fee schedules of a corridor in time: which one counts on a day for a merchant, and the
refusals of windows that leave a day without a price, or with two."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import combinations, pairwise

from services.shared.corridors.prices import FeeSchedule

# Those whom a schedule is for, and whether it is a promotion: schedules that are alike follow one
# another in time.
Group = tuple[frozenset[str], bool]


@dataclass(frozen=True)
class Window:
    """A schedule with the days on which it is in force: from the first to the one before `until`,
    and without an end where that is None."""

    schedule: FeeSchedule
    until: date | None

    @property
    def rank(self) -> tuple[bool, bool]:
        """The greater one counts: a merchant's own price before one of everybody's, and a promotion
        before the price that it lies over."""
        return bool(self.schedule.merchants), self.schedule.promotional

    def covers(self, day: date, merchant_id: str) -> bool:
        """Whether it is in force on this day for this merchant."""
        schedule = self.schedule
        return (
            schedule.effective_from <= day
            and (self.until is None or day < self.until)
            and (not schedule.merchants or merchant_id in schedule.merchants)
        )

    def meets(self, other: "Window") -> bool:
        """Whether there is a day on which both are in force."""
        return (self.until is None or other.schedule.effective_from < self.until) and (
            other.until is None or self.schedule.effective_from < other.until
        )


def windows_of(schedules: Sequence[FeeSchedule]) -> tuple[Window, ...]:
    """Each schedule with its days: one that names no end lasts until the next that is alike."""
    windows = []
    for alike in _groups(schedules).values():
        for schedule, following in zip(alike, [*alike[1:], None], strict=True):
            ends = following.effective_from if following else None
            windows.append(Window(schedule, schedule.effective_until or ends))
    return tuple(windows)


def in_force(windows: Sequence[Window], day: date, merchant_id: str) -> FeeSchedule | None:
    """The schedule that counts on a day for a merchant; None where there is none yet."""
    covering = [window for window in windows if window.covers(day, merchant_id)]
    return max(covering, key=lambda window: window.rank).schedule if covering else None


def window_problems(schedules: Sequence[FeeSchedule]) -> Iterator[str]:
    """Days without a price and days with two, versions that are there twice, and windows that
    cannot be."""
    if len({schedule.version for schedule in schedules}) < len(schedules):
        yield "two fee schedules have the same version"
    for schedule in schedules:
        until = schedule.effective_until
        if until is not None and until <= schedule.effective_from:
            yield f"fee schedule {schedule.version}: effective_until is not after effective_from"
        if schedule.promotional and until is None:
            yield f"fee schedule {schedule.version}: a promotion needs effective_until"
    groups = _groups(schedules)
    for alike in groups.values():
        dates = [schedule.effective_from for schedule in alike]
        if sorted(set(dates)) != dates:
            yield "fee schedules must be in order of effective_from"
            return
    everybody = groups.get((frozenset(), False), [])
    yield from _gaps(everybody, schedules)
    yield from _overlaps(windows_of(schedules))


def _gaps(everybody: Sequence[FeeSchedule], schedules: Sequence[FeeSchedule]) -> Iterator[str]:
    if not everybody:
        yield "no fee schedule is for everybody: all are promotions or name merchants"
        return
    for schedule, following in pairwise(everybody):
        until = schedule.effective_until
        if until is not None and until < following.effective_from:
            yield f"no fee schedule is in force from {until} to {following.effective_from}"
    last = everybody[-1].effective_until
    if last is not None:
        yield f"no fee schedule is in force from {last} on"
    for schedule in schedules:
        if schedule.effective_from < everybody[0].effective_from:
            yield (
                f"fee schedule {schedule.version} begins before {everybody[0].version}, the first "
                "one that is for everybody"
            )


def _overlaps(windows: Sequence[Window]) -> Iterator[str]:
    for one, other in combinations(windows, 2):
        shared = sorted({*one.schedule.merchants} & {*other.schedule.merchants})
        if one.rank != other.rank or not one.meets(other):
            continue
        if shared or not one.schedule.merchants:
            names = f"{one.schedule.version} and {other.schedule.version}"
            whom = f" for {shared[0]}" if shared else ""
            since = max(one.schedule.effective_from, other.schedule.effective_from)
            yield f"fee schedules {names} are both in force{whom} on {since}"


def _groups(schedules: Sequence[FeeSchedule]) -> dict[Group, list[FeeSchedule]]:
    groups: dict[Group, list[FeeSchedule]] = defaultdict(list)
    for schedule in schedules:
        groups[frozenset(schedule.merchants), schedule.promotional].append(schedule)
    return dict(groups)
