"""The cost of a credential: creation by the same clients without one, as a sandbox allows, and with
an API key, in turn. The workers are stopped."""

from tests.benchmarks import processes
from tests.benchmarks.bench import Bench, Figures, as_line, figures_of
from tests.benchmarks.revocation import make_merchant

DATABASE = "credentials"


class Credentials:
    """Both once a round, the one that comes first in turn."""

    rounds = None

    def __init__(self) -> None:
        self._key = ""
        self._turns = 0

    async def prepare(self, bench: Bench) -> None:
        """A database with a merchant."""
        await bench.server.make(DATABASE)
        self._key = await make_merchant(bench, DATABASE)

    async def measure(self, bench: Bench) -> Figures:
        """Rate, latency and processor time of each, and how they compare."""
        await bench.mesh.use(DATABASE)
        await bench.mesh.stop_workers()
        self._turns += 1
        figures: Figures = {}
        for api_key in ("", self._key) if self._turns % 2 else (self._key, ""):
            name = "credentials_with_key" if api_key else "credentials_without"
            figures |= await _created(bench, name, api_key)
        for name in ("per_second", "cpu_ms"):
            figures[f"credentials_with_key_{name}_over_without"] = (
                figures[f"credentials_with_key_{name}"] / figures[f"credentials_without_{name}"]
            )
        bench.say(f"    {as_line(figures)}")
        return figures


async def _created(bench: Bench, name: str, api_key: str) -> Figures:
    before = processes.processor_seconds(bench.mesh.pids)
    outcome = await bench.create(
        bench.options.usual_connections, bench.mesh.rest, DATABASE, api_key
    )
    after = processes.processor_seconds(bench.mesh.pids)
    used = sum(
        seconds - before.get(kind, 0.0)
        for kind, seconds in after.items()
        if kind != processes.GENERATOR
    )
    # The warm-up's too, on both sides.
    cpu_ms = 1000 * used / len(outcome.acknowledged)
    return {**figures_of(name, outcome), f"{name}_cpu_ms": cpu_ms}
