"""The same with one and with two processes of payments and of the worker, on the same cores: what
they gain or lose by each other, what they wait for, and whether the books agree afterwards."""

import asyncio
import sys

from deploy import ROOT
from deploy.local.mesh.processes import environment
from deploy.local.process.terminal import Problem
from tests.benchmarks import locks
from tests.benchmarks.backlog import work_off
from tests.benchmarks.bench import Bench, Figures, as_line

DATABASE = "scaling"
TIMES_BACKLOG = 2


class Scaling:
    """A backlog is made without workers, and settled with them."""

    rounds = None

    async def prepare(self, bench: Bench) -> None:
        """A database for each size."""
        for size in bench.options.processes:
            await bench.server.make(f"{DATABASE}_{size}")

    async def measure(self, bench: Bench) -> Figures:
        """Both sizes."""
        figures: Figures = {}
        for size in bench.options.processes:
            found = await _measure(bench, size)
            bench.say(f"    {as_line(found)}")
            figures |= found
        return figures


async def _measure(bench: Bench, size: int) -> Figures:
    database = f"{DATABASE}_{size}"
    await bench.mesh.use(database, payments=size, workers=size)
    await bench.merchant.register(bench.mesh.rest, database)
    await work_off(bench, max(10, bench.options.backlog // 10))
    async with locks.watching(bench.server, database) as waits:
        found = await work_off(bench, TIMES_BACKLOG * bench.options.backlog)
    await verify(bench, database)
    bench.notes.setdefault("waits", {}).setdefault(size, []).append(dict(waits.waiting))
    return {
        f"scaling_{size}_create_per_second": found.payments / found.creation.seconds,
        f"scaling_{size}_settle_backlog_per_second": found.rate,
        f"scaling_{size}_lock_wait_share": waits.lock_share,
        f"scaling_{size}_deadlocks": waits.deadlocks,
    }


async def verify(bench: Bench, database: str) -> None:
    """Recomputes the books, as `./caravel verify` does. Raises Problem where they do not agree."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "services.payments.verify"),
        cwd=ROOT,
        env=environment({"DATABASE_URL": bench.server.database(database).application_url}),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    if process.returncode:
        wrong = [line for line in output.decode().splitlines() if "✗" in line]
        raise Problem(f"{database}: the books do not agree: {'; '.join(wrong)[:500]}")
