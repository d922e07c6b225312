"""Which PostgreSQL the mesh uses: the one at DATABASE_URL where that is set, else its own."""

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import asyncpg

from deploy.local.credentials import Credentials
from deploy.local.paths import DataDir
from deploy.local.placement import place
from deploy.local.postgres import Cluster
from deploy.local.problem import Problem

OLDEST_SERVER = 15
# All that the driver has of its own.
DRIVER_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


@dataclass(frozen=True, kw_only=True)
class Database:
    """The two addresses of one database: for migrations, and for the services."""

    migration_url: str
    application_url: str


def external(environment: Mapping[str, str] = os.environ) -> Database | None:
    """The database that the environment names; None where it names none."""
    url = environment.get("DATABASE_URL")
    if not url:
        return None
    return Database(
        application_url=url, migration_url=environment.get("MIGRATION_DATABASE_URL") or url
    )


def own_cluster(data_dir: DataDir, credentials: Credentials) -> Cluster:
    """The embedded cluster of a data folder. Raises Problem."""
    return Cluster(place(data_dir.postgres), credentials)


def of_cluster(cluster: Cluster, port: int) -> Database:
    """The database in a cluster whose server is on this port."""
    return Database(
        application_url=cluster.application_url(port), migration_url=cluster.owner_url(port)
    )


def refuse_unusable(database: Database) -> None:
    """Raises Problem where the database cannot be reached or is too old, by either address."""
    _refuse("DATABASE_URL", database.application_url)
    if database.migration_url != database.application_url:
        _refuse("MIGRATION_DATABASE_URL", database.migration_url)


def _refuse(variable: str, url: str) -> None:
    try:
        version = asyncio.run(_server_version(url))
    except (OSError, ValueError, *DRIVER_ERRORS) as e:
        reason = str(e) or type(e).__name__
        raise Problem(f"{variable} ({place_of(url)}) cannot be used: {reason}") from None
    if version < OLDEST_SERVER:
        raise Problem(
            f"{variable} ({place_of(url)}) is PostgreSQL {version}; "
            f"Caravel needs {OLDEST_SERVER} or newer"
        )


def place_of(url: str) -> str:
    """Where a database is, without its password."""
    parts = urlsplit(url)
    return f"{parts.hostname or 'local socket'}:{parts.port or 5432}{parts.path}"


async def _server_version(url: str) -> int:
    connection = await asyncpg.connect(url, timeout=5)
    try:
        return int(connection.get_server_version().major)
    finally:
        await connection.close()
