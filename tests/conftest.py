"""The parts that several rings share: a real PostgreSQL server for the run, and a fresh,
migrated database for every test that asks for one."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import Pool, make_url, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from deploy.local.mesh.postgres import OWNER
from services.shared.db import open_engine
from tests.servers import PrivateCluster, private_cluster

ROOT = Path(__file__).resolve().parent.parent
# A process started while gRPC's threads run would begin with gRPC's own work after a fork.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
TEMPLATE = "caravel"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The flag of the long forms."""
    parser.addoption("--long", action="store_true", help="run each campaign in its long form")


@pytest.fixture(scope="session")
def is_long(request: pytest.FixtureRequest) -> bool:
    """Whether campaigns run in their long form."""
    return bool(request.config.getoption("--long"))


@pytest.fixture(scope="session")
def cluster() -> Iterator[PrivateCluster]:
    """A server of the run's own, whose database `caravel` is migrated and serves as a template."""
    with private_cluster() as server:
        subprocess.run(
            [sys.executable, "-m", "alembic", "upgrade", "head"],
            cwd=ROOT,
            env={**os.environ, "MIGRATION_DATABASE_URL": server.owner_url},
            check=True,
        )
        yield server


@dataclass(frozen=True)
class Database:
    """A migrated database: the application's address, the owner's, and the superuser's, for what an
    administrator does and nothing in Caravel may."""

    url: str
    owner_url: str
    superuser_url: str


# The owner's address of each database that a test has now, by the pool of the application's engine:
# an engine's own address names no database.
_OWNERS: dict[Pool, str] = {}
# The pools of those to which a test has done what the application may not do.
_TREATED: set[Pool] = set()


def owner_of(engine: AsyncEngine) -> AsyncEngine:
    """The owner's own way into the application's database, for what the application may not do."""
    _TREATED.add(engine.pool)
    address = _OWNERS.get(engine.pool)
    if address is None:
        # A test has opened it with the owner's own address.
        return engine
    url = make_url(address).set(drivername="postgresql+asyncpg")
    return create_async_engine(url, poolclass=NullPool)


def is_treated(engine: AsyncEngine) -> bool:
    """Whether the owner has been at the database, so that its rows are not the application's."""
    return engine.pool in _TREATED


@asynccontextmanager
async def new_database(cluster: PrivateCluster) -> AsyncIterator[Database]:
    """A copy of the template, gone after the block."""
    name = f"test_{uuid4().hex}"
    postgres = create_async_engine(
        make_url(cluster.superuser_url).set(drivername="postgresql+asyncpg", database="postgres"),
        isolation_level="AUTOCOMMIT",
        poolclass=NullPool,
    )
    async with postgres.connect() as connection:
        copied = f"TEMPLATE {TEMPLATE} OWNER {OWNER} STRATEGY FILE_COPY"
        await connection.execute(text(f"CREATE DATABASE {name} {copied}"))

    def named(url: str) -> str:
        return make_url(url).set(database=name).render_as_string(hide_password=False)

    yield Database(
        url=named(cluster.application_url),
        owner_url=named(cluster.owner_url),
        superuser_url=named(cluster.superuser_url),
    )
    async with postgres.connect() as connection:
        await connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    await postgres.dispose()


@pytest.fixture
async def database(cluster: PrivateCluster) -> AsyncIterator[Database]:
    """A database of the test's own."""
    async with new_database(cluster) as database:
        yield database


@asynccontextmanager
async def new_engine(database: Database) -> AsyncIterator[AsyncEngine]:
    """The application's own connections to a database."""
    opened = open_engine(database.url, pool_size=8, application="test")
    pool = opened.pool
    _OWNERS[pool] = database.owner_url
    yield opened
    del _OWNERS[pool]
    await opened.dispose()


@pytest.fixture
async def engine(database: Database) -> AsyncIterator[AsyncEngine]:
    """The application's own connections to the test's database."""
    async with new_engine(database) as engine:
        yield engine
