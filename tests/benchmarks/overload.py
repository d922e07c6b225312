"""Four times what the mesh can take, for a while: every answer has to be a creation or a clear
refusal, nothing that was acknowledged may be missing, and afterwards all is as before."""

import asyncio
import time

from deploy.local.process.terminal import Problem
from tests.benchmarks import load, requests
from tests.benchmarks.bench import Bench, Figures, as_line
from tests.benchmarks.load import Outcome

DATABASE = "overload"
TIMES_CAPACITY = 4.0
# More than the gateway and payments let in, so that somebody has to say no.
CONNECTIONS = 4000
CLEAR = {201, 429, 503}
# So many in a row have to be created as usual.
IN_A_ROW = 20
RECOVERY_SECONDS = 120.0


class Overload:
    """Once a run: its checks do not depend on rounds."""

    rounds = 1

    async def prepare(self, bench: Bench) -> None:
        """An empty database."""
        await bench.server.make(DATABASE)

    async def measure(self, bench: Bench) -> Figures:
        """The burst, and the time until nothing is left of it."""
        await bench.mesh.use(DATABASE)
        rest = bench.mesh.rest
        before = await bench.create(bench.options.usual_connections, rest, DATABASE)
        tag, rate = requests.new_tag(), TIMES_CAPACITY * before.rate
        burst = await load.fixed_rate(
            rest,
            requests.creating(rest, tag),
            rate=rate,
            seconds=bench.options.burst_seconds,
            connections=CONNECTIONS,
        )
        # The workers have not nearly settled what was created.
        bench.mesh.has_leftovers = True
        # As at capacity: the workers have to settle the burst, and take their share of processors.
        usual_ms = bench.options.recovered_times_usual * (before.percentile_ms(0.99) or 1.0)
        recovery = await _recovery(bench, usual_ms)
        await _check(bench, burst, tag)
        figures = _figures(burst) | {
            "overload_capacity_per_second": before.rate,
            "overload_arriving_per_second": rate,
            "overload_recovery_s": recovery,
        }
        bench.notes["overload"] = {
            "statuses": dict(burst.statuses),
            "reasons": dict(burst.reasons),
            "connections lost": burst.broken,
            "arrivals without a connection": burst.unsent,
        }
        bench.say(f"    {as_line(figures)}\n    {bench.notes['overload']}")
        return figures


def _figures(burst: Outcome) -> Figures:
    answers = max(1, burst.statuses.total())
    figures = {
        "overload_accepted_per_second": burst.rate,
        "overload_refused_share": burst.refused / answers,
    }
    for label, share in (("p50", 0.5), ("p99", 0.99), ("longest", 1.0)):
        figures[f"overload_accepted_{label}_ms"] = burst.percentile_ms(share) or 0.0
    return figures


async def _check(bench: Bench, burst: Outcome, tag: str) -> None:
    """Raises Problem where an answer was unclear, or an acknowledged payment is missing."""
    async with bench.server.connected(DATABASE) as connection:
        missing = await connection.fetchval(
            """
            SELECT count(*) FROM unnest($1::text[]) AS acknowledged(key)
             WHERE NOT EXISTS (SELECT FROM idempotency_keys k
                                 JOIN payments p ON p.merchant_id = k.merchant_id
                                                AND p.id = k.payment_id
                                WHERE k.merchant_id = 'sandbox' AND k.key = acknowledged.key)
            """,
            [f"{tag}-{number}" for number in burst.acknowledged],
        )
    if missing:
        raise Problem(f"{missing} of {len(burst.acknowledged)} acknowledged payments are missing")
    unclear = set(burst.statuses) - CLEAR
    if unclear or burst.reasons.get("none given"):
        raise Problem(f"not every refusal is clear: {burst.statuses}, {burst.reasons}")


async def _recovery(bench: Bench, usual_ms: float) -> float:
    """Seconds until single creations are as fast as those of many clients were before the burst, to
    the first of a row of them."""
    rest, began = bench.mesh.rest, time.monotonic()
    make = requests.creating(rest, requests.new_tag())
    in_a_row, number, since = 0, 0, 0.0
    while in_a_row < IN_A_ROW:
        if time.monotonic() - began > RECOVERY_SECONDS:
            raise Problem(f"not as before {RECOVERY_SECONDS:.0f} s after the burst")
        asked = time.monotonic()
        status, _ = await load.ask(rest, make(number))
        number += 1
        is_usual = status == 201 and 1000 * (time.monotonic() - asked) <= usual_ms
        since = asked if in_a_row == 0 else since
        in_a_row = in_a_row + 1 if is_usual else 0
        await asyncio.sleep(0)
    return since - began
