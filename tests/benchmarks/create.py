"""Creation, three times: through Envoy by the mesh, by the obvious monolith, and by pgbench as the
server's own limit. The workers are stopped, because the other two have none."""

from pathlib import Path

from deploy.local.ports import HOST
from tests.benchmarks import limit
from tests.benchmarks.baseline import process
from tests.benchmarks.bench import Bench, Figures, figures_of, told
from tests.benchmarks.load import Target
from tests.benchmarks.mesh import EXTRA_PORTS

NAMES = ("create", "baseline", "limit")
WORKERS = dict(zip(EXTRA_PORTS, (1, 2), strict=True))
DATABASE, BASELINE = "create", "baseline"


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
        """Every one at every number of connections."""
        await bench.mesh.use(DATABASE)
        await bench.mesh.stop_workers()
        if "baseline" in self._names:
            await self._start_baseline(bench)
        figures: Figures = {}
        try:
            for connections in bench.options.connections:
                found = await self._compare(bench, connections)
                bench.say(f"    {told(found)}")
                figures |= found
        finally:
            await bench.mesh.stop(EXTRA_PORTS)
        return figures

    async def _compare(self, bench: Bench, connections: int) -> Figures:
        figures: Figures = {}
        if "create" in self._names:
            made = await bench.create(connections, bench.mesh.rest, DATABASE)
            figures |= figures_of(f"create_{connections}", made)
        if "baseline" in self._names:
            for name, workers in WORKERS.items():
                # One connection never keeps a second worker busy.
                if workers == 1 or connections > 1:
                    target = Target(HOST, bench.mesh.plan.ports[name])
                    made = await bench.create(connections, target, BASELINE)
                    label = "" if workers == 1 else f"_{workers}_workers"
                    figures |= figures_of(f"baseline{label}_{connections}", made)
        if "limit" in self._names:
            seconds = bench.options.seconds
            ran = await limit.pgbench(
                bench.server, self._script, connections=connections, seconds=seconds
            )
            figures[f"limit_{connections}_per_second"] = ran.rate
            figures[f"limit_{connections}_mean_ms"] = ran.latency_ms
        return figures

    async def _start_baseline(self, bench: Bench) -> None:
        url = bench.server.database(BASELINE).migration_url
        for name, workers in WORKERS.items():
            port = bench.mesh.plan.ports[name]
            await bench.mesh.start(process.spec(name, url, port, workers))
