"""The roles that Caravel makes: no right more than they need, whoever makes them, and nothing that
leads from a database to its server's files, programs or settings."""

import os
import re
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import make_url

from deploy.local.mesh import database
from deploy.local.mesh.placement import INSTALL, installed_package
from tests.conftest import ROOT, Database
from tests.database.local.mesh.older import migrate
from tests.servers import PrivateCluster, private_cluster

ROLES = """
    SELECT rolname::text, rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls,
           EXISTS (SELECT FROM pg_auth_members WHERE member = r.oid OR roleid = r.oid)
      FROM pg_roles r WHERE rolname !~ '^pg_'
"""
NOTHING_MORE = (False,) * 6
COPIES = (False, False, False, True, False, False)
MADE = {("caravel", *NOTHING_MORE), ("caravel_app", *NOTHING_MORE), ("caravel_backup", *COPIES)}
OURS = {role[0] for role in MADE}
FORBIDDEN = [
    "COPY (SELECT 1) TO '/tmp/caravel-stolen'",
    "COPY alembic_version FROM '/etc/passwd'",
    "COPY (SELECT 1) TO PROGRAM 'true'",
    "COPY alembic_version FROM PROGRAM 'true'",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT pg_read_binary_file('/etc/passwd')",
    "SELECT pg_ls_dir('/')",
    "SELECT pg_stat_file('/etc/passwd')",
    "SELECT lo_import('/etc/passwd')",
    "SELECT lo_export(1, '/tmp/caravel-stolen')",
    "LOAD '/tmp/anything.so'",
    "CREATE FUNCTION f() RETURNS int LANGUAGE c AS '/lib/x86_64-linux-gnu/libc.so.6', 'system'",
    "CREATE FUNCTION f() RETURNS int LANGUAGE internal AS 'pg_read_file'",
    "ALTER SYSTEM SET fsync = off",
    "SELECT pg_reload_conf()",
    "SET session_replication_role = replica",
    "SET session_preload_libraries = 'x'",
    "SET log_statement = 'none'",
    "ALTER ROLE CURRENT_USER SUPERUSER",
    "ALTER ROLE CURRENT_USER CREATEROLE",
    "ALTER ROLE postgres SET synchronous_commit = off",
    "ALTER TABLE postings OWNER TO postgres",
    "GRANT pg_read_server_files TO CURRENT_USER",
    "GRANT pg_execute_server_program TO CURRENT_USER",
    "CREATE ROLE another",
    "CREATE DATABASE another",
    "SET ROLE postgres",
    "SET SESSION AUTHORIZATION postgres",
    "SELECT rolpassword FROM pg_authid",
    "CREATE EVENT TRIGGER t ON ddl_command_end EXECUTE FUNCTION refuse_change()",
    "CREATE SUBSCRIPTION s CONNECTION 'host=127.0.0.1' PUBLICATION p",
    "SELECT pg_create_physical_replication_slot('s')",
]
# A table is its owner's.
OWNERS = [
    "ALTER TABLE postings DISABLE TRIGGER postings_append_only",
    "DROP TRIGGER postings_append_only ON postings",
    "ALTER TABLE payments DISABLE TRIGGER payments_terms_stand",
    "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN END'",
]
PSQL = installed_package() / INSTALL / "bin" / "psql"


@pytest.fixture(params=["owner_url", "url"])
async def plain(request: pytest.FixtureRequest, database: Database) -> AsyncIterator[object]:
    """A session of the owner's, and one of the services'."""
    connection = await asyncpg.connect(getattr(database, request.param))
    yield connection
    await connection.close()


async def test_no_role_that_we_make_has_a_right_more_than_it_needs(database: Database) -> None:
    administrator = await asyncpg.connect(database.superuser_url)
    found = {tuple(row) for row in await administrator.fetch(ROLES)}
    await administrator.close()

    assert {role for role in found if role[0] != "postgres"} == MADE


@pytest.mark.parametrize("statement", FORBIDDEN)
async def test_neither_owner_nor_services_reach_beyond_their_database(
    plain: asyncpg.Connection, statement: str
) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await plain.execute(statement)


@pytest.mark.parametrize("statement", OWNERS)
async def test_the_owner_and_nobody_else_can_take_a_guard_away(
    database: Database, statement: str
) -> None:
    owner = await asyncpg.connect(database.owner_url)
    application = await asyncpg.connect(database.url)

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await application.execute(statement)
    await owner.execute(statement)

    await owner.close()
    await application.close()


@pytest.fixture
def bare() -> Iterator[str]:
    """The superuser's address on a server on which nobody has made our roles."""
    with private_cluster() as server:
        administrator = make_url(server.superuser_url).set(database="postgres")
        address = administrator.render_as_string(hide_password=False)
        for statement in ("DROP DATABASE caravel", f"DROP ROLE {', '.join(sorted(OURS))}"):
            _psql(address, statement)
        yield address


def _psql(address: str, script: str) -> str:
    return subprocess.run(
        [PSQL, "--set=ON_ERROR_STOP=1", "--no-psqlrc", "--tuples-only", "--no-align", address],
        input=script,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def _address(administrator: str, role: str, password: str) -> str:
    url = make_url(administrator).set(username=role, password=password, database="caravel")
    return url.render_as_string(hide_password=False)


def _assert_made_and_enough(administrator: str, owner: str, application: str) -> None:
    assert _psql(administrator, f"SELECT count(*) FROM ({ROLES}) AS r") == "3\n"
    lines = _psql(administrator, ROLES).splitlines()
    assert {"caravel|f|f|f|f|f|f", "caravel_app|f|f|f|f|f|f"} <= set(lines)
    assert migrate(owner) == 0
    assert _psql(application, "SELECT count(*) FROM payments") == "0\n"


def test_roles_made_by_hand_are_as_ours(bare: str) -> None:
    page = (ROOT / "deploy" / "README.md").read_text()
    (block,) = re.findall(r"^```sql\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    passwords = re.findall(r"PASSWORD '(.*?)'", block)

    _psql(bare, block)

    owner, application = (
        _address(bare, role, password)
        for role, password in zip(("caravel", "caravel_app"), passwords, strict=True)
    )
    _assert_made_and_enough(bare, owner, application)


@pytest.mark.parametrize("in_files", [False, True])
def test_roles_made_in_a_container_are_as_ours(bare: str, tmp_path: Path, in_files: bool) -> None:
    url = make_url(bare)
    # The state after the start of PostgreSQL's image.
    _psql(bare, "CREATE DATABASE caravel")
    passwords = {"OWNER_PASSWORD": "it's", "APPLICATION_PASSWORD": "two"}
    given = passwords
    if in_files:
        for name, password in passwords.items():
            (tmp_path / name).write_text(password + "\n")
        given = {f"{name}_FILE": str(tmp_path / name) for name in passwords}
    server = {"PGHOST": url.host, "PGPORT": str(url.port), "PGPASSWORD": url.password}
    image = {"POSTGRES_USER": "postgres", "POSTGRES_DB": "caravel"}
    path = f"{PSQL.parent}:{os.environ['PATH']}"

    subprocess.run(
        ["sh", ROOT / "deploy" / "postgres" / "create-roles.sh"],
        env={"PATH": path, **server, **image, **given},
        check=True,
        capture_output=True,
    )

    owner = _address(bare, "caravel", passwords["OWNER_PASSWORD"])
    application = _address(bare, "caravel_app", passwords["APPLICATION_PASSWORD"])
    _assert_made_and_enough(bare, owner, application)


def test_a_superuser_in_an_address_is_one_sentence(
    cluster: PrivateCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = database.Database(
        migration_url=cluster.owner_url, application_url=cluster.application_url
    )
    owner = database.Database(
        migration_url=cluster.superuser_url, application_url=cluster.application_url
    )
    both = database.Database(
        migration_url=cluster.superuser_url, application_url=cluster.superuser_url
    )
    said = []
    for each in (plain, owner, both):
        database.warn_of_superusers(each)
        said.append(capsys.readouterr().out)

    assert said[0] == ""
    assert said[1].startswith("  ! MIGRATION_DATABASE_URL (postgres): a superuser, ")
    assert said[2].startswith("  ! DATABASE_URL (postgres): a superuser, ")
    assert all(str(make_url(cluster.superuser_url).password) not in one for one in said)
    assert all(one.count("\n") == 1 for one in said[1:])
