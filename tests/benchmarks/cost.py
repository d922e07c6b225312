"""The cost of a payment: processor time of every process, log and disk; and the memory of the
idle mesh."""

import asyncio
from collections.abc import Mapping

from tests.benchmarks import processes
from tests.benchmarks.backlog import Phase, work_off
from tests.benchmarks.bench import Bench, Figures, as_line
from tests.benchmarks.processes import Memory

DATABASE = "cost"
MEGABYTE = 1_000_000
# After a start, and after work, until what is freed soon is freed.
IDLE_SECONDS = 5.0


class Cost:
    """A backlog for each round, measured from both ends."""

    rounds = None

    async def prepare(self, bench: Bench) -> None:
        """An empty database."""
        await bench.server.make(DATABASE)

    async def measure(self, bench: Bench) -> Figures:
        """Memory before anything was done, the cost of a backlog, memory after it."""
        await bench.mesh.use(DATABASE, whole=not bench.options.is_smoke)
        figures = await _memory(bench, "idle")
        await bench.merchant.register(bench.mesh.rest, DATABASE)
        await work_off(bench, max(10, bench.options.backlog // 10))
        size = await bench.server.size(DATABASE)
        found = await work_off(bench, bench.options.backlog)
        grown = await bench.server.size(DATABASE) - size
        figures |= await _memory(bench, "after_work")
        figures |= _of_phase("create", found.creation, found.payments)
        figures |= _of_phase("settle", found.settlement, found.payments)
        figures["cost_disk_bytes_per_payment"] = grown / found.payments
        bench.say(f"    {as_line(figures)}")
        return figures


def _of_phase(name: str, phase: Phase, payments: int) -> Figures:
    thousands = payments / 1000
    by_kind = {
        f"cost_{name}_cpu_s_per_1000_{kind}": seconds / thousands
        for kind, seconds in sorted(phase.processor_seconds.items())
    }
    ours = [s for kind, s in phase.processor_seconds.items() if kind != processes.GENERATOR]
    return {
        **by_kind,
        f"cost_{name}_cpu_s_per_1000_mesh": sum(ours) / thousands,
        f"cost_{name}_wal_bytes_per_payment": phase.wal_bytes / payments,
    }


async def _memory(bench: Bench, when: str) -> Figures:
    await asyncio.sleep(0.0 if bench.options.is_smoke else IDLE_SECONDS)
    found = processes.memory(bench.mesh.pids)
    figures = _totals(found, when)
    by_kind = {
        f"cost_{when}_rss_mb_{kind}": one.rss / MEGABYTE for kind, one in sorted(found.items())
    }
    return figures | by_kind


def _totals(found: Mapping[str, Memory], when: str) -> Figures:
    """Both sums: a page that processes share counts once in the one, and each time in the other."""
    rss = sum(one.rss for one in found.values())
    shares = [one.pss for one in found.values()]
    label = "idle" if when == "idle" else f"cost_{when}"
    figures = {f"{label}_plain_rss_mb": rss / MEGABYTE}
    pss = rss if None in shares else sum(one for one in shares if one is not None)
    return {f"{label}_rss_mb": pss / MEGABYTE, **figures}
