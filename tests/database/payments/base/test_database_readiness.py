"""Whether work can be done in the database: PostgreSQL in the ways in which it cannot, and back."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from services.payments.base.database_readiness import TABLES, DatabaseReadiness
from services.shared.errors import Unavailable
from tests.conftest import Database
from tests.polling import until


@pytest.fixture
async def readiness(database: Database) -> AsyncIterator[DatabaseReadiness]:
    asked = DatabaseReadiness(lambda: database.url)
    yield asked
    asked.close()


async def is_ready(asked: DatabaseReadiness) -> bool:
    try:
        await asked.ask()
    except Unavailable:
        return False
    return True


async def test_a_database_at_work_is_ready_each_time(readiness: DatabaseReadiness) -> None:
    assert [await is_ready(readiness) for _ in range(3)] == [True] * 3


async def test_it_changes_nothing(readiness: DatabaseReadiness, database: Database) -> None:
    await readiness.ask()

    owner = await asyncpg.connect(database.owner_url)
    counts = [await owner.fetchval(f"SELECT count(*) FROM {t}") for t in TABLES.split(", ")]
    await owner.close()
    assert counts == [0] * len(counts)


@pytest.mark.parametrize("table", TABLES.split(", "))
async def test_a_locked_table_is_seen_until_it_is_free(
    readiness: DatabaseReadiness, database: Database, table: str
) -> None:
    owner = await asyncpg.connect(database.owner_url)
    async with owner.transaction():
        await owner.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(Unavailable) as locked:
            await readiness.ask()
    await owner.close()

    assert locked.value.cause == "QueryCanceledError SQLSTATE 57014"
    assert await is_ready(readiness)


async def test_a_session_that_was_ended_is_one_failure(
    readiness: DatabaseReadiness, database: Database
) -> None:
    await readiness.ask()
    administrator = await asyncpg.connect(database.superuser_url)
    await administrator.execute(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
        " WHERE application_name = 'caravel-readiness' AND datname = current_database()"
    )
    await administrator.close()

    async def ready() -> bool:
        return await is_ready(readiness)

    await until(ready, bool)


async def test_no_disk_left_is_seen(readiness: DatabaseReadiness, database: Database) -> None:
    """A limit of temporary files is how a test can have a full disk: 53400, of the same class."""
    administrator = await asyncpg.connect(database.superuser_url)
    name = await administrator.fetchval("SELECT current_database()")
    await administrator.execute(
        f'ALTER ROLE caravel_app IN DATABASE "{name}" SET temp_file_limit = 0'
    )
    await administrator.close()

    with pytest.raises(Unavailable) as full:
        await readiness.ask()

    assert full.value.cause.startswith("ConfigurationLimitExceededError SQLSTATE 53400")


@asynccontextmanager
async def paused(process: int) -> AsyncIterator[None]:
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


async def test_a_session_that_hangs_is_not_awaited_for_ever(
    readiness: DatabaseReadiness, database: Database
) -> None:
    await readiness.ask()
    administrator = await asyncpg.connect(database.superuser_url)
    backend = await administrator.fetchval(
        "SELECT pid FROM pg_stat_activity"
        " WHERE application_name = 'caravel-readiness' AND datname = current_database()"
    )
    await administrator.close()

    async with paused(backend):
        async with asyncio.timeout(30):
            assert not await is_ready(readiness)

    assert await is_ready(readiness)
