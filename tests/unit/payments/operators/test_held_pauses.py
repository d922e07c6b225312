"""A pause counts as soon as a replica has read it, and until its end by the database's clock is
sure; without a new reading nothing is priced."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from services.payments.model.pause import Pause, PauseKind, UnderWay, paused_by
from services.payments.model.timing import HELD_FRESH_SECONDS
from services.payments.operators.held_pauses import HeldPauses
from services.shared.errors import Unavailable
from services.shared.ids import new_id
from tests.makers import NOW

PAUSE = Pause(
    id=new_id(),
    kind=PauseKind.CORRIDOR,
    name="us-ng",
    under_way=UnderWay.FINISH,
    reason="maintenance",
    paused_by="ada",
    starts_at=NOW,
    ends_at=None,
)


class Database:
    """Its clock, its pauses, and how long a reading takes."""

    def __init__(self, *pauses: Pause) -> None:
        self.pauses = pauses
        self.monotonic = 0.0
        self.takes = 0.0
        self.is_away = False

    def clock(self) -> float:
        return self.monotonic

    async def open(self) -> tuple[datetime, Sequence[Pause]]:
        self.monotonic += self.takes
        if self.is_away:
            raise Unavailable
        return NOW + timedelta(seconds=self.monotonic), self.pauses


async def test_a_pause_counts_and_ends_with_the_next_reading() -> None:
    database = Database()
    held = HeldPauses(database, clock=database.clock)
    await held.load()
    before = await held.in_force()

    database.pauses = (PAUSE,)
    await held.load()
    during = await held.in_force()
    database.pauses = ()
    await held.load()

    assert [before, during, await held.in_force()] == [
        paused_by([]),
        paused_by([PAUSE]),
        paused_by([]),
    ]


async def test_within_the_doubt_about_the_database_s_clock_a_pause_still_counts() -> None:
    # By our clock the database is at 0.2 s at the end of the reading, or was there 0.2 s before.
    database = Database(replace(PAUSE, ends_at=NOW + timedelta(seconds=0.3)))
    database.takes = 0.2
    held = HeldPauses(database, clock=database.clock)
    await held.load()

    seen = []
    for at in (0.2, 0.29, 0.3, 0.4):
        database.monotonic = at
        seen.append("us-ng" in (await held.in_force()).corridors)

    assert seen == [True, True, False, False]


async def test_without_a_new_reading_nothing_is_known() -> None:
    database = Database()
    held = HeldPauses(database, clock=database.clock)
    await held.load()
    database.is_away = True
    database.monotonic = HELD_FRESH_SECONDS + 0.01

    with pytest.raises(Unavailable):
        await held.in_force()
