"""The same with one and with two processes of payments and of the worker, on the same cores: what
they gain or lose by each other, what they wait for, and whether the books agree afterwards."""

import asyncio
import os
import sys

from deploy.local.paths import ROOT
from deploy.local.problem import Problem
from tests.benchmarks import locks, merchant
from tests.benchmarks.backlog import work_off
from tests.benchmarks.bench import Bench, Figures, figures_of, told

DATABASE = "scaling"
SIZES = (1, 2)


class Scaling:
    """Creation without workers, then a backlog with them."""

    rounds = None

    async def prepare(self, bench: Bench) -> None:
        """A database for each size, one for what is created and one for what is settled."""
        for size in SIZES:
            await bench.server.make(f"{DATABASE}_create_{size}")
            await bench.server.make(f"{DATABASE}_settle_{size}")

    async def measure(self, bench: Bench) -> Figures:
        """Both sizes."""
        figures: Figures = {}
        for size in SIZES:
            found = await _create(bench, size) | await _settle(bench, size)
            bench.say(f"    {told(found)}")
            figures |= found
        return figures


async def _create(bench: Bench, size: int) -> Figures:
    database = f"{DATABASE}_create_{size}"
    await bench.mesh.use(database, payments=size, workers=size)
    await bench.mesh.stop_workers()
    async with locks.watching(bench.server, database) as waits:
        made = await bench.create(bench.options.usual_connections, bench.mesh.rest, database)
    return figures_of(f"scaling_{size}_create", made) | _waits(bench, f"{size}_create", waits)


async def _settle(bench: Bench, size: int) -> Figures:
    database = f"{DATABASE}_settle_{size}"
    await bench.mesh.use(database, payments=size, workers=size)
    async with merchant.listening() as shop:
        await shop.register(bench.mesh.rest)
        await work_off(bench, max(10, bench.options.backlog // 10))
        async with locks.watching(bench.server, database) as waits:
            found = await work_off(bench, bench.options.backlog)
    await verify(bench, database)
    figures = {f"scaling_{size}_settle_backlog_per_second": found.rate}
    return figures | _waits(bench, f"{size}_settle", waits)


def _waits(bench: Bench, name: str, waits: locks.Waits) -> Figures:
    bench.notes.setdefault("waits", {}).setdefault(name, []).append(dict(waits.waiting))
    return {
        f"scaling_{name}_lock_wait_share": waits.lock_share,
        f"scaling_{name}_deadlocks": waits.deadlocks,
    }


async def verify(bench: Bench, database: str) -> None:
    """Recomputes the books, as `./caravel verify` does. Raises Problem where they do not agree."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "services.payments.verify"),
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": bench.server.database(database).application_url},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    if process.returncode:
        wrong = [line for line in output.decode().splitlines() if "✗" in line]
        raise Problem(f"{database}: the books do not agree: {'; '.join(wrong)[:500]}")
