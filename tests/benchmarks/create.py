"""Creation, three times: through Envoy by the mesh, by the naive monolith, and by pgbench as the
server's own limit. The workers are stopped, because the other two have none."""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from deploy.local.mesh.ports import HOST
from deploy.local.process.terminal import Problem
from tests.benchmarks import limit, load, processes, requests
from tests.benchmarks.baseline import process
from tests.benchmarks.bench import FAILURES, Bench, Figures, as_line, figures_of
from tests.benchmarks.load import Outcome, Target
from tests.benchmarks.mesh import EXTRA_PORTS

NAMES = ("create", "baseline", "limit")
WORKERS = dict(zip(EXTRA_PORTS, (1, 2), strict=True))
DATABASE, BASELINE = "create", "baseline"
SERVER = "postgresql"
# Of what the usual clients had, so much arrives at a fixed rate.
FIXED_SHARE = 0.5

# Measures one of them with so many clients.
Measure = Callable[[Bench, int], Awaitable[Figures]]


class Creation:
    """At each number of connections one after the other, so that each ratio is of one minute."""

    rounds = None

    def __init__(self, names: tuple[str, ...]) -> None:
        """names are those of NAMES that are wanted."""
        self._names = names
        self._script = Path()

    async def prepare(self, bench: Bench) -> None:
        """A database for each, and the script that is made from a payment of ours."""
        for name in (DATABASE, BASELINE, limit.DATABASE):
            await bench.server.make(name)
        await bench.mesh.use(DATABASE)
        await bench.mesh.stop_workers()
        await bench.create(1, bench.mesh.rest, DATABASE)
        self._script = await limit.write_script(bench.server, DATABASE, bench.folder)

    async def measure(self, bench: Bench) -> Figures:
        """Every one at every number of connections, then at a fixed rate."""
        await bench.mesh.use(DATABASE)
        await bench.mesh.stop_workers()
        figures: Figures = {}
        try:
            measures = await self._measures(bench)
            for connections in bench.options.connections:
                found = await compared(bench, connections, measures)
                bench.say(f"    {as_line(found)}")
                figures |= found
            found = await at_a_fixed_rate(bench, figures, self._targets(bench))
            bench.say(f"    {as_line(found)}")
        finally:
            await bench.mesh.stop(EXTRA_PORTS)
        return figures | found

    async def _measures(self, bench: Bench) -> Mapping[str, Measure]:
        """The wanted parts that can be measured."""
        measures: dict[str, Measure] = {}
        if "create" in self._names:
            measures["create"] = _through_the_mesh
        if "baseline" in self._names:
            try:
                await self._start_baseline(bench)
                measures["baseline"] = _by_the_monolith
            except FAILURES as error:
                bench.failed("baseline", error)
        if "limit" in self._names:
            measures["limit"] = self._by_pgbench
        return measures

    def _targets(self, bench: Bench) -> dict[str, tuple[Target, str]]:
        """Address and database of each server, by the name of its figures."""
        targets = {"create": (bench.mesh.rest, DATABASE)}
        for name, workers in WORKERS.items():
            targets[_label(workers)] = (Target(HOST, bench.mesh.plan.ports[name]), BASELINE)
        return {name: at for name, at in targets.items() if name.partition("_")[0] in self._names}

    async def _by_pgbench(self, bench: Bench, connections: int) -> Figures:
        ran = await limit.pgbench(
            bench.server, self._script, connections=connections, seconds=bench.options.seconds
        )
        return {
            f"limit_{connections}_per_second": ran.rate,
            f"limit_{connections}_mean_ms": ran.latency_ms,
        }

    async def _start_baseline(self, bench: Bench) -> None:
        url = bench.server.database(BASELINE).migration_url
        for name, workers in WORKERS.items():
            port = bench.mesh.plan.ports[name]
            await bench.mesh.start(process.spec(name, url, port, workers))


async def compared(bench: Bench, connections: int, measures: Mapping[str, Measure]) -> Figures:
    """The measurements of each, one after the other. One that fails loses its own only."""
    figures: Figures = {}
    for name, measure in measures.items():
        try:
            figures |= await measure(bench, connections)
        except FAILURES as error:
            bench.failed(f"{name} with {connections} clients", error)
    return figures


async def at_a_fixed_rate(
    bench: Bench, measured: Figures, targets: Mapping[str, tuple[Target, str]]
) -> Figures:
    """Payments that arrive at half of the rate of the usual clients, whatever becomes of them.

    Of the monolith, that with the better number of workers; for each half of what it had itself.
    """
    usual = bench.options.usual_connections
    rates = {
        name: rate
        for name in targets
        if (rate := measured.get(f"{name}_{usual}_per_second")) is not None
    }
    monoliths = sorted((name for name in rates if name != "create"), key=lambda name: rates[name])
    figures: Figures = {}
    for name in (*(["create"] if "create" in rates else []), *monoliths[-1:]):
        try:
            outcome = await _arriving(bench, *targets[name], FIXED_SHARE * rates[name])
            figures |= figures_of(f"{name.partition('_')[0]}_fixed", outcome)
        except FAILURES as error:
            bench.failed(f"{name} at a fixed rate", error)
    return figures


async def _arriving(bench: Bench, target: Target, database: str, rate: float) -> Outcome:
    tag = requests.new_tag()
    outcome = await load.fixed_rate(
        target, requests.creating(target, tag), rate=rate, seconds=bench.options.seconds
    )
    if outcome.unsent:
        raise Problem(f"{database}: {outcome.unsent} arrivals found no connection")
    await bench.check_created(outcome, database, tag)
    return outcome


async def _through_the_mesh(bench: Bench, connections: int) -> Figures:
    return await _created(bench, "create", connections, bench.mesh.rest, DATABASE)


async def _by_the_monolith(bench: Bench, connections: int) -> Figures:
    figures: Figures = {}
    for name, workers in WORKERS.items():
        # One connection never keeps a second worker busy.
        if workers == 1 or connections > 1:
            target = Target(HOST, bench.mesh.plan.ports[name])
            figures |= await _created(bench, _label(workers), connections, target, BASELINE)
    return figures


async def _created(
    bench: Bench, name: str, connections: int, target: Target, database: str
) -> Figures:
    """Rate, latency, and what one creation costs PostgreSQL, where that is ours."""
    before = processes.processor_seconds(bench.mesh.pids)
    outcome = await bench.create(connections, target, database)
    after = processes.processor_seconds(bench.mesh.pids)
    figures = figures_of(f"{name}_{connections}", outcome)
    if SERVER in after:
        used = after[SERVER] - before.get(SERVER, 0.0)
        # The warm-up's too, on both sides.
        figures[f"{name}_{connections}_postgresql_cpu_ms"] = 1000 * used / len(outcome.acknowledged)
    return figures


def _label(workers: int) -> str:
    return "baseline" if workers == 1 else f"baseline_{workers}_workers"
