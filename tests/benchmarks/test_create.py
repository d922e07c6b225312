"""A part that fails is lost alone: the mesh, the monolith and pgbench are measured apart, and
pgbench only once its clients are logged in."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from deploy.local.process.terminal import Problem
from tests.benchmarks import limit
from tests.benchmarks.bench import Bench, Figures
from tests.benchmarks.create import Measure, at_a_fixed_rate, compared
from tests.benchmarks.options import Options
from tests.benchmarks.server import Server
from tests.conftest import Database


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A run in its second round, whose mesh nobody asks."""
    nobody: Any = None
    said: list[str] = []
    return Bench(Options(folder=tmp_path), nobody, said.append, nobody, rounds=[{}, {}])


def measuring(name: str) -> Measure:
    async def measure(_: Bench, connections: int) -> Figures:
        return {f"{name}_{connections}_per_second": 10.0}

    return measure


def failing(error: Exception) -> Measure:
    async def measure(_: Bench, connections: int) -> Figures:
        raise error

    return measure


@pytest.mark.parametrize(
    "error",
    [
        Problem("pgbench failed: 0 transactions"),
        TimeoutError(),
        ConnectionResetError("lost"),
        asyncpg.TooManyConnectionsError("full"),
    ],
)
@pytest.mark.parametrize("lost", ["create", "baseline", "limit"])
async def test_failed_measure_loses_only_its_own_figures(
    bench: Bench, lost: str, error: Exception
) -> None:
    names = ("create", "baseline", "limit")
    measures = {name: failing(error) if name == lost else measuring(name) for name in names}

    figures = await compared(bench, 256, measures)

    assert figures.keys() == {f"{name}_256_per_second" for name in names if name != lost}
    (problem,) = bench.problems
    assert problem.startswith(f"round 2, {lost} with 256 clients: ")


async def test_mistake_of_our_own_is_no_lost_figure(bench: Bench) -> None:
    with pytest.raises(KeyError):
        await compared(bench, 1, {"create": failing(KeyError("typo"))})


async def test_nothing_arrives_at_a_rate_that_nobody_had(bench: Bench) -> None:
    target: Any = None
    assert await at_a_fixed_rate(bench, {}, {"create": (target, "create")}) == {}
    assert bench.problems == []


@dataclass(frozen=True)
class OneDatabase(Server):
    """A server whose every database is the test's own."""

    def database(self, name: str) -> Any:
        """The one that there is."""
        return self.given

    @asynccontextmanager
    async def connected(self, name: str | None = None) -> AsyncIterator[Any]:
        """A connection to the one that there is."""
        async with super().connected() as connection:
            yield connection


@pytest.fixture
async def server(database: Database) -> AsyncIterator[Server]:
    """A real server with a table for pgbench to write to."""
    given: Any = type("Given", (), {"migration_url": database.owner_url})()
    one = OneDatabase(given, database.superuser_url)
    # pgbench logs in as the owner.
    owner = await asyncpg.connect(database.owner_url)
    await owner.execute("CREATE TABLE written (at timestamptz DEFAULT now())")
    await owner.close()
    yield one


async def test_logins_are_no_part_of_what_is_measured(server: Server, tmp_path: Path) -> None:
    script = tmp_path / "limit.sql"
    script.write_text("INSERT INTO written DEFAULT VALUES;\n")

    measured = await limit.pgbench(server, script, connections=8, seconds=0.5)

    async with server.connected("limit") as connection:
        written = await connection.fetchval("SELECT count(*) FROM written")
    # More than in the window: it goes on between the last login and the end.
    assert 0 < measured.rate * 0.5 <= written
    assert measured.latency_ms == pytest.approx(8000 / measured.rate)


@pytest.mark.parametrize("sql", ["INSERT INTO nowhere DEFAULT VALUES;\n", "\\nonsense\n"])
async def test_pgbench_that_ends_by_itself_is_a_problem(
    server: Server, tmp_path: Path, sql: str
) -> None:
    script = tmp_path / "limit.sql"
    script.write_text(sql)

    with pytest.raises(Problem, match="pgbench failed"):
        await limit.pgbench(server, script, connections=2, seconds=0.5)
