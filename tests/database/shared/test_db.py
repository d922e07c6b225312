"""PostgreSQL as it can be: unsafe, unreachable, too slow, or gone in the middle of our work."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.shared.db import (
    DURABILITY,
    HotStatement,
    UnsafeDatabase,
    autocommitted,
    connected,
    open_engine,
    refuse_unsafe_durability,
    transaction,
)
from services.shared.db_errors import DatabaseMistake
from services.shared.errors import CannotStart, Unavailable
from tests.conftest import Database


@pytest.fixture
async def owner(database: Database) -> AsyncIterator[AsyncEngine]:
    """The owner's connections to the test's database."""
    opened = open_engine(database.owner_url, pool_size=2, application="owner")
    yield opened
    await opened.dispose()


async def run(engine: AsyncEngine, *statements: str) -> None:
    async with connected(engine) as connection:
        for statement in statements:
            await connection.execute(text(statement))
        await connection.commit()


@pytest.fixture
async def administrator(database: Database) -> AsyncIterator[AsyncEngine]:
    """The superuser's connections to the test's database."""
    opened = open_engine(database.superuser_url, pool_size=2, application="administrator")
    yield opened
    await opened.dispose()


@pytest.fixture
async def notes(owner: AsyncEngine) -> None:
    """A table that the application may write."""
    await run(
        owner,
        "CREATE TABLE note (words text PRIMARY KEY)",
        "GRANT SELECT, INSERT ON note TO caravel_app",
    )


async def notes_in(engine: AsyncEngine) -> list[str]:
    async with connected(engine) as connection:
        return list((await connection.execute(text("SELECT words FROM note"))).scalars())


async def write(connection: AsyncConnection, words: str) -> None:
    await connection.execute(text("INSERT INTO note VALUES (:words)"), {"words": words})


async def backend_of(connection: AsyncConnection) -> int:
    return int((await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one())


async def kill(administrator: AsyncEngine, backend: int) -> None:
    """Ends a session as a crash does; returns when it is gone."""
    async with connected(administrator) as connection:
        killed = await connection.execute(
            text("SELECT pg_terminate_backend(:backend, 10000)"), {"backend": backend}
        )
        assert killed.scalar_one()


async def test_a_durable_server_is_accepted(engine: AsyncEngine) -> None:
    await refuse_unsafe_durability(engine)


@pytest.mark.parametrize(
    "whose", ["DATABASE {database}", "ROLE caravel_app IN DATABASE {database}"]
)
async def test_a_server_that_may_forget_is_refused_by_name(
    whose: str, database: Database, administrator: AsyncEngine, engine: AsyncEngine
) -> None:
    subject = whose.format(database=make_url(database.url).database)
    await run(administrator, f"ALTER {subject} SET synchronous_commit = off")

    with pytest.raises(UnsafeDatabase, match="synchronous_commit=off"):
        await refuse_unsafe_durability(engine)


async def test_everything_that_durability_hangs_on_is_a_setting_there(engine: AsyncEngine) -> None:
    async with connected(engine) as connection:
        rows = await connection.execute(
            text("SELECT name, vartype FROM pg_settings WHERE name = ANY(:names)"),
            {"names": list(DURABILITY)},
        )
        kinds = {row.name: row.vartype for row in rows}

    assert kinds == {"fsync": "bool", "full_page_writes": "bool", "synchronous_commit": "enum"}


@pytest.mark.parametrize(
    "changes", [{"port": 1}, {"password": "wrong"}, {"database": "nobodys"}, {"host": "no.invalid"}]
)
async def test_a_database_without_an_answer_stops_the_start_and_is_unavailable_later(
    changes: dict[str, object], database: Database
) -> None:
    url = make_url(database.url).set(**changes)  # type: ignore[arg-type]
    engine = open_engine(url.render_as_string(hide_password=False), pool_size=1, application="test")

    with pytest.raises(CannotStart, match="the database cannot be reached") as refused:
        await refuse_unsafe_durability(engine)
    with pytest.raises(Unavailable):
        async with connected(engine):
            pass
    await engine.dispose()

    assert "\n" not in str(refused.value)
    assert str(make_url(database.url).password) not in str(refused.value)


async def test_a_server_without_room_is_unavailable(
    database: Database, owner: AsyncEngine, engine: AsyncEngine
) -> None:
    await run(owner, f"ALTER DATABASE {make_url(database.url).database} CONNECTION LIMIT 0")

    with pytest.raises(Unavailable):
        async with connected(engine):
            pass


@pytest.mark.usefixtures("notes")
async def test_committed_work_stays_and_the_rest_is_undone(engine: AsyncEngine) -> None:
    async with connected(engine) as connection:
        await write(connection, "committed")
        await connection.commit()
        await write(connection, "left")
    with pytest.raises(KeyError):
        async with connected(engine) as connection:
            await write(connection, "broken off")
            raise KeyError

    assert await notes_in(engine) == ["committed"]


@pytest.mark.usefixtures("notes")
async def test_a_session_that_dies_at_work_is_unavailable_and_its_work_undone(
    administrator: AsyncEngine, engine: AsyncEngine
) -> None:
    with pytest.raises(Unavailable):
        async with connected(engine) as connection:
            await write(connection, "one")
            await kill(administrator, await backend_of(connection))
            await write(connection, "two")

    assert await notes_in(engine) == []


@pytest.mark.usefixtures("notes")
async def test_a_session_that_dies_before_its_commit_is_unavailable_and_its_work_undone(
    administrator: AsyncEngine, engine: AsyncEngine
) -> None:
    with pytest.raises(Unavailable):
        async with connected(engine) as connection:
            await write(connection, "one")
            await kill(administrator, await backend_of(connection))
            await connection.commit()

    assert await notes_in(engine) == []


async def test_a_session_that_dies_while_idle_is_replaced_unnoticed(
    administrator: AsyncEngine, engine: AsyncEngine
) -> None:
    async with connected(engine) as connection:
        first = await backend_of(connection)
    await kill(administrator, first)

    async with connected(engine) as connection:
        assert await backend_of(connection) != first


async def test_a_statement_that_takes_too_long_is_unavailable(engine: AsyncEngine) -> None:
    with pytest.raises(Unavailable):
        async with connected(engine) as connection:
            await connection.execute(text("SET LOCAL statement_timeout = 10"))
            await connection.execute(text("SELECT pg_sleep(60)"))


async def test_every_wait_of_a_session_is_bounded(engine: AsyncEngine) -> None:
    async with connected(engine) as connection:
        waits = [
            (await connection.execute(text(f"SHOW {setting}"))).scalar_one()
            for setting in ("statement_timeout", "idle_in_transaction_session_timeout")
        ]
        name = (await connection.execute(text("SHOW application_name"))).scalar_one()

    assert waits == ["10s", "10s"]
    assert name == "test"


async def test_a_statement_may_be_given_more_time_and_never_without_end(database: Database) -> None:
    patient = open_engine(database.url, pool_size=1, application="test", statement_seconds=120)
    async with connected(patient) as connection:
        waits = (await connection.execute(text("SHOW statement_timeout"))).scalar_one()
    await patient.dispose()

    assert waits == "2min"


@pytest.mark.parametrize(("reads_all", "way"), [(False, "Index"), (True, "Seq Scan")])
async def test_rows_are_looked_up_by_key_however_small_their_table(
    database: Database, reads_all: bool, way: str
) -> None:
    opened = open_engine(database.owner_url, pool_size=1, application="test", reads_all=reads_all)
    async with connected(opened) as connection:
        await connection.execute(text("CREATE TEMPORARY TABLE few (id int PRIMARY KEY)"))
        await connection.execute(text("ANALYZE few"))
        plan = await connection.execute(
            text("EXPLAIN SELECT id FROM few WHERE id > :id"), {"id": 1}
        )
        found = " ".join(plan.scalars())
    await opened.dispose()

    assert way in found


async def leave_half_way(work: Coroutine[Any, Any, None], written: asyncio.Event) -> None:
    """A caller who goes away once something is written."""
    working = asyncio.create_task(work)
    await written.wait()
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)


@pytest.mark.usefixtures("notes")
async def test_a_caller_who_goes_away_leaves_nothing_behind(
    owner: AsyncEngine, engine: AsyncEngine
) -> None:
    written = asyncio.Event()

    async def work() -> None:
        async with connected(engine) as connection:
            await write(connection, "half")
            written.set()
            await connection.execute(text("SELECT pg_sleep(60)"))

    await leave_half_way(work(), written)

    # The same words again: they would wait for a transaction that was still open.
    async with connected(engine) as connection:
        await write(connection, "half")
        await connection.commit()
    assert await notes_in(owner) == ["half"]


@pytest.mark.usefixtures("notes")
@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO note VALUES ('twice'), ('twice')",
        "INSERT INTO note VALUES (NULL)",
        "SELECT words FROM nobodys",
        "DELETE FROM note",
        "SELECT 1 / 0",
        "SELECT 'many'::int",
        "SELECT (SELECT generate_series(1, 2))",
        "DO $$ BEGIN RAISE 'the book is append-only'; END $$",
    ],
)
async def test_a_mistake_of_ours_is_not_called_unavailable(
    statement: str, engine: AsyncEngine
) -> None:
    with pytest.raises(DatabaseMistake):
        async with connected(engine) as connection:
            await connection.execute(text(statement))


@pytest.mark.usefixtures("notes")
async def test_an_error_quotes_nobodys_data(engine: AsyncEngine) -> None:
    with pytest.raises(DatabaseMistake) as broken:
        async with connected(engine) as connection:
            await connection.execute(
                text("INSERT INTO nobodys VALUES (:words)"), {"words": "+52 55 1234 5678"}
            )

    assert "1234" not in str(broken.value)


WRITE = HotStatement(text("INSERT INTO note VALUES (:words) RETURNING words"))
MISTAKE = HotStatement(text("SELECT 1 / 0"))


async def test_a_hot_statement_takes_and_gives_values_by_name(engine: AsyncEngine) -> None:
    statement = HotStatement(text("SELECT CAST(:b AS text) AS b, CAST(:a AS text) AS a"))
    async with connected(autocommitted(engine)) as connection:
        (row,) = await statement.fetch(connection, {"a": "first", "b": "second"})

    assert (row["a"], row["b"]) == ("first", "second")


@pytest.mark.usefixtures("notes")
async def test_a_transaction_is_committed_at_its_end_and_undone_where_it_breaks_off(
    engine: AsyncEngine,
) -> None:
    async with connected(autocommitted(engine)) as connection, transaction(connection):
        await WRITE.fetch(connection, {"words": "hot"})
        await write(connection, "ordinary")
    with pytest.raises(KeyError):
        async with connected(autocommitted(engine)) as connection, transaction(connection):
            await WRITE.fetch(connection, {"words": "broken off"})
            raise KeyError

    assert await notes_in(engine) == ["hot", "ordinary"]


@pytest.mark.usefixtures("notes")
async def test_a_session_that_dies_in_a_transaction_is_unavailable_and_its_work_undone(
    administrator: AsyncEngine, engine: AsyncEngine
) -> None:
    with pytest.raises(Unavailable):
        async with connected(autocommitted(engine)) as connection, transaction(connection):
            await WRITE.fetch(connection, {"words": "one"})
            await kill(administrator, await backend_of(connection))

    assert await notes_in(engine) == []


@pytest.mark.usefixtures("notes")
async def test_a_caller_who_goes_away_in_a_transaction_leaves_nothing_behind(
    engine: AsyncEngine,
) -> None:
    written = asyncio.Event()

    async def work() -> None:
        async with connected(autocommitted(engine)) as connection, transaction(connection):
            await WRITE.fetch(connection, {"words": "half"})
            written.set()
            await connection.execute(text("SELECT pg_sleep(60)"))

    await leave_half_way(work(), written)

    async with connected(autocommitted(engine)) as connection:
        await WRITE.fetch(connection, {"words": "half"})
    assert await notes_in(engine) == ["half"]


@pytest.mark.usefixtures("notes")
async def test_a_mistake_in_a_hot_statement_is_not_called_unavailable(engine: AsyncEngine) -> None:
    with pytest.raises(DatabaseMistake, match="DivisionByZeroError SQLSTATE 22012"):
        async with connected(autocommitted(engine)) as connection, transaction(connection):
            await MISTAKE.fetch(connection, {})
