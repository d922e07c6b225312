"""The migrations lead down as they lead up: what one adds it takes back, and then adds again."""

import os
import subprocess
import sys
from dataclasses import replace

import asyncpg
import pytest

from tests.conftest import ROOT, Database


@pytest.mark.parametrize("revision", ["0003", "base"])
def test_migrations_go_down_and_up_again(database: Database, revision: str) -> None:
    for direction in (("downgrade", revision), ("upgrade", "head"), ("check",)):
        done = _alembic(database, *direction)
        assert done.returncode == 0, done.stderr


def _alembic(database: Database, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "alembic", *words],
        cwd=ROOT,
        env={**os.environ, "MIGRATION_DATABASE_URL": database.owner_url},
        capture_output=True,
        text=True,
        check=False,
    )


async def _execute(database: Database, statement: str) -> None:
    connection = await asyncpg.connect(database.owner_url)
    await connection.execute(statement)
    await connection.close()


async def test_way_down_that_is_barred_is_one_sentence(database: Database) -> None:
    await _execute(database, "DROP INDEX operator_actions_refused_idx")

    done = _alembic(database, "downgrade", "base")

    assert done.returncode == 1
    assert done.stderr == (
        "the migration failed and has changed nothing: "
        'index "operator_actions_refused_idx" does not exist\n'
    )


@pytest.mark.parametrize("words", [("upgrade", "head"), ("downgrade", "-1")])
async def test_database_of_a_newer_version_is_one_sentence(
    database: Database, words: tuple[str, ...]
) -> None:
    await _execute(database, "UPDATE alembic_version SET version_num = '9999'")

    done = _alembic(database, *words)

    assert done.returncode == 1
    assert "a newer version of Caravel may have migrated it" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_step_that_does_not_exist_is_one_sentence(database: Database) -> None:
    done = _alembic(database, "downgrade", "-99")

    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1


def test_database_whose_authority_is_not_there_is_one_sentence(database: Database) -> None:
    secured = f"{database.owner_url}?sslmode=verify-full&sslrootcert=/no/such/authority.pem"

    done = _alembic(replace(database, owner_url=secured), "upgrade", "head")

    assert done.returncode == 1
    assert done.stderr == (
        "the database cannot be reached: No such file or directory: "
        "a file that its address names, such as sslrootcert\n"
    )
