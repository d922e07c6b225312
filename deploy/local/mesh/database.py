"""Which PostgreSQL the mesh uses: the one at DATABASE_URL where that is set, else its own."""

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import asyncpg

from deploy.local.mesh.credentials import Credentials
from deploy.local.mesh.placement import place
from deploy.local.mesh.postgres import Cluster
from deploy.local.mesh.state import DataDir
from deploy.local.process.terminal import Problem, warn
from services.shared.db_address import servers_of

OLDEST_SERVER = 15
# All that the driver has of its own.
DRIVER_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


@dataclass(frozen=True, kw_only=True)
class Database:
    """The two addresses of one database: for migrations, and for the services."""

    migration_url: str
    application_url: str


def external() -> Database | None:
    """The database that the environment names; None where it names none. Raises Problem."""
    url = os.environ.get("DATABASE_URL")
    if not url:
        return None
    database = Database(
        application_url=url, migration_url=os.environ.get("MIGRATION_DATABASE_URL") or url
    )
    for variable, address in _addresses(database):
        try:
            servers_of(address)
        except ValueError as reason:
            raise Problem(f"{variable} {reason}") from None
    return database


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
    for variable, url in _addresses(database):
        version = _login(variable, url).version
        if version < OLDEST_SERVER:
            raise Problem(
                f"{variable} ({place_of(url)}) is PostgreSQL {version}; "
                f"Caravel needs {OLDEST_SERVER} or newer"
            )


def warn_of_superusers(database: Database) -> None:
    """Says in one sentence where an address logs in as a superuser, which Caravel needs nowhere.

    Raises Problem where the database cannot be reached.
    """
    logins = [(variable, _login(variable, url)) for variable, url in _addresses(database)]
    found = [f"{variable} ({login.role})" for variable, login in logins if login.is_superuser]
    if found:
        warn(
            f"{' and '.join(found)}: a superuser, whom no grant and no trigger stops; a role "
            'without that right is enough (deploy/README.md, "Roles of the database")'
        )


def place_of(url: str) -> str:
    """Where a database is, without its password."""
    servers = ",".join(f"{host or 'local socket'}:{port}" for host, port in servers_of(url))
    return f"{servers}{urlsplit(url).path}"


def _addresses(database: Database) -> Iterator[tuple[str, str]]:
    yield "DATABASE_URL", database.application_url
    if database.migration_url != database.application_url:
        yield "MIGRATION_DATABASE_URL", database.migration_url


@dataclass(frozen=True, kw_only=True)
class _Login:
    version: int
    role: str
    is_superuser: bool


def _login(variable: str, url: str) -> _Login:
    try:
        return asyncio.run(_log_in(url))
    except (OSError, ValueError, *DRIVER_ERRORS) as e:
        reason = str(e) or type(e).__name__
        raise Problem(f"{variable} ({place_of(url)}) cannot be used: {reason}") from None


async def _log_in(url: str) -> _Login:
    connection = await asyncpg.connect(url, timeout=5)
    try:
        settings = connection.get_settings()
        return _Login(
            version=connection.get_server_version().major,
            role=settings.session_authorization,
            is_superuser=settings.is_superuser == "on",
        )
    finally:
        await connection.close()
