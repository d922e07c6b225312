"""A sandbox's cluster as it was made before its tables had an owner of their own: `caravel` is the
role of initdb, the superuser, and has a password."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg

from deploy.local.mesh import postgres
from deploy.local.mesh.credentials import load_or_make
from deploy.local.mesh.placement import place
from deploy.local.mesh.postgres import ACCESS, INSTANCE_FILE, Cluster, running
from tests.conftest import ROOT

# Of every kind that can have an owner, beside what the migrations make.
MORE = """
    INSERT INTO merchants (id, display_name) VALUES ('kept', 'Kept');
    CREATE SCHEMA reports;
    CREATE TYPE reports.colour AS ENUM ('red');
    CREATE TYPE reports.pair AS (one int, two int);
    CREATE TYPE reports.span AS RANGE (subtype = int);
    CREATE DOMAIN reports.positive AS int CHECK (VALUE > 0);
    CREATE TABLE reports.days (id int GENERATED ALWAYS AS IDENTITY, day date, hue reports.colour)
        PARTITION BY RANGE (day);
    CREATE TABLE reports.days_2026 PARTITION OF reports.days
        FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
    CREATE TABLE reports."Odd name" (number serial);
    CREATE SEQUENCE reports.numbers;
    CREATE VIEW reports.recent AS SELECT * FROM reports.days;
    CREATE MATERIALIZED VIEW reports.counted AS SELECT count(*) FROM reports.days;
    CREATE FUNCTION reports.twice(int) RETURNS int LANGUAGE sql RETURN $1 * 2;
    CREATE PROCEDURE reports.nothing() LANGUAGE sql BEGIN ATOMIC END;
    CREATE AGGREGATE reports.total(int) (SFUNC = int4pl, STYPE = int);
    GRANT USAGE ON SCHEMA reports TO caravel_app;
    GRANT SELECT ON reports.recent TO caravel_app
"""


@contextmanager
def older_cluster(revision: str) -> Iterator[Cluster]:
    """Such a cluster, migrated to a revision, with more in it; no server runs on it."""
    with TemporaryDirectory(prefix="caravel-older-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        placement = place(folder / "home", elsewhere=folder / "elsewhere")
        cluster = Cluster(placement, load_or_make(folder / "credentials.json"))
        _make(cluster)
        with running(cluster, folder / "log") as server:
            assert migrate(server.owner_url, revision) == 0
            asyncio.run(_execute(server.owner_url, MORE))
        yield cluster


def migrate(url: str, revision: str = "head") -> int:
    """Migrates upwards as the role in the address; returns what alembic returns."""
    return subprocess.run(
        [sys.executable, "-m", "alembic", "upgrade", revision],
        cwd=ROOT,
        env={**os.environ, "MIGRATION_DATABASE_URL": url},
        check=False,
    ).returncode


def _make(cluster: Cluster) -> None:
    placement, credentials = cluster.placement, cluster.credentials
    placement.make_home()
    (placement.home / INSTANCE_FILE).write_text(credentials.instance)
    folder = placement.cluster
    placement.make_folder(folder)
    options = ("--auth=trust", "--encoding=UTF8", "--no-instructions", "--locale=C")
    builtin = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8")
    postgres.run_program(
        placement, "initdb", "-D", str(folder), "-U", "caravel", *options, *builtin
    )
    (folder / "pg_hba.conf").write_text(ACCESS)
    cluster.as_superuser(
        [
            f"ALTER ROLE caravel PASSWORD '{credentials.owner_password}'",
            f"CREATE ROLE caravel_app LOGIN PASSWORD '{credentials.application_password}'",
            "CREATE DATABASE caravel OWNER caravel",
        ]
    )


async def _execute(url: str, statements: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(statements)
    await connection.close()
