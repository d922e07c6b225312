"""Quotes: the first ones after the mesh has started, one for each corridor, and the usual ones."""

from tests.benchmarks import load, requests
from tests.benchmarks.bench import Bench, Figures, as_line, figures_of
from tests.benchmarks.reads import ask

DATABASE = "quotes"


class Quotes:
    """Each mesh gives its first quotes in its first seconds: no rate, corridor or connection has
    served before."""

    rounds = None

    async def prepare(self, bench: Bench) -> None:
        """An empty database."""
        await bench.server.make(DATABASE)

    async def measure(self, bench: Bench) -> Figures:
        """The first quotes of a whole mesh that has just started, one after the other; then the
        usual number of connections."""
        await bench.mesh.stop(name for name in bench.mesh.pids if name != "postgresql")
        await bench.mesh.use(DATABASE, whole=True)
        rest = bench.mesh.rest
        quoting = requests.quoting(rest)
        first = await load.exactly(rest, quoting, connections=1, count=len(requests.CURRENCIES))
        cold = {
            f"quotes_cold_{name}_ms": first.percentile_ms(share) or 0.0
            for name, share in (("p50", 0.5), ("longest", 1.0))
        }
        figures = cold | figures_of("quotes", await ask(bench, quoting, 201))
        one = await load.fixed_rate(rest, quoting, rate=20, seconds=bench.options.seconds)
        figures |= figures_of("quotes_20_a_second", one)
        bench.say(f"    {as_line(figures)}")
        return figures
