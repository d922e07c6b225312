"""The database's password is changed while all goes on: connections from before live, and each new
one takes the newest address."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import make_url, text

from services.payments.base import wake
from services.payments.base.database_readiness import DatabaseReadiness
from services.payments.base.wake import Alarm
from services.payments.config import DatabaseSettings
from services.shared.db import connected, open_engine, refuse_unsafe_durability
from services.shared.errors import CannotStart, Unavailable
from tests.certificates import Authority
from tests.conftest import Database
from tests.polling import until


@dataclass
class Rotating:
    """A login of its own that may do what the application may, and the file with its address."""

    administrator: asyncpg.Connection
    role: str
    url: str
    file: Path
    at: float = 0.0

    async def rotate(self, *, in_file: bool = True) -> None:
        """Gives the role another password, and then the file."""
        password = secrets.token_hex(8)
        await self.administrator.execute(f"ALTER ROLE {self.role} PASSWORD '{password}'")
        address = make_url(self.url).set(username=self.role, password=password)
        self.url = address.render_as_string(hide_password=False)
        if in_file:
            self.put()

    def put(self) -> None:
        """Moves a file with the newest address to its place."""
        beside = self.file.with_name("beside")
        beside.write_text(f"{self.url}\n")
        beside.replace(self.file)
        self.at = self.file.stat().st_ctime + 60

    async def sessions(self) -> set[int]:
        """The server's processes for this role."""
        query = "SELECT pid FROM pg_stat_activity WHERE usename = $1"
        return {row["pid"] for row in await self.administrator.fetch(query, self.role)}

    def settings(self) -> DatabaseSettings:
        environment = {"DEPLOYMENT": "live", "DATABASE_URL_FILE": str(self.file)}
        return DatabaseSettings.load(environment, lambda: self.at)


@pytest.fixture
async def rotating(database: Database, tmp_path: Path) -> AsyncIterator[Rotating]:
    administrator = await asyncpg.connect(database.superuser_url)
    role = f"rotating_{secrets.token_hex(4)}"
    await administrator.execute(f"CREATE ROLE {role} LOGIN IN ROLE caravel_app")
    made = Rotating(administrator, role, database.url, tmp_path / "database_url")
    await made.rotate()
    yield made
    await administrator.execute(f"DROP ROLE {role}")
    await administrator.close()


async def test_old_connections_live_on_and_new_ones_take_the_newest_password(
    rotating: Rotating,
) -> None:
    address = rotating.settings().database_url.get_secret_value
    engine = open_engine(address, pool_size=2, application="test")
    async with connected(engine) as before:
        await before.execute(text("SELECT 1"))
        await rotating.rotate(in_file=False)

        # The pool is asked for a second connection, which the old password no longer opens.
        with pytest.raises(Unavailable):
            async with connected(engine):
                pass
        rotating.put()
        async with connected(engine) as after:
            assert (await after.execute(text("SELECT 1"))).scalar_one() == 1
        assert (await before.execute(text("SELECT 1"))).scalar_one() == 1
    await engine.dispose()


async def test_readiness_asks_by_the_newest_password_once_its_connection_is_gone(
    rotating: Rotating,
) -> None:
    readiness = DatabaseReadiness(rotating.settings().database_url.get_secret_value)
    await readiness.ask()
    await rotating.rotate()
    await readiness.ask()

    readiness.close()

    await readiness.ask()
    readiness.close()


async def test_the_alarm_listens_by_the_newest_password_once_its_connection_is_gone(
    rotating: Rotating,
) -> None:
    rings: asyncio.Queue[None] = asyncio.Queue()
    address = rotating.settings().database_url.get_secret_value
    alarm = Alarm(address, {wake.PAYMENTS: lambda: rings.put_nowait(None)})
    async with alarm.listening():
        await rings.get()
        before = await rotating.sessions()
        await rotating.rotate()
        for pid in before:
            await rotating.administrator.execute("SELECT pg_terminate_backend($1)", pid)

        # It rings once it listens again.
        await rings.get()
        await until(rotating.sessions, lambda now: now and not now & before)


@pytest.mark.parametrize("mode", ["disable", "prefer"])
async def test_an_address_may_say_how_it_is_secured(database: Database, mode: str) -> None:
    url = f"{database.url}?sslmode={mode}"
    engine = open_engine(url, pool_size=1, application="test")
    async with connected(engine) as connection:
        assert (await connection.execute(text("SELECT 1"))).scalar_one() == 1
    await engine.dispose()


@pytest.mark.parametrize("mode", ["require", "verify-full"])
async def test_a_server_without_tls_is_refused_where_the_address_demands_it(
    database: Database, mode: str, tmp_path: Path
) -> None:
    authority = tmp_path / "authority.pem"
    authority.write_bytes(Authority.make().pem)
    url = f"{database.url}?sslmode={mode}&sslrootcert={authority}"
    engine = open_engine(url, pool_size=1, application="test")

    with pytest.raises(CannotStart, match="the database cannot be reached"):
        await refuse_unsafe_durability(engine)
    await engine.dispose()
