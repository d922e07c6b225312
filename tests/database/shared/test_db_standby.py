"""A COMMIT that waits for its synchronous standby: whoever gives up leaves it waiting, so that
nobody reads rows which a loss of the primary would take back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import asyncpg
import pytest
from sqlalchemy import text

from services.shared.db import connected, open_engine
from tests import polling
from tests.servers import private_cluster

WAITING = "SELECT query FROM pg_stat_activity WHERE wait_event = 'SyncRep'"


@pytest.fixture
async def alone() -> AsyncIterator[str]:
    """The superuser's address of a server whose standby is away; with a table of notes."""
    with private_cluster() as server:
        connection = await asyncpg.connect(server.superuser_url)
        await connection.execute("CREATE TABLE note (words text)")
        await connection.execute("ALTER SYSTEM SET synchronous_standby_names = 'away'")
        await connection.execute("SELECT pg_reload_conf()")
        await _until_commits_wait(connection, server.superuser_url)
        connection.terminate()
        yield server.superuser_url


async def test_nobody_reads_what_waits_for_a_standby_after_its_writer_has_gone(alone: str) -> None:
    reader, driver = await asyncpg.connect(alone), await asyncpg.connect(alone)
    engine = open_engine(alone, pool_size=1, application="writer")

    async def write() -> None:
        async with connected(engine) as connection:
            await connection.execute(text("INSERT INTO note VALUES ('left')"))
            await connection.commit()

    async def write_and_cancel() -> None:
        await driver.execute("INSERT INTO note VALUES ('cancelled')")

    await _give_up(reader, asyncio.create_task(write()), waiting=1)
    await _give_up(reader, asyncio.create_task(write_and_cancel()), waiting=2)

    # The driver's own connection asks the server to end the wait, and shows that it would.
    notes = await polling.until(lambda: reader.fetch("SELECT words FROM note"), bool)
    assert [row["words"] for row in notes] == ["cancelled"]
    assert [row["query"] for row in await reader.fetch(WAITING)] == ["COMMIT;"]
    for connection in (reader, driver):
        connection.terminate()
    await engine.dispose()


async def _give_up(reader: asyncpg.Connection, task: asyncio.Task[None], *, waiting: int) -> None:
    """Cancels a writer as soon as so many wait for the standby."""
    await polling.until(lambda: reader.fetch(WAITING), lambda rows: len(rows) == waiting)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def _until_commits_wait(reader: asyncpg.Connection, address: str) -> None:
    """The server takes a new setting up when it comes to it."""
    writer = await asyncpg.connect(address)

    async def commit() -> None:
        while True:
            await writer.execute("SELECT pg_logical_emit_message(true, 'note', '')")

    commits = asyncio.create_task(commit())
    await polling.until(lambda: reader.fetch(WAITING), bool)
    commits.cancel()
    with suppress(asyncio.CancelledError):
        await commits
    await writer.close()
