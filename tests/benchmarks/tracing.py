"""The cost of traces: a payment's processor time where a share of the traces is exported to a
collector on the same machine, over its time without a collector, in turn."""

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from tests.benchmarks import processes
from tests.benchmarks.backlog import work_off
from tests.benchmarks.bench import Bench, Figures, as_line
from tests.collector import collecting

DATABASE = "tracing"
SHARE = 0.01
ENDPOINT, RATIO = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_TRACES_SAMPLER_ARG"
# Twice each, and neither always first, so that a drift of the machine meets both.
TURNS = ("without", "sampled", "sampled", "without")

# After each start: one by itself takes up to a tenth more or less than the next.
BACKLOGS = 4

# No trace changes their work, and PostgreSQL's scatters by more than all traces cost.
EXPORT_NOTHING = {"postgresql", "simulator"}


class Tracing:
    """Each twice a round, on a mesh that has just started."""

    rounds = None

    async def prepare(self, bench: Bench) -> None:
        """An empty database."""
        await bench.server.make(DATABASE)

    async def measure(self, bench: Bench) -> Figures:
        """Processor time of a payment, from creation to its end, with and without."""
        used: dict[str, dict[str, float]] = {turn: defaultdict(float) for turn in TURNS}
        with collecting() as collector:
            collected = {"without": {}, "sampled": {ENDPOINT: collector.endpoint, RATIO: SHARE}}
            for turn in TURNS:
                with environment(collected[turn]):
                    await _add_cpu_ms(bench, used[turn])
            spans = len(collector.spans)
        figures = {
            f"tracing_{turn}_cpu_ms_{kind}": milliseconds
            for turn, by_kind in used.items()
            for kind, milliseconds in sorted(by_kind.items())
        }
        whole = sum(used["without"].values())
        kinds = used["without"].keys() - EXPORT_NOTHING
        more = sum(used["sampled"][kind] - used["without"][kind] for kind in kinds)
        figures["tracing_sampled_over_without"] = (whole + more) / whole
        figures["tracing_spans"] = float(spans)
        bench.say(f"    {as_line(figures)}")
        return figures


async def _add_cpu_ms(bench: Bench, used: dict[str, float]) -> None:
    """Of one payment, by kind of process."""
    await bench.mesh.use(DATABASE, whole=True)
    await bench.merchant.register(bench.mesh.rest, DATABASE)
    await work_off(bench, max(10, bench.options.backlog // 10))
    for _ in range(BACKLOGS):
        found = await work_off(bench, bench.options.backlog)
        payments = found.payments * BACKLOGS * len(TURNS) / len(set(TURNS))
        for phase in (found.creation, found.settlement):
            for kind, seconds in phase.processor_seconds.items():
                if kind != processes.GENERATOR:
                    used[kind] += 1000 * seconds / payments


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
