"""Fills a database with completed payments: copies, made by the server itself, of every row that a
few real ones have left behind, each with ids and times of its own, spread over three months. The
balances are those of the copies, so that the books agree."""

import asyncio
import os
import shutil
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from deploy.local.process.terminal import Problem
from tests.benchmarks import indexes, samples
from tests.benchmarks.bench import Bench
from tests.benchmarks.samples import Row

TABLES = {**samples.CREATED, **samples.SETTLED}
CHUNK = 50_000
DAYS = 90
# The largest size of a payment's rows, their indexes and their log.
BYTES_PER_PAYMENT = 9_600
RESERVED_BYTES = 6_000_000_000
# By table and column: an expression of SQL of the copy's `number` and `word`, in which {value}
# stands for the value as it would be.
Varied = Mapping[tuple[str, str], str]
# One line for each copy of one original: its ids, and by how much its times differ.
_COPIES = """
    CREATE TEMP TABLE copies AS
    SELECT i AS number,
           (time || '7' || substr(random, 1, 3) || 'a' || substr(random, 4, 15))::uuid AS id,
           (time || '7' || substr(random, 18, 3) || 'b' || substr(random, 5, 15))::uuid AS quote_id,
           random::uuid AS user_id, substr(random, 1, 26) AS word,
           to_timestamp(ms / 1000.0) - now() AS shift
      FROM (SELECT i, ms, lpad(to_hex(ms), 12, '0') AS time, md5(i::text) AS random
              FROM (SELECT i, (extract(epoch FROM now() - make_interval(days => {days})) * 1000
                               + i * ({days} * 86400000.0 / {payments}))::bigint AS ms
                      FROM generate_series({first}::bigint, {last}, {step}) AS i)
                AS numbered) AS timed
"""


async def originals(bench: Bench, database: str) -> list[list[Row]]:
    """All rows of every payment in a database, which are all completed."""
    async with bench.server.connected(database) as connection:
        ids = await connection.fetch("SELECT id::text FROM payments ORDER BY id")
        return [
            [
                row
                for table, column in TABLES.items()
                for row in await samples.rows_of(connection, table, column, one["id"])
            ]
            for one in ids
        ]


def refuse_too_little_disk(bench: Bench, payments: int) -> None:
    """Raises Problem where the disk has not enough room for so many payments."""
    cluster = bench.mesh.plan.cluster
    if cluster is None:
        return
    free = shutil.disk_usage(cluster.placement.home).free
    needed = payments * BYTES_PER_PAYMENT + RESERVED_BYTES
    if free < needed:
        raise Problem(
            f"{payments:,} payments need about {needed / 1e9:.0f} GB, and {free / 1e9:.0f} GB are "
            "free; choose smaller sizes with --growth"
        )


async def fill(
    bench: Bench,
    database: str,
    rows: Sequence[Sequence[Row]],
    payments: int,
    varied: Varied = MappingProxyType({}),
) -> None:
    """Adds so many payments to a database, chunk by chunk, and leaves it tidy. The values of some
    columns may differ from copy to copy; the balances do not follow them."""
    chunks = iter(range(0, payments, CHUNK))

    async def work() -> None:
        async with bench.server.connected(database) as connection:
            for first in chunks:
                last = min(payments, first + CHUNK) - 1
                await _chunk(connection, rows, (first, last), payments, varied)
                if (last + 1) % (10 * CHUNK) == 0:
                    bench.say(f"    {database}: {last + 1:,} of {payments:,} payments")

    async with (
        bench.server.connected(database) as connection,
        indexes.set_aside(connection, TABLES),
    ):
        async with asyncio.TaskGroup() as group:
            for _ in range(os.cpu_count() or 1):
                group.create_task(work())
        bench.say(f"    {database}: its indexes")
    counts = [len(range(number, payments, len(rows))) for number in range(len(rows))]
    async with bench.server.connected(database) as connection:
        await _add_balances(connection, rows, counts)
        await connection.execute("VACUUM (FREEZE, ANALYZE)")
        await connection.execute("CHECKPOINT")


async def _chunk(
    connection: Any,
    rows: Sequence[Sequence[Row]],
    bounds: tuple[int, int],
    payments: int,
    varied: Varied,
) -> None:
    async with connection.transaction():
        for number, original in enumerate(rows):
            first = bounds[0] + (number - bounds[0]) % len(rows)
            await connection.execute("DROP TABLE IF EXISTS copies")
            await connection.execute(
                _COPIES.format(
                    days=DAYS, payments=payments, first=first, last=bounds[1], step=len(rows)
                )
            )
            for table in TABLES:
                copied = [row for row in original if row.table == table]
                await connection.execute(_copy(copied, varied))


def _copy(rows: Sequence[Row], varied: Varied) -> str:
    """Copies all rows that a payment has in one table, beside each other as they would lie."""
    # After three months nothing is due any more.
    columns = {name: None for row in rows for name in row.columns if name != "due_at"}
    columns |= {name: None for table, name in varied if table == rows[0].table}
    values = ", ".join(
        f"({', '.join(_value(row, name, varied) for name in columns)})" for row in rows
    )
    names = ", ".join(columns)
    return (
        f"INSERT INTO {rows[0].table} ({names}) SELECT copied.* "
        f"FROM copies CROSS JOIN LATERAL (VALUES {values}) AS copied ({names})"
    )


def _value(row: Row, name: str, varied: Varied) -> str:
    expression = _expression(row, name)
    return varied.get((row.table, name), "{value}").replace("{value}", expression)


def _expression(row: Row, name: str) -> str:
    if name not in row.columns:
        return "NULL"
    kind, literal = row.columns[name]
    own = {
        ("payments", "id"): "id",
        ("quotes", "id"): "quote_id",
        ("idempotency_keys", "key"): "'filled-' || word",
        ("attempts", "key"): f"left({literal}, 4) || word || right({literal}, 12)",
        ("webhook_inbox", "event_id"): f"left({literal}, 4) || word || right({literal}, 6)",
    }
    by_name = {"payment_id": "id", "quote_id": "quote_id", "user_id": "user_id"}
    if (row.table, name) in own:
        return own[row.table, name]
    if name in by_name:
        return by_name[name]
    if kind.startswith("timestamp"):
        return f"{literal}::{kind} + shift"
    return f"{literal}::{kind}"


async def _add_balances(
    connection: Any, rows: Sequence[Sequence[Row]], counts: Sequence[int]
) -> None:
    """Adds what the copies' postings come to."""
    sums: dict[tuple[str, str, str], int] = {}
    for original, count in zip(rows, counts, strict=True):
        for row in original:
            if row.table == "postings":
                for account, sign in (("debit", 1), ("credit", -1)):
                    literals = {name: literal for name, (_, literal) in row.columns.items()}
                    key = (literals["merchant_id"], literals[account], literals["currency"])
                    amount = sign * count * int(literals["amount_minor"].strip("'"))
                    sums[key] = sums.get(key, 0) + amount
    await connection.execute(_balances(sums))


def _balances(sums: Mapping[tuple[str, str, str], int]) -> str:
    values = ", ".join(f"({', '.join(key)}, {amount})" for key, amount in sums.items())
    return (
        "INSERT INTO balances (merchant_id, account, currency, balance_minor) "
        f"VALUES {values} ON CONFLICT (merchant_id, account, currency) DO UPDATE "
        "SET balance_minor = balances.balance_minor + excluded.balance_minor"
    )
