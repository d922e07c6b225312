"""An override counts from its begin to its end by the database's clock, known to a bound."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from services.payments.model.timing import (
    HELD_FRESH_SECONDS,
    HELD_REFRESH_SECONDS,
)
from services.payments.operators.held_overrides import (
    HeldOverrides,
    ReadOverrides,
    rate_override,
)
from services.payments.operators.overriding import AgreedOverride
from services.shared.errors import Unavailable
from services.shared.ids import new_id
from tests.makers import NOW

AGREED = AgreedOverride(
    id=new_id(),
    corridor_id="us-ng",
    rate=Decimal("1540.5"),
    markup_basis_points=None,
    maximum_deviation_basis_points=300,
    starts_at=NOW - timedelta(hours=1),
    ends_at=NOW + timedelta(hours=1),
    proposal_id=new_id(),
    proposed_by="ada",
    approved_by="grace",
    reason="thin market",
)


class Database:
    """Its clock, its overrides, and how long a reading takes."""

    def __init__(self, *overrides: AgreedOverride) -> None:
        self.overrides = overrides
        self.monotonic = 0.0
        self.takes = 0.0
        self.asked = 0
        self.is_away = False

    def clock(self) -> float:
        return self.monotonic

    async def open(self) -> tuple[datetime, Sequence[AgreedOverride]]:
        self.asked += 1
        await asyncio.sleep(0)
        self.monotonic += self.takes
        if self.is_away:
            raise Unavailable
        # The question may reach it at any moment of the reading: here at its end.
        return NOW + timedelta(seconds=self.monotonic), self.overrides


def lasting(begin: float, end: float) -> AgreedOverride:
    return replace(
        AGREED,
        starts_at=NOW + timedelta(seconds=begin),
        ends_at=NOW + timedelta(seconds=end),
    )


@pytest.mark.parametrize(
    ("begin", "end", "at", "counts"),
    [
        (0.0, 0.5, 0.0, True),
        (0.0, 0.5, 0.499, True),
        (0.0, 0.5, 0.5, False),
        (0.25, 0.5, 0.249, False),
        (0.25, 0.5, 0.25, True),
        (-9.0, 0.0, 0.0, False),
    ],
)
@pytest.mark.parametrize("port", [HeldOverrides, ReadOverrides])
async def test_an_override_is_in_force_from_its_begin_until_before_its_end(
    port: Any, begin: float, end: float, at: float, counts: bool
) -> None:
    database = Database(lasting(begin, end))
    held = HeldOverrides(database, clock=database.clock)
    overrides = held if port is HeldOverrides else ReadOverrides(database)
    await held.load()

    database.monotonic = at

    assert (await overrides.in_force()).keys() == ({"us-ng"} if counts else set())


async def test_within_the_doubt_about_the_database_s_clock_an_override_does_not_count() -> None:
    # The reading takes 0.2 s: by our clock the database is at 0.2 s at the end of it, and may have
    # been there 0.2 s before.
    database = Database(lasting(0.25, 0.45))
    database.takes = 0.2
    held = HeldOverrides(database, clock=database.clock)
    await held.load()
    database.takes = 0.0

    seen = []
    for at in (0.2, 0.24, 0.25, 0.3):
        database.monotonic = at
        seen.append(bool(await held.in_force()))

    assert seen == [False, False, False, False]
    # A longer one counts, in the time that is sure.
    database.overrides = (lasting(0.25, 9.0),)
    await held.load()
    database.monotonic = 0.3
    assert await held.in_force()


async def test_no_creation_asks_the_database_while_the_reading_is_new() -> None:
    database = Database(AGREED)
    held = HeldOverrides(database, clock=database.clock)
    await held.load()

    for _ in range(100):
        assert await held.in_force() == {"us-ng": rate_override(AGREED)}

    assert database.asked == 1


async def test_a_reading_that_is_old_is_made_again_once_for_all_that_wait() -> None:
    database = Database()
    held = HeldOverrides(database, clock=database.clock)
    await held.load()
    database.overrides = (AGREED,)
    database.monotonic = HELD_FRESH_SECONDS + 0.01

    found = await asyncio.gather(*(held.in_force() for _ in range(10)))

    assert all(one.keys() == {"us-ng"} for one in found)
    assert database.asked == 2


async def test_nothing_is_priced_by_an_old_reading_where_the_database_is_away() -> None:
    database = Database(AGREED)
    held = HeldOverrides(database, clock=database.clock)
    await held.load()
    database.is_away = True
    database.monotonic = HELD_FRESH_SECONDS + 0.01

    with pytest.raises(Unavailable):
        await held.in_force()


async def test_a_reading_that_is_old_at_its_end_is_made_again_once_for_all_that_wait() -> None:
    class StoodStill(Database):
        async def open(self) -> tuple[datetime, Sequence[AgreedOverride]]:
            # By the reading that was too slow, the override would not count.
            self.takes = HELD_FRESH_SECONDS + 0.01 if self.asked == 0 else 0.0
            found = await super().open()
            self.overrides = (AGREED,)
            return found

    database = StoodStill()
    held = HeldOverrides(database, clock=database.clock)

    found = await asyncio.gather(*(held.in_force() for _ in range(8)))

    assert all(one.keys() == {"us-ng"} for one in found)
    assert database.asked == 2


async def test_readings_that_are_all_old_at_their_end_price_nothing() -> None:
    database = Database(AGREED)
    database.takes = HELD_FRESH_SECONDS + 0.01
    held = HeldOverrides(database, clock=database.clock, wait_seconds=0.01)

    refused = await asyncio.gather(*(held.in_force() for _ in range(8)), return_exceptions=True)

    assert [type(one) for one in refused] == [Unavailable] * 8
    database.takes = 0.0
    assert await held.in_force()


async def test_a_call_does_not_wait_for_a_reading_that_does_not_end() -> None:
    answered = asyncio.Event()

    class Hanging(Database):
        read = asyncio.Event()

        async def open(self) -> tuple[datetime, Sequence[AgreedOverride]]:
            await answered.wait()
            self.read.set()
            return await super().open()

    database = Hanging(AGREED)
    held = HeldOverrides(database, clock=database.clock, wait_seconds=0.0)

    with pytest.raises(Unavailable):
        await held.in_force()

    # The reading went on, for those who come later.
    answered.set()
    await database.read.wait()
    await asyncio.sleep(0)
    assert await held.in_force()
    assert database.asked == 1


async def test_readings_go_on_after_one_that_fails() -> None:
    database = Database(AGREED)
    database.is_away = True
    pauses: list[float] = []
    done = asyncio.Event()

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        database.is_away = False
        if len(pauses) == 3:
            done.set()
            await asyncio.Event().wait()

    held = HeldOverrides(database, clock=database.clock, sleep=sleep)
    async with held.refreshed():
        await done.wait()

    assert pauses == [HELD_REFRESH_SECONDS] * 3
    assert await held.in_force()
    assert HELD_REFRESH_SECONDS < HELD_FRESH_SECONDS < 1
