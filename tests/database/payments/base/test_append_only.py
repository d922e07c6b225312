"""The database itself guards the rows: the application may add to history, book and operators' log
and change nothing there; it may delete nothing anywhere. A trigger stops the owner, who needs no
grant."""

import re

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.base import tables
from services.shared.db import open_engine
from tests.conftest import Database

# Each with a column of texts.
GROWING = {
    "postings": "merchant_id",
    "payment_events": "merchant_id",
    "operator_actions": "merchant_id",
    "operator_action_chain": "sha256",
    "corridor_versions": "reason",
    "adjustments": "evidence",
}
CHANGES = ("UPDATE {0} SET {1} = 'x'", "DELETE FROM {0}", "TRUNCATE {0} CASCADE")


async def _refusal(engine: AsyncEngine, statement: str) -> str:
    with pytest.raises(DBAPIError) as refused:
        async with engine.begin() as connection:
            await connection.execute(text(statement))
    return str(refused.value.orig)


@pytest.mark.parametrize("table", GROWING)
@pytest.mark.parametrize("change", CHANGES)
async def test_the_application_cannot_change_an_append_only_table(
    engine: AsyncEngine, table: str, change: str
) -> None:
    assert f"permission denied for table {table}" in await _refusal(
        engine, change.format(table, GROWING[table])
    )


@pytest.mark.parametrize("table", GROWING)
@pytest.mark.parametrize("change", CHANGES)
async def test_the_owner_cannot_change_an_append_only_table_either(
    database: Database, table: str, change: str
) -> None:
    owner = open_engine(database.owner_url, pool_size=1, application="test")
    refusal = await _refusal(owner, change.format(table, GROWING[table]))
    await owner.dispose()

    assert re.search(rf"{table} is append-only: \w+ refused", refusal)


@pytest.mark.parametrize("table", sorted(tables.metadata.tables))
@pytest.mark.parametrize("change", ["DELETE FROM {}", "TRUNCATE {} CASCADE"])
async def test_the_application_deletes_nothing_anywhere(
    engine: AsyncEngine, table: str, change: str
) -> None:
    assert f"permission denied for table {table}" in await _refusal(engine, change.format(table))


async def test_the_application_owns_nothing_and_switches_no_guard_off(engine: AsyncEngine) -> None:
    for statement in (
        "ALTER TABLE postings DISABLE TRIGGER ALL",
        "DROP TRIGGER postings_append_only ON postings",
        "SET session_replication_role = replica",
        "CREATE TABLE mine (id int)",
    ):
        assert re.search(r"must be owner|permission denied", await _refusal(engine, statement))
