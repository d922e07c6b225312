"""Another database comes below a running process: it is noticed over the first connection to it,
before anything else is done."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.recovery.gates import claims
from services.payments.recovery.ports import DatabaseOlder
from services.payments.recovery.standing import WENT_BACK, Standing
from services.payments.recovery.store.marks import PostgresMarks
from services.shared.beside import beside
from services.shared.db import connected
from tests.conftest import Database, new_engine
from tests.database.payments.recovery.lists import Lists
from tests.polling import until


@pytest.fixture
async def operator(database: Database) -> AsyncIterator[AsyncEngine]:
    """Connections of somebody else."""
    async with new_engine(database) as engine:
        yield engine


@pytest.fixture
async def exchanged(engine: AsyncEngine, operator: AsyncEngine) -> Standing:
    """A process below which another database is now: all connections to the one before ended."""
    marks = PostgresMarks(engine)
    standing = Standing(marks, Lists(), grows=True)
    await standing.begin()
    marks.watch(standing.meet, standing.admit)
    for _ in range(5):
        await standing.look()
    async with operator.begin() as connection:
        await connection.execute(text("UPDATE database_mark SET mark = 2"))
    await engine.dispose()
    return standing


async def test_nothing_is_done_over_the_first_connections_to_a_database_that_went_back(
    engine: AsyncEngine, exchanged: Standing
) -> None:
    # A call that comes now was admitted before anybody could know.
    exchanged.refuse()

    for _ in range(2):
        with pytest.raises(DatabaseOlder):
            async with connected(engine):
                pass

    with pytest.raises(DatabaseOlder):
        exchanged.refuse()


async def test_the_comparison_reaches_a_database_that_went_back(
    engine: AsyncEngine, operator: AsyncEngine, exchanged: Standing
) -> None:
    with pytest.raises(DatabaseOlder):
        async with connected(engine):
            pass

    async def finding() -> str:
        return (await PostgresMarks(operator).read()).finding

    async with beside(exchanged.run):
        assert await until(finding, bool) == WENT_BACK


async def test_a_database_that_went_back_and_was_accepted_is_reached_by_all(
    engine: AsyncEngine, operator: AsyncEngine, exchanged: Standing
) -> None:
    with pytest.raises(DatabaseOlder):
        async with connected(engine):
            pass
    await PostgresMarks(operator).accept(accepted_by="ada", reason="a drill")

    async def reached() -> bool:
        try:
            async with connected(engine):
                return True
        except DatabaseOlder:
            return False

    async with beside(exchanged.run):
        assert await until(reached, bool)
    exchanged.refuse()


class Claims:
    """A port whose work begins with a claim."""

    async def claim(self, count: int, *, more: int) -> int:
        return count + more


async def test_neither_an_event_to_a_merchant_nor_a_list_of_events_is_claimed_on_it(
    engine: AsyncEngine, exchanged: Standing
) -> None:
    outbox, lists = claims(exchanged, Claims(), Claims())
    assert await outbox.claim(1, more=2) == await lists.claim(1, more=2) == 3

    with pytest.raises(DatabaseOlder):
        async with connected(engine):
            pass

    assert await outbox.claim(1, more=2) == ()
    assert await lists.claim(1, more=2) is None
