"""M1: migrations that die half-way leave nothing behind, and run again to the same schema."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import make_url

from deploy.local.mesh.postgres import OWNER
from tests.chaos.failpoints import EXIT_CODE
from tests.conftest import ROOT, Database
from tests.servers import PrivateCluster

_SCHEMA = """
    SELECT 'column', table_name, column_name, data_type || is_nullable
      FROM information_schema.columns WHERE table_schema = 'public'
    UNION ALL SELECT 'index', tablename, indexname, indexdef FROM pg_indexes
     WHERE schemaname = 'public'
    UNION ALL SELECT 'trigger', tgrelid::regclass::text, tgname, pg_get_triggerdef(oid)
      FROM pg_trigger WHERE NOT tgisinternal
     ORDER BY 1, 2, 3
"""


@pytest.fixture
async def empty_url(cluster: PrivateCluster) -> AsyncIterator[str]:
    """A database that no migration has seen."""
    name = f"empty_{uuid4().hex}"
    postgres = await asyncpg.connect(_named(cluster.superuser_url, "postgres"))
    await postgres.execute(f"CREATE DATABASE {name} TEMPLATE template0 OWNER {OWNER}")
    yield _named(cluster.owner_url, name)
    await postgres.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await postgres.close()


@pytest.mark.parametrize("moment", ["3", "20", "40", "commit"])
async def test_a_migration_killed_half_way_runs_again(
    empty_url: str, database: Database, moment: str
) -> None:
    killed = _migrate(empty_url, "tests.chaos.killed_migration", moment)
    assert killed == EXIT_CODE
    assert await _schema(empty_url) == []

    assert _migrate(empty_url, "alembic", "upgrade", "head") == 0

    assert await _schema(empty_url) == await _schema(database.owner_url)


def _named(url: str, database: str) -> str:
    return make_url(url).set(database=database).render_as_string(hide_password=False)


def _migrate(url: str, module: str, *arguments: str) -> int:
    environment = {**os.environ, "MIGRATION_DATABASE_URL": url}
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


async def _schema(url: str) -> list[tuple[str, ...]]:
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(_SCHEMA)]
    finally:
        await connection.close()
