"""The pool of connections in figures, and in the log the cause of a failure."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.shared.db import autocommitted, connected, open_engine
from services.shared.errors import Unavailable
from tests.conftest import Database
from tests.logs import logged
from tests.polling import until

POOL = "test-pool"


@pytest.fixture
async def small(database: Database) -> AsyncIterator[AsyncEngine]:
    """An engine with one connection."""
    opened = open_engine(database.url, pool_size=1, application=POOL)
    yield opened
    await opened.dispose()


def figure(name: str) -> float | None:
    return REGISTRY.get_sample_value(f"caravel_database_pool_{name}", {"pool": POOL})


async def test_the_pool_publishes_its_size_its_use_and_its_waiting_callers(
    small: AsyncEngine,
) -> None:
    async def use() -> None:
        async with connected(autocommitted(small)):
            pass

    async def waiting() -> float | None:
        return figure("waiting")

    async with connected(small):
        assert (figure("connections_max"), figure("connections_used")) == (1, 1)
        other = asyncio.create_task(use())
        await until(waiting, lambda seen: seen == 1)
    await other

    assert (figure("connections_used"), figure("waiting")) == (0, 0)


async def test_caller_that_gives_up_no_longer_waits(small: AsyncEngine) -> None:
    async with connected(small):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01), connected(small):
                pass

    assert figure("waiting") == 0


async def test_the_cause_of_an_unavailable_database_is_in_the_log(small: AsyncEngine) -> None:
    too_long = text("SELECT pg_sleep(10), :secret")
    with logged("payments") as lines:
        with pytest.raises(Unavailable) as away:
            async with connected(small) as connection:
                await connection.execute(text("SET LOCAL statement_timeout = 1"))
                await connection.execute(too_long, {"secret": "swordfish"})

        [line] = lines()
    assert (line["event"], line["level"]) == ("database_unavailable", "warning")
    assert line["cause"] == away.value.cause == "QueryCanceledError SQLSTATE 57014"
    assert "swordfish" not in str(line)
