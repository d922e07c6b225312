"""A backlog of payments, made while the workers stand still, and how fast it goes down: the rate of
settlement alone, and what it costs. A steady stream of payments is measured in settle."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from tests.benchmarks import load, processes, requests, settled
from tests.benchmarks.bench import Bench

DONE_SECONDS = 600.0


@dataclass(frozen=True)
class Phase:
    """The use of one phase."""

    seconds: float
    # By kind of process.
    processor_seconds: Mapping[str, float]
    wal_bytes: int


@dataclass(frozen=True)
class Backlog:
    """One backlog from its creation to its end."""

    payments: int
    creation: Phase
    settlement: Phase
    # Completed payments a second, from the moment when the workers went on to the last one: they
    # take all of it step by step, so that single payments are completed late and close together.
    rate: float


class _Meter:
    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    async def start(self) -> None:
        self._wal = await self._bench.server.wal_position()
        self._used = processes.processor_seconds(self._bench.mesh.pids)
        self._began = time.monotonic()

    async def phase(self) -> Phase:
        used = processes.processor_seconds(self._bench.mesh.pids)
        return Phase(
            time.monotonic() - self._began,
            {kind: seconds - self._used.get(kind, 0.0) for kind, seconds in used.items()},
            await self._bench.server.wal_position() - self._wal,
        )


async def work_off(bench: Bench, payments: int) -> Backlog:
    """Makes so many payments and lets the workers settle them. Raises Problem."""
    tag, mesh = requests.new_tag(), bench.mesh
    meter = _Meter(bench)
    mesh.pause_workers()
    try:
        await meter.start()
        outcome = await load.exactly(
            mesh.rest,
            requests.creating(mesh.rest, tag),
            connections=bench.options.usual_connections,
            count=payments,
        )
        creation = await meter.phase()
    finally:
        mesh.resume_workers()
    async with bench.server.connected(mesh.on) as connection:
        resumed_at = await settled.clock(connection)
    await meter.start()
    await settled.until_done(bench.server, mesh.on, DONE_SECONDS)
    settlement = await meter.phase()
    await bench.check_created(outcome, mesh.on, tag)
    ways = await settled.ways(bench.server, mesh.on, tag)
    rate = payments / (max(way.completed for way in ways) - resumed_at)
    return Backlog(payments, creation, settlement, rate)
