"""Every replica prices by the version that counts by the database's clock, or not at all."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from prometheus_client import REGISTRY

from services.payments.mesh.corridors import CurrentRates, HeldCorridors, MadeOf
from services.payments.mesh.ports import RateQuery
from services.payments.model.corridor_version import CorridorVersion
from services.payments.model.quote import RateTrail
from services.payments.model.timing import (
    CORRIDORS_EFFECTIVE,
    CORRIDORS_FRESH_SECONDS,
    CORRIDORS_REFRESH_SECONDS,
    CORRIDORS_SWITCH_SECONDS,
    HELD_WAIT_SECONDS,
)
from services.shared.corridors import CorridorFiles, Corridors, canonical, read_folder, version_of
from services.shared.errors import DomainError, Unavailable
from tests.corridors import SHIPPED
from tests.makers import NOW, make_trail

SHIPPED_FILES = read_folder(SHIPPED)
INDIA, JAPAN = ({f"{name}.toml": SHIPPED_FILES[f"{name}.toml"]} for name in ("us-in", "us-jp"))
NONSENSE = {"us-in.toml": "of_a_newer_release = true"}


class Database:
    """Its clock, its versions, and how long a reading takes."""

    def __init__(self, *applied: tuple[float, CorridorFiles]) -> None:
        """Each with the second from which on it counts."""
        self.monotonic = 0.0
        self.takes = 0.0
        self.read: list[str] = []
        self.is_away = False
        self.contents: dict[str, CorridorFiles] = {}
        self.versions: list[CorridorVersion] = []
        for seconds, files in applied:
            self.apply(seconds, files)

    def apply(self, seconds: float, files: CorridorFiles) -> None:
        version = version_of(canonical(files))
        self.contents[version] = files
        at = NOW + timedelta(seconds=seconds)
        self.versions.append(
            CorridorVersion(
                sequence=len(self.versions) + 1,
                version=version,
                applied_by="ada",
                reason="",
                applied_at=at - CORRIDORS_EFFECTIVE,
                effective_at=at,
            )
        )

    def clock(self) -> float:
        return self.monotonic

    async def sleep(self, seconds: float) -> None:
        self.monotonic += seconds
        await asyncio.sleep(0)

    async def open(self) -> tuple[datetime, Sequence[CorridorVersion]]:
        if self.is_away:
            raise Unavailable
        self.monotonic += self.takes
        # The question may reach it at any moment of the reading: here at its end.
        now = NOW + timedelta(seconds=self.monotonic)
        begun = [one.sequence for one in self.versions if one.effective_at <= now]
        return now, self.versions[begun[-1] - 1 if begun else 0 :]

    async def files(self, version: str) -> CorridorFiles:
        self.read.append(version)
        return self.contents[version]


def holder(database: Database) -> HeldCorridors:
    return HeldCorridors(database, live=False, clock=database.clock, sleep=database.sleep)


async def ids(held: HeldCorridors) -> list[str]:
    return [one.id for one in await held.current()]


async def test_a_version_counts_from_its_moment_on() -> None:
    database = Database((-9, INDIA), (3, JAPAN))
    held = holder(database)

    assert await ids(held) == ["us-in"]
    database.monotonic = 2.999
    assert await ids(held) == ["us-in"]
    database.monotonic = 3.0
    assert await ids(held) == ["us-jp"]
    assert REGISTRY.get_sample_value("caravel_corridors_sequence") == 2


async def test_within_the_doubt_about_the_database_s_clock_a_call_waits() -> None:
    # After a reading of half a second the database may be as far ahead of what it has said.
    database = Database((-9, INDIA), (1.5, JAPAN))
    database.takes = 0.5
    held = holder(database)
    assert await ids(held) == ["us-in"]
    database.monotonic = 0.99
    assert await ids(held) == ["us-in"]
    database.monotonic = 1.2

    assert await ids(held) == ["us-jp"]

    assert 1.5 <= database.monotonic <= 1.5 + 2 * CORRIDORS_SWITCH_SECONDS


async def test_the_files_of_a_version_are_read_once_and_before_it_counts() -> None:
    database = Database((-9, INDIA), (3, JAPAN))
    held = holder(database)
    await held.load()
    database.monotonic = 3.5
    await held.load()
    await held.load()

    assert [list(database.contents[one]) for one in database.read] == [list(INDIA), list(JAPAN)]
    assert await ids(held) == ["us-jp"]


async def test_nothing_is_priced_by_an_old_reading() -> None:
    database = Database((-9, INDIA))
    held = holder(database)
    await held.load()
    database.is_away = True

    database.monotonic = CORRIDORS_FRESH_SECONDS
    assert await ids(held) == ["us-in"]
    database.monotonic += 0.01
    with pytest.raises(Unavailable):
        await held.current()
    # A version that a reading lacks does not count yet, as long as the reading is fresh.
    assert CORRIDORS_EFFECTIVE.total_seconds() > CORRIDORS_FRESH_SECONDS
    assert CORRIDORS_REFRESH_SECONDS + HELD_WAIT_SECONDS < CORRIDORS_FRESH_SECONDS


async def test_a_replica_that_cannot_read_the_files_prices_nothing_rather_than_by_the_old() -> None:
    database = Database((-9, INDIA), (3, NONSENSE), (9, JAPAN))
    held = holder(database)
    assert await ids(held) == ["us-in"]
    database.monotonic = 3.0

    with pytest.raises(Unavailable, match="cannot read the corridor files"):
        await held.refuse_unreadable()

    assert REGISTRY.get_sample_value("caravel_corridors_sequence") == 0
    database.monotonic = 9.0
    assert await ids(held) == ["us-jp"]


async def test_nothing_is_priced_before_any_files_were_applied() -> None:
    with pytest.raises(Unavailable, match="no corridor files were applied"):
        await holder(Database()).current()


async def test_a_thing_made_of_corridors_is_made_again_where_they_change_and_only_there() -> None:
    database, made = Database((-9, INDIA), (3, JAPAN)), []

    def make(corridors: Corridors) -> list[str]:
        made.append([one.id for one in corridors])
        return made[-1]

    things = MadeOf(holder(database), make)
    first = await things.current()
    assert await things.current() is first
    database.monotonic = 3.0

    assert await things.current() == ["us-jp"]
    assert made == [["us-in"], ["us-jp"]]


class Rates:
    """Keeps the version of each query."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def get(self, queries: Sequence[RateQuery]) -> Sequence[RateTrail | DomainError]:
        self.asked += [one.corridors_version for one in queries]
        return [make_trail() for _ in queries]


async def test_a_process_that_holds_nothing_asks_by_the_version_that_counts() -> None:
    database, rates = Database((-9, INDIA), (3, JAPAN)), Rates()
    current = CurrentRates(rates, database)

    await current.get([RateQuery(corridor_id="us-in")])
    database.monotonic = 3.0
    await current.get([RateQuery(corridor_id="us-in")])

    assert rates.asked == [version_of(canonical(files)) for files in (INDIA, JAPAN)]
    with pytest.raises(Unavailable):
        await CurrentRates(rates, Database()).get([RateQuery(corridor_id="us-in")])
