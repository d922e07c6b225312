"""The cost of traces: a payment's processor time where a share of the traces is exported to a
collector on the same machine, over its time without a collector, in turn."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from tests.benchmarks import processes
from tests.benchmarks.backlog import Backlog, work_off
from tests.benchmarks.bench import Bench, Figures, as_line
from tests.collector import collecting

DATABASE = "tracing"
SHARE = 0.01
ENDPOINT, RATIO = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_TRACES_SAMPLER_ARG"
# Twice each, and neither always first, so that a drift of the machine meets both.
TURNS = ("without", "sampled", "sampled", "without")

# After each start: one by itself takes up to a tenth more or less than the next.
BACKLOGS = 4


class Tracing:
    """Each twice a round, on a mesh that has just started."""

    rounds = None

    async def prepare(self, bench: Bench) -> None:
        """An empty database."""
        await bench.server.make(DATABASE)

    async def measure(self, bench: Bench) -> Figures:
        """Processor time of a payment, from creation to its end, with and without."""
        used = dict.fromkeys(TURNS, 0.0)
        with collecting() as collector:
            collected = {"without": {}, "sampled": {ENDPOINT: collector.endpoint, RATIO: SHARE}}
            for turn in TURNS:
                with environment(collected[turn]):
                    used[turn] += await _cpu_ms(bench) / TURNS.count(turn)
            spans = len(collector.spans)
        figures = {f"tracing_{turn}_cpu_ms": milliseconds for turn, milliseconds in used.items()}
        figures["tracing_sampled_over_without"] = used["sampled"] / used["without"]
        figures["tracing_spans"] = float(spans)
        bench.say(f"    {as_line(figures)}")
        return figures


async def _cpu_ms(bench: Bench) -> float:
    """Of one payment, in all processes of the mesh."""
    await bench.mesh.use(DATABASE, whole=True)
    await bench.merchant.register(bench.mesh.rest, DATABASE)
    await work_off(bench, max(10, bench.options.backlog // 10))
    backlogs = [await work_off(bench, bench.options.backlog) for _ in range(BACKLOGS)]
    return 1000 * sum(map(_seconds, backlogs)) / sum(one.payments for one in backlogs)


def _seconds(found: Backlog) -> float:
    return sum(
        seconds
        for phase in (found.creation, found.settlement)
        for kind, seconds in phase.processor_seconds.items()
        if kind != processes.GENERATOR
    )


@contextmanager
def environment(variables: Mapping[str, object]) -> Iterator[None]:
    """Ours with these, and without a collector where they name none; the mesh inherits it."""
    before = {name: os.environ.pop(name) for name in (ENDPOINT, RATIO) if name in os.environ}
    os.environ.update({name: str(value) for name, value in variables.items()})
    try:
        yield
    finally:
        for name in variables:
            del os.environ[name]
        os.environ.update(before)
