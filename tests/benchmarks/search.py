"""Search: payments of all merchants as operators find them, by ids, by each filter and by many
together, with so many payments in the tables. Among them are rare ones: a small merchant, a
corridor and a provider that hardly anybody uses, failures, refunds, and payments on hold."""

import json
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from deploy.local.process.terminal import Problem
from services.shared.ids import encode_id
from tests.benchmarks import filling, growth, load, requests
from tests.benchmarks.bench import Bench, Figures, as_line
from tests.benchmarks.load import Target

DATABASE = "search"
PATH = "/api/admin/payments"
OPERATORS = 2
# So many ids of each kind, and so many searches by several filters.
DRAWN, COMBINED = 40, 200
MERCHANTS = 1000
# In a smoke run.
TRIED = 5
_ENDS = (
    "CASE number % 1000 WHEN 1 THEN 'FAILED' WHEN 2 THEN 'REFUNDED' WHEN 3 THEN 'EXPIRED' "
    "WHEN 4 THEN 'RETURNED' ELSE {value} END"
)
_ON_HOLD = "number % 2000 = 5"
VARIED: filling.Varied = {
    ("payments", "state"): _ENDS,
    ("payments", "failure_code"): "CASE WHEN number % 1000 IN (1, 3) THEN 'declined' END",
    ("payments", "deadline_at"): (
        f"CASE WHEN number % 1000 = 4 OR {_ON_HOLD} THEN now() + interval '3 days' END"
    ),
    ("payments", "waiting_since"): (f"CASE WHEN number % 1000 = 4 OR {_ON_HOLD} THEN now() END"),
    ("payments", "hold_reason"): f"CASE WHEN {_ON_HOLD} THEN 'outcome_unknown' END",
    ("payments", "related"): "CASE WHEN number % 1000 = 2 THEN 1::smallint ELSE 0::smallint END",
    ("payments", "amount_minor"): "{value} + number * 37 % 90000",
    ("payments", "net_minor"): "{value} + number * 37 % 90000",
    (
        "payments",
        "reference",
    ): "CASE WHEN number % 2 = 0 THEN {value} ELSE 'invoice ' || number END",
    ("payments", "corridor_id"): "CASE WHEN number % 50000 = 7 THEN 'us-rare' ELSE {value} END",
    ("payments", "offramp"): "CASE WHEN number % 20000 = 9 THEN 'rare' ELSE {value} END",
    ("payments", "collection_reference"): "'pi_' || word",
    ("attempts", "provider_reference"): "left({value}, 4) || word",
} | {
    (table, "merchant_id"): "CASE WHEN number % 1000 = 11 THEN 'mer_small' ELSE {value} END"
    for table in filling.TABLES
}


class Search:
    """At the middle size of growth, or the only one; each round once."""

    rounds = None

    def __init__(self) -> None:
        self._paths: dict[str, Sequence[str]] = {}
        self._name = ""

    async def prepare(self, bench: Bench) -> None:
        """Fills the database, and draws what is asked for."""
        sizes = bench.options.growth
        self._name = "1m" if "1m" in sizes else min(sizes, key=lambda name: sizes[name])
        payments = sizes[self._name]
        filling.refuse_too_little_disk(bench, payments)
        rows = await growth.copied(bench)
        await bench.server.make(DATABASE)
        await filling.fill(bench, DATABASE, rows, payments, VARIED)
        async with bench.server.connected(DATABASE) as connection:
            await connection.execute(
                "INSERT INTO merchants (id, display_name) SELECT 'mer_' || n, 'Merchant ' || n "
                f"FROM generate_series(1, {MERCHANTS}) AS n"
            )
            self._paths = {
                "id": [_path(query=one) for one in await _ids(connection)],
                "filter": [_path(**one) for one in _single()],
                "combined": [_path(**one) for one in _combined()],
                "inspect": [f"{PATH}/{one}" for one in await _payments(connection)],
            }

    async def measure(self, bench: Bench) -> Figures:
        """Each kind of search, by some operators at once."""
        await bench.mesh.use(DATABASE)
        await bench.mesh.stop_workers()
        target = bench.mesh.operators
        figures: Figures = {}
        if bench.options.is_smoke:
            self._paths = {kind: paths[:TRIED] for kind, paths in self._paths.items()}
        for kind, paths in self._paths.items():
            asked = await load.exactly(
                target, requests.getting(target, paths), connections=OPERATORS, count=3 * len(paths)
            )
            if set(asked.statuses) != {200} or asked.broken:
                raise Problem(f"{kind}: not every answer was 200: {dict(asked.statuses)}")
            for label, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
                figures[f"search_{self._name}_{kind}_{label}_ms"] = (
                    asked.percentile_ms(share) or 0.0
                )
        figures[f"search_{self._name}_combined_unfinished_percent"] = await self._unfinished(target)
        bench.say(f"    {as_line(figures)}")
        return figures

    async def _unfinished(self, target: Target) -> float:
        """How many first pages of a hundred say that they looked no further."""
        paths = self._paths["combined"]
        unfinished = 0
        for path in paths:
            _, body = await load.ask(target, requests.getting(target, [path])(0))
            unfinished += "looked_until" in json.loads(body)
        return 100 * unfinished / len(paths)


def _path(**filters: Any) -> str:
    return f"{PATH}?{urlencode(filters, doseq=True, quote_via=quote)}"


async def _ids(connection: Any) -> list[str]:
    """Ids of every kind that payments have, and some that nothing has."""
    ids = [f"nothing-{number}" for number in range(DRAWN)]
    for statement, prefix in (
        ("SELECT id FROM payments", "pay"),
        ("SELECT id FROM quotes", "quo"),
        ("SELECT key FROM idempotency_keys", ""),
        ("SELECT reference FROM payments", ""),
        ("SELECT collection_reference FROM payments", ""),
        ("SELECT provider_reference FROM attempts", ""),
    ):
        for (found,) in await connection.fetch(f"{statement} ORDER BY random() LIMIT {DRAWN}"):
            ids.append(encode_id(prefix, found) if prefix else found)
    return ids


async def _payments(connection: Any) -> list[str]:
    rows = await connection.fetch(f"SELECT id FROM payments ORDER BY random() LIMIT {DRAWN}")
    return [encode_id("pay", row["id"]) for row in rows]


def _choices() -> dict[str, list[dict[str, Any]]]:
    """By filter: values that many payments have, few and none."""
    now = datetime.now(UTC)

    def created(first: int, last: int) -> dict[str, Any]:
        ends = {"created_after": now - timedelta(days=first)}
        ends["created_before"] = now - timedelta(days=last)
        return {name: f"{end:%Y-%m-%dT%H:%M:%SZ}" for name, end in ends.items()}

    def amounts(low: str, high: str) -> dict[str, Any]:
        return {"amount_from_usd": low, "amount_to_usd": high}

    states = (["COMPLETED"], ["FAILED"], ["RETURNED", "REFUNDED"], ["PAYING_OUT"], ["CREATED"])
    return {
        "states": [{"states": one} for one in states],
        "hold": [{"on_hold": "true"}, {"hold_reasons": ["disputed", "outcome_unknown"]}],
        "overdue": [{"overdue": "true"}],
        "provider": [{"provider": one} for one in ("stripe", "local_wallet", "rare", "none")],
        "corridor": [{"corridor_id": one} for one in ("us-in", "us-rare", "us-none")],
        "merchant": [{"merchant_id": one} for one in ("sandbox", "mer_small", "mer_1")],
        "amount": [amounts("100", "2000"), amounts("512.30", "512.30"), amounts("9000", "9999")],
        "created": [created(1, 0), created(60, 53), created(400, 300)],
    }


def _single() -> list[dict[str, Any]]:
    return [{}, *(one for values in _choices().values() for one in values)]


def _combined() -> list[dict[str, Any]]:
    """Several filters at once, drawn in the same way at each run."""
    draw = random.Random(7)
    combined = []
    for _ in range(COMBINED):
        filters: dict[str, Any] = {}
        for values in _choices().values():
            if draw.random() < 0.35:
                filters |= draw.choice(values)
        combined.append(filters)
    return combined
