"""Growth: creation, single payments, pages and settlement with ten thousand, a million and five
million completed payments in the tables, each in a database of its own on one server."""

import time
from collections.abc import Sequence

from services.shared.ids import encode_id
from tests.benchmarks import filling, load, requests, settled
from tests.benchmarks.backlog import work_off
from tests.benchmarks.bench import Bench, Figures, as_line, figures_of
from tests.benchmarks.reads import LIST_PATHS, ask
from tests.benchmarks.requests import CURRENCIES
from tests.benchmarks.samples import Row

ORIGINALS = "growth_originals"
# How many payments are asked for, drawn from all of them.
DRAWN = 5000
TIMES_BACKLOG = 3


class Growth:
    """Size by size in each round, beginning with another one each time."""

    rounds = None

    def __init__(self) -> None:
        self._paths: dict[str, Sequence[str]] = {}
        self._round = 0

    async def prepare(self, bench: Bench) -> None:
        """Fills a database for each size."""
        filling.refuse_too_little_disk(bench, sum(bench.options.growth.values()))
        rows = await copied(bench)
        for name, payments in bench.options.growth.items():
            began, database = time.monotonic(), f"growth_{name}"
            await bench.server.make(database)
            await filling.fill(bench, database, rows, payments)
            self._paths[name] = await _drawn(bench, database, payments)
            size = await bench.server.size(database)
            bench.notes.setdefault("filled", {})[name] = {
                "payments": payments,
                "bytes": size,
                "seconds": round(time.monotonic() - began, 1),
            }
            bench.say(f"    {database}: {size / 1e6:,.0f} MB, {size / payments:,.0f} bytes each")

    async def measure(self, bench: Bench) -> Figures:
        """Every size."""
        names = list(bench.options.growth)
        first = self._round % len(names)
        self._round += 1
        figures: Figures = {}
        for name in (*names[first:], *names[:first]):
            found = await self._measure(bench, name)
            bench.say(f"    {as_line(found)}")
            figures |= found
        return figures

    async def _measure(self, bench: Bench, name: str) -> Figures:
        database, rest = f"growth_{name}", bench.mesh.rest
        await bench.mesh.use(database)
        await bench.merchant.register(rest, database)
        await work_off(bench, max(10, bench.options.backlog // 10))
        backlog = await work_off(bench, TIMES_BACKLOG * bench.options.backlog)
        got = await ask(bench, requests.getting(rest, self._paths[name]))
        listed = await ask(bench, requests.getting(rest, LIST_PATHS))
        return {
            f"growth_{name}_create_per_second": backlog.payments / backlog.creation.seconds,
            f"growth_{name}_settle_per_second": backlog.rate,
            **figures_of(f"growth_{name}_get", got),
            **figures_of(f"growth_{name}_list", listed),
        }


async def copied(bench: Bench) -> list[list[Row]]:
    """The rows of one completed payment of each corridor, of which the others are copies."""
    await bench.server.make(ORIGINALS)
    await bench.mesh.use(ORIGINALS)
    rest, tag = bench.mesh.rest, requests.new_tag()
    made = await load.exactly(
        rest, requests.creating(rest, tag), connections=1, count=len(CURRENCIES)
    )
    await bench.check_created(made, ORIGINALS, tag)
    await settled.until_done(bench.server, ORIGINALS, 120.0)
    return await filling.originals(bench, ORIGINALS)


async def _drawn(bench: Bench, database: str, payments: int) -> list[str]:
    share = min(100.0, 300.0 * DRAWN / payments)
    async with bench.server.connected(database) as connection:
        rows = await connection.fetch(
            f"SELECT id FROM payments TABLESAMPLE BERNOULLI ({share:f}) ORDER BY random() LIMIT $1",
            DRAWN,
        )
    return [f"/api/payments/{encode_id('pay', row['id'])}" for row in rows]
