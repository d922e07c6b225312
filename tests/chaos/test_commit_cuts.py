"""A session that is cut at the very COMMIT, against a real PostgreSQL: what is lost, what has
happened all the same, and that our own way to the database calls either of it unavailable."""

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg
import pytest
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import AsyncEngine

from deploy.local.mesh import ports
from deploy.local.mesh.ports import HOST
from services.shared.db import autocommitted, connected, open_engine, transaction
from services.shared.errors import Unavailable
from tests.chaos.proxy import Link, Toxic
from tests.chaos.wires import Postgres
from tests.conftest import Database

TRIES = 24
Commit = Callable[[AsyncEngine, int], Awaitable[None]]


@asynccontextmanager
async def _link(database: Database, toxic: Toxic) -> AsyncIterator[tuple[Link, str]]:
    """A link to the database with a toxic, and the address through it."""
    address = make_url(database.owner_url)
    owner = await asyncpg.connect(_plain(database.owner_url))
    await owner.execute("CREATE TABLE notes (number integer)")
    await owner.close()
    with ports.claimed(["link"]) as claimed:
        link = Link(
            "a>postgresql",
            port=claimed["link"],
            target_port=address.port or 0,
            wire=Postgres,
            rng=random.Random(1),
        )
        await link.open()
        link.set(toxic)
        through = address.set(host=HOST, port=link.port)
        try:
            yield link, through.render_as_string(hide_password=False)
        finally:
            await link.close()


def _plain(url: str) -> str:
    return url.replace("postgresql+asyncpg://", "postgresql://")


async def _committed(database: Database) -> set[int]:
    owner = await asyncpg.connect(_plain(database.owner_url))
    try:
        return {row["number"] for row in await owner.fetch("SELECT number FROM notes")}
    finally:
        await owner.close()


async def _by_sqlalchemy(engine: AsyncEngine, number: int) -> None:
    async with connected(engine) as connection:
        await connection.execute(text(f"INSERT INTO notes VALUES ({number})"))
        await connection.commit()


async def _by_the_driver(engine: AsyncEngine, number: int) -> None:
    async with connected(autocommitted(engine)) as connection, transaction(connection):
        await connection.execute(text(f"INSERT INTO notes VALUES ({number})"))


@pytest.mark.parametrize(
    ("toxic", "struck"),
    [
        (Toxic(cut_commit=1.0), "cut_at_commit"),
        (Toxic(end_commit=1.0), "ended_at_commit"),
        (Toxic(lose_commit_reply=1.0), "commit_reply_lost"),
    ],
    ids=["cut", "ended", "lost"],
)
@pytest.mark.parametrize("commit", [_by_sqlalchemy, _by_the_driver])
async def test_session_that_is_cut_at_its_commit_is_unavailable_however_it_is_cut(
    database: Database, toxic: Toxic, struck: str, commit: Commit
) -> None:
    async with _link(database, toxic) as (link, url):
        engine = open_engine(url, pool_size=1, application="test")
        acknowledged: set[int] = set()
        for number in range(TRIES):
            try:
                await commit(engine, number)
                acknowledged.add(number)
            except Unavailable:
                continue
        await engine.dispose()
        kept = await _committed(database)
        assert link.struck[struck] > TRIES // 2
        assert acknowledged <= kept
        assert len(kept) > len(acknowledged)
