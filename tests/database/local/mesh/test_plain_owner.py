"""A sandbox from the time when the owner of the tables was a superuser gets an owner that is none:
once, with all that it holds, and whole or not at all."""

import asyncio
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import asyncpg
import pytest
from sqlalchemy import make_url

from deploy.local.mesh import postgres
from deploy.local.mesh.placement import INSTALL, installed_package
from deploy.local.mesh.postgres import PLAIN_OWNER, Cluster, running
from deploy.local.process.terminal import Problem
from tests.database.local.mesh.older import migrate, older_cluster

# Two are left to run as the plain owner, of which one changes grants.
REVISION = "0010"
STATEMENTS = PLAIN_OWNER.read_text().strip().removesuffix(";").split(";\n\n")
PROMPT = b"backend> "
IS_SUPERUSER = "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"
# The objects of the superuser, without those of initdb.
OF_SUPERUSERS = """
    SELECT d.datname::text FROM pg_database d JOIN pg_roles r ON r.oid = datdba
     WHERE rolsuper AND datname = current_database()
    UNION ALL SELECT nspname FROM pg_namespace JOIN pg_roles r ON r.oid = nspowner
     WHERE rolsuper AND nspname !~ '^pg_' AND nspname <> 'information_schema'
    UNION ALL SELECT c.oid::regclass::text FROM pg_class c JOIN pg_roles r ON r.oid = relowner
     WHERE rolsuper AND c.oid >= 16384 AND relnamespace::regnamespace::text !~ '^pg_'
    UNION ALL SELECT p.oid::regprocedure::text FROM pg_proc p JOIN pg_roles r ON r.oid = proowner
     WHERE rolsuper AND p.oid >= 16384
    UNION ALL SELECT t.oid::regtype::text FROM pg_type t JOIN pg_roles r ON r.oid = typowner
     WHERE rolsuper AND t.oid >= 16384 AND typnamespace::regnamespace::text !~ '^pg_'
"""
GRANTS = """
    SELECT array_agg(held ORDER BY held) FROM (
        SELECT concat(c.oid::regclass, ' ', attname, ' ', relacl::text, attacl::text) AS held
          FROM pg_class c LEFT JOIN pg_attribute a ON attrelid = c.oid AND attacl IS NOT NULL
         WHERE c.oid >= 16384 AND (relacl IS NOT NULL OR attacl IS NOT NULL)
        UNION ALL SELECT concat(nspname, nspacl::text) FROM pg_namespace WHERE nspname = 'reports'
    ) AS all_of_them
"""


@pytest.fixture(scope="module")
def made() -> Iterator[Cluster]:
    with older_cluster(REVISION) as cluster:
        yield cluster


@pytest.fixture
def older(made: Cluster) -> Iterator[Cluster]:
    """A copy of an older sandbox's cluster."""
    with TemporaryDirectory(prefix="caravel-older-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        home = folder / "home"
        subprocess.run(["cp", "-a", made.placement.home, home], check=True)
        yield replace(made, placement=replace(made.placement, home=home, link=None))


async def ask(cluster: Cluster, log: Path, *questions: str) -> list[Any]:
    """The answers to the owner's questions."""
    with running(cluster, log) as server:
        connection = await asyncpg.connect(server.owner_url)
        answers = [await connection.fetchval(question) for question in questions]
        await connection.close()
    return answers


async def test_everything_is_the_plain_owners_and_nothing_is_lost(
    older: Cluster, tmp_path: Path
) -> None:
    questions = (GRANTS, "SELECT display_name FROM merchants WHERE id = 'kept'")
    was_superuser, *before = await ask(older, tmp_path / "log", IS_SUPERUSER, *questions)

    older.prepare()

    is_superuser, left, *after = await ask(
        older, tmp_path / "log", IS_SUPERUSER, OF_SUPERUSERS, *questions
    )
    assert (was_superuser, is_superuser, left) == (True, False, None)
    assert after == before
    assert before[1] == "Kept"


async def test_the_plain_owner_is_enough_for_the_newest_migrations(
    older: Cluster, tmp_path: Path
) -> None:
    older.prepare()

    with running(older, tmp_path / "log") as server:
        assert migrate(server.owner_url) == 0
        application = await asyncpg.connect(server.application_url)
        assert await application.fetchval("SELECT count(*) FROM payments") == 0
        await application.close()


async def test_nobody_logs_in_as_the_superuser(older: Cluster, tmp_path: Path) -> None:
    older.prepare()

    with running(older, tmp_path / "log") as server:
        url = make_url(server.owner_url).set(username="postgres")
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(url.render_as_string(hide_password=False))


def test_it_is_done_once(older: Cluster, tmp_path: Path) -> None:
    older.prepare()

    # There is nothing that it could be done with.
    replace(older, placement=replace(older.placement, binaries=tmp_path)).prepare()


@pytest.mark.parametrize("run", range(len(STATEMENTS) + 1))
async def test_it_is_done_again_after_any_statement_that_was_the_last(
    older: Cluster, tmp_path: Path, run: int
) -> None:
    _kill_after(older, STATEMENTS[:run])

    older.prepare()

    assert await ask(older, tmp_path / "log", IS_SUPERUSER, OF_SUPERUSERS) == [False, None]


async def test_before_the_commit_nothing_has_changed(older: Cluster, tmp_path: Path) -> None:
    _kill_after(older, STATEMENTS[:-1])

    assert await ask(older, tmp_path / "log", IS_SUPERUSER) == [True]


async def test_a_failure_is_one_sentence_and_changes_nothing(
    older: Cluster, tmp_path: Path
) -> None:
    older.as_superuser(["CREATE ROLE caravel_renames"])

    with pytest.raises(Problem, match=r"^PostgreSQL's postgres failed: role .* already exists$"):
        older.prepare()

    assert await ask(older, tmp_path / "log", IS_SUPERUSER) == [True]
    older.as_superuser(["DROP ROLE caravel_renames"])
    older.prepare()
    assert await ask(older, tmp_path / "log", IS_SUPERUSER) == [False]


async def test_a_role_of_the_superusers_new_name_stays_what_it_is(
    older: Cluster, tmp_path: Path
) -> None:
    older.as_superuser(["CREATE ROLE postgres"])

    older.prepare()

    superusers = "SELECT array_agg(rolname::text) FROM pg_roles WHERE rolsuper"
    assert await ask(older, tmp_path / "log", superusers) == [["caravel_superuser"]]


def test_psql_does_the_same_on_a_server_that_runs(older: Cluster, tmp_path: Path) -> None:
    psql = installed_package() / INSTALL / "bin" / "psql"
    with running(older, tmp_path / "log") as server:
        subprocess.run(
            [psql, "--set=ON_ERROR_STOP=1", f"--file={PLAIN_OWNER}", server.owner_url], check=True
        )

    left = asyncio.run(ask(older, tmp_path / "log", IS_SUPERUSER, OF_SUPERUSERS))
    assert left == [False, None]


def _kill_after(cluster: Cluster, statements: list[str]) -> None:
    placement = cluster.placement
    process = subprocess.Popen(
        [placement.binaries / "postgres", "--single", "-j", "-D", placement.cluster, "caravel"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd="/",
        env=postgres.ENVIRONMENT,
        **(placement.run_as.options() if placement.run_as else {}),
    )
    assert process.stdin and process.stdout
    process.stdin.write("".join(f"{one};\n\n" for one in statements).encode())
    process.stdin.flush()
    said = b""
    # It asks for the first before any, and for the next after each.
    while said.count(PROMPT) <= len(statements):
        said += process.stdout.read(1)
    process.kill()
    process.wait()
