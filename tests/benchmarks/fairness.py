"""Whether a merchant at ten times its limit slows others: merchants below their limits create
payments, alone and beside one that sends ten times what it may."""

import asyncio
from collections.abc import Sequence

from deploy.local.process.terminal import Problem
from tests.benchmarks import load, requests
from tests.benchmarks.bench import Bench, Figures, as_line
from tests.benchmarks.load import Make, Outcome
from tests.benchmarks.revocation import make_merchant

DATABASE = "fairness"
# Of each merchant, in calls a second; a bucket holds those of one second.
LIMIT = 10
SHARE = 0.8
TIMES_LIMIT = 10
LIMITS = f"writes = {{ calls = {LIMIT}, seconds = 1 }}\n"
CONNECTIONS = 512


class Fairness:
    """Both loads once a round, the one that comes first in turn."""

    rounds = None

    def __init__(self) -> None:
        self._keys: list[str] = []
        self._turns = 0

    async def prepare(self, bench: Bench) -> None:
        """A database with the merchants, and one more that floods."""
        await bench.server.make(DATABASE)
        count = bench.options.merchants + 1
        self._keys = [await make_merchant(bench, DATABASE) for _ in range(count)]

    async def measure(self, bench: Bench) -> Figures:
        """Latencies of the others, alone and beside the one that floods."""
        file = bench.folder / "fairness.toml"
        file.write_text(LIMITS)
        await bench.mesh.use(DATABASE, payments_settings={"LIMITS_FILE": str(file)})
        await bench.mesh.stop_workers()
        self._turns += 1
        figures: Figures = {}
        for is_flooded in (False, True) if self._turns % 2 else (True, False):
            figures |= await self._once(bench, is_flooded=is_flooded)
        bench.say(f"    {as_line(figures)}")
        return figures

    async def _once(self, bench: Bench, *, is_flooded: bool) -> Figures:
        *others, flooding = self._keys
        loads = [_load(bench, others, rate=SHARE * LIMIT * len(others))]
        if is_flooded:
            loads.append(_load(bench, [flooding], rate=TIMES_LIMIT * LIMIT))
        below, *flooding_one = await asyncio.gather(*loads)
        if set(below.statuses) != {201} or below.broken:
            raise Problem(f"a merchant below its limit was refused: {below.statuses}")
        name = "fairness_beside_flood" if is_flooded else "fairness_alone"
        figures = {
            f"{name}_p50_ms": below.percentile_ms(0.5) or 0.0,
            f"{name}_p99_ms": below.percentile_ms(0.99) or 0.0,
        }
        for outcome in flooding_one:
            figures |= _of_flood(outcome)
        return figures


def _of_flood(outcome: Outcome) -> Figures:
    """Raises Problem where one got more than its limit, or a refusal that is not clear."""
    taken, refused = len(outcome.latencies), outcome.refused
    # The bucket is full at first; and answers may take a second longer than the load lasts.
    if taken > LIMIT * (outcome.seconds + 2):
        raise Problem(f"{taken} calls were taken in {outcome.seconds} s at {LIMIT} a second")
    if set(outcome.statuses) - {201, 429} or set(outcome.reasons) - {"RATE_LIMIT_EXCEEDED"}:
        raise Problem(f"not every refusal is clear: {outcome.statuses}, {outcome.reasons}")
    return {
        "fairness_flood_taken_per_second": outcome.rate,
        "fairness_flood_refused_share": refused / max(1, taken + refused),
    }


async def _load(bench: Bench, keys: Sequence[str], *, rate: float) -> Outcome:
    return await load.fixed_rate(
        bench.mesh.rest,
        _in_turn([requests.creating(bench.mesh.rest, requests.new_tag(), key) for key in keys]),
        rate=rate,
        seconds=bench.options.seconds,
        connections=CONNECTIONS,
    )


def _in_turn(makers: Sequence[Make]) -> Make:
    return lambda number: makers[number % len(makers)](number)
