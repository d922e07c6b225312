"""Takes the keys and indexes of some tables away while they are filled, and makes them again
afterwards: one sort of all rows instead of a search for each."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

# Keys, and the foreign keys that need them; checks stay.
_CONSTRAINTS = """
    SELECT conrelid::regclass::text AS table, conname AS name, contype <> 'f' AS is_key,
           pg_get_constraintdef(oid) AS definition
      FROM pg_constraint
     WHERE contype IN ('p', 'u', 'f')
       AND (conrelid = ANY ($1::text[]::regclass[]) OR confrelid = ANY ($1::text[]::regclass[]))
     ORDER BY is_key
"""
_INDEXES = """
    SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS definition
      FROM pg_index i
     WHERE i.indrelid = ANY ($1::text[]::regclass[])
       AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid)
"""
_MEMORY = "SET maintenance_work_mem = '1GB'"


@asynccontextmanager
async def set_aside(connection: Any, tables: Iterable[str]) -> AsyncIterator[None]:
    """Within it, these tables have neither keys nor indexes. Making them again checks every row."""
    constraints = await connection.fetch(_CONSTRAINTS, list(tables))
    others = await connection.fetch(_INDEXES, list(tables))
    for one in constraints:
        await connection.execute(f"ALTER TABLE {one['table']} DROP CONSTRAINT {one['name']}")
    for one in others:
        await connection.execute(f"DROP INDEX {one['name']}")
    yield
    await connection.execute(_MEMORY)
    for one in others:
        await connection.execute(one["definition"])
    for one in reversed(constraints):
        await connection.execute(
            f"ALTER TABLE {one['table']} ADD CONSTRAINT {one['name']} {one['definition']}"
        )
