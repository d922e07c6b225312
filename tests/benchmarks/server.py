"""The PostgreSQL server that everything is measured on: one database for each thing measured, made
from a migrated template, and what the server itself says of its durability, log and size."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
from sqlalchemy import make_url

from deploy import ROOT
from deploy.local.mesh import processes
from deploy.local.mesh.database import Database
from deploy.local.process.terminal import Problem
from services.shared.db import DURABILITY

PREFIX = "caravel_bench_"
TEMPLATE = f"{PREFIX}template"


@dataclass(frozen=True)
class Server:
    """A server that runs; its addresses are those of the database that we were given, and that of
    who makes databases and asks the server about itself: the embedded server's superuser."""

    given: Database
    administrator_url: str

    def database(self, name: str) -> Database:
        """The two addresses of one of our databases."""
        return Database(
            migration_url=_renamed(self.given.migration_url, PREFIX + name),
            application_url=_renamed(self.given.application_url, PREFIX + name),
        )

    @property
    def _owner(self) -> str:
        name = make_url(self.given.migration_url).username or ""
        return '"' + name.replace('"', '""') + '"'

    @asynccontextmanager
    async def connected(self, name: str | None = None) -> AsyncIterator[Any]:
        """An administrator's connection to one of our databases, or to the one we were given."""
        url = _renamed(self.administrator_url, PREFIX + name) if name else self.administrator_url
        connection = await asyncpg.connect(url)
        try:
            yield connection
        finally:
            await connection.close()

    async def make_template(self) -> None:
        """A migrated, empty database, of which the others are copies. Raises Problem."""
        try:
            async with self.connected() as connection:
                await connection.execute(f"DROP DATABASE IF EXISTS {TEMPLATE} WITH (FORCE)")
                await connection.execute(f"CREATE DATABASE {TEMPLATE} OWNER {self._owner}")
        except asyncpg.InsufficientPrivilegeError:
            raise Problem(
                "the benchmark makes databases of its own, which MIGRATION_DATABASE_URL's role "
                "may not; give it CREATEDB, or unset DATABASE_URL"
            ) from None
        migrating = await asyncio.create_subprocess_exec(
            *processes.migration_command(),
            cwd=ROOT,
            env=processes.migration_environment(self.database("template")),
            stderr=asyncio.subprocess.PIPE,
        )
        _, errors = await migrating.communicate()
        if migrating.returncode:
            raise Problem(f"the migrations failed: {errors.decode().strip().splitlines()[-1:]}")

    async def make(self, name: str) -> None:
        """A new, empty database of ours."""
        await self.drop(name)
        async with self.connected() as connection:
            await connection.execute(
                f"CREATE DATABASE {PREFIX}{name} TEMPLATE {TEMPLATE} OWNER {self._owner}"
            )

    async def drop(self, *names: str) -> None:
        """Deletes databases of ours."""
        async with self.connected() as connection:
            for name in names:
                await connection.execute(f"DROP DATABASE IF EXISTS {PREFIX}{name} WITH (FORCE)")

    async def forget(self) -> None:
        """Deletes all databases of ours."""
        async with self.connected() as connection:
            rows = await connection.fetch(
                "SELECT datname FROM pg_database WHERE starts_with(datname, $1)", PREFIX
            )
        await self.drop(*(row["datname"].removeprefix(PREFIX) for row in rows))

    async def settings(self) -> dict[str, str]:
        """The server's own settings."""
        names = (*DURABILITY, "server_version", "shared_buffers", "wal_sync_method")
        async with self.connected() as connection:
            return {name: await connection.fetchval(f"SHOW {name}") for name in names}

    async def keys(self, name: str, tag: str) -> int:
        """How many payments were created under keys that begin with this tag."""
        async with self.connected(name) as connection:
            count: int = await connection.fetchval(
                # "." is what follows "-".
                """
                SELECT count(*) FROM idempotency_keys k JOIN payments p
                    ON p.merchant_id = k.merchant_id AND p.id = k.payment_id
                 WHERE k.key >= $1 AND k.key < $2
                """,
                f"{tag}-",
                f"{tag}.",
            )
            return count

    async def wal_position(self) -> int:
        """Bytes written to the write-ahead log since the server was made."""
        async with self.connected() as connection:
            at: int = await connection.fetchval(
                "SELECT (pg_current_wal_lsn() - '0/0'::pg_lsn)::bigint"
            )
            return at

    async def size(self, name: str) -> int:
        """Bytes of a database on disk."""
        async with self.connected() as connection:
            size: int = await connection.fetchval("SELECT pg_database_size($1)", PREFIX + name)
            return size


def is_durable(settings: dict[str, str]) -> bool:
    """Whether the server keeps what it has acknowledged, whatever happens to the machine."""
    return all(settings[name] == "on" for name in DURABILITY)


def _renamed(url: str, name: str) -> str:
    return make_url(url).set(database=name).render_as_string(hide_password=False)
