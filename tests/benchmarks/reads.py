"""Replays of creations, single payments, and pages of the list."""

import json

from deploy.local.process.terminal import Problem
from tests.benchmarks import load, requests
from tests.benchmarks.bench import Bench, Figures, as_line, figures_of
from tests.benchmarks.load import Make, Outcome

DATABASE = "reads"
LIST_PATHS = ("/api/payments?page_size=50",)
PAYMENTS = 1000


class Reads:
    """Each for itself, at the usual number of connections; the workers are stopped."""

    rounds = None

    def __init__(self) -> None:
        self._tag = ""
        self._numbers: list[int] = []
        self._paths: list[str] = []

    async def prepare(self, bench: Bench) -> None:
        """Some payments to ask for."""
        await bench.server.make(DATABASE)
        await bench.mesh.use(DATABASE)
        await bench.mesh.stop_workers()
        self._tag = requests.new_tag()
        made = await load.exactly(
            bench.mesh.rest,
            requests.creating(bench.mesh.rest, self._tag),
            connections=bench.options.usual_connections,
            count=min(PAYMENTS, 10 * bench.options.backlog),
        )
        await bench.check_created(made, DATABASE, self._tag)
        self._numbers = made.acknowledged
        self._paths = await paths(bench, "/api/payments?page_size=200")

    async def measure(self, bench: Bench) -> Figures:
        """Replay, get, list."""
        await bench.mesh.use(DATABASE)
        await bench.mesh.stop_workers()
        rest = bench.mesh.rest
        replayed = await ask(bench, requests.replaying(rest, self._tag, self._numbers), 201)
        got = await ask(bench, requests.getting(rest, self._paths))
        listed = await ask(bench, requests.getting(rest, LIST_PATHS))
        there = await bench.server.keys(DATABASE, self._tag)
        if there != len(self._numbers):
            raise Problem(f"replays made payments: {there} instead of {len(self._numbers)}")
        figures: Figures = {}
        for name, outcome in (("replay", replayed), ("get", got), ("list", listed)):
            figures |= figures_of(f"reads_{name}", outcome)
        bench.say(f"    {as_line(figures)}")
        return figures


async def ask(bench: Bench, make: Make, status: int = 200) -> Outcome:
    """Asks in a closed loop. Raises Problem unless every answer has this status."""
    outcome = await load.closed_loop(
        bench.mesh.rest,
        make,
        connections=bench.options.usual_connections,
        warm_seconds=bench.options.warm_seconds,
        seconds=bench.options.seconds,
    )
    if set(outcome.statuses) != {status} or outcome.broken:
        raise Problem(f"not every answer was {status}: {dict(outcome.statuses)}")
    return outcome


async def paths(bench: Bench, page: str) -> list[str]:
    """The paths of the payments on a page of the list. Raises Problem."""
    status, body = await load.ask(bench.mesh.rest, requests.getting(bench.mesh.rest, [page])(0))
    if status != 200:
        raise Problem(f"the list was answered {status}")
    return [f"/api/payments/{one['transaction_id']}" for one in json.loads(body)["payments"]]
