"""The times of payments, read from the database after the run: by its own clock, from the
payment's creation to the event that completed it and to the merchant's last 2xx."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from deploy.local.process.terminal import Problem
from tests.benchmarks.server import Server

POLL_SECONDS = 0.25
# Payments whose next step is so far away have none that anybody waits for.
SOON = "1 hour"
_UNDER_WAY = f"""
    SELECT (SELECT count(*) FROM payments
             WHERE due_at < now() + interval '{SOON}' AND state <> 'COMPLETED')
         + (SELECT count(*) FROM outbox WHERE state = 'PENDING')
"""
_WAYS = """
    SELECT extract(epoch FROM p.created_at)::float8 AS created,
           (SELECT extract(epoch FROM min(occurred_at))::float8 FROM payment_events e
             WHERE e.merchant_id = p.merchant_id AND e.payment_id = p.id
               AND to_state = 'COMPLETED') AS completed,
           (SELECT extract(epoch FROM max(delivered_at))::float8 FROM outbox o
             WHERE o.merchant_id = p.merchant_id AND o.payment_id = p.id) AS delivered,
           p.state
      FROM idempotency_keys k
      JOIN payments p ON p.merchant_id = k.merchant_id AND p.id = k.payment_id
     WHERE k.merchant_id = 'sandbox' AND k.key >= $1 AND k.key < $2
"""


@dataclass(frozen=True)
class Way:
    """One payment's times, in seconds since the epoch."""

    created: float
    completed: float
    delivered: float


async def clock(connection: Any) -> float:
    """The server's time."""
    now: float = await connection.fetchval("SELECT extract(epoch FROM clock_timestamp())::float8")
    return now


async def until_done(server: Server, database: str, seconds: float) -> float:
    """Waits until no payment is under way and no event waits for a merchant; how long that took.

    Raises Problem after so many seconds.
    """
    began = time.monotonic()
    async with server.connected(database) as connection:
        while left := await connection.fetchval(_UNDER_WAY):
            if time.monotonic() - began > seconds:
                raise Problem(f"{left} payments or events are not done after {seconds:.0f} s")
            await asyncio.sleep(POLL_SECONDS)
    return time.monotonic() - began


async def ways(server: Server, database: str, tag: str) -> Sequence[Way]:
    """Every payment of a tag. Raises Problem where one was not completed, or its event not
    delivered."""
    async with server.connected(database) as connection:
        rows = await connection.fetch(_WAYS, f"{tag}-", f"{tag}.")
    bad = [row["state"] for row in rows if row["completed"] is None or row["delivered"] is None]
    if bad:
        raise Problem(
            f"{len(bad)} payments were not completed and delivered, the first is {bad[0]}"
        )
    return [Way(row["created"], row["completed"], row["delivered"]) for row in rows]


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of the values does not exceed."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))]


def middle_rate(times: Sequence[float]) -> float:
    """Events a second between the first and the last tenth."""
    ranked = sorted(times)
    first, last = len(ranked) // 10, len(ranked) - 1 - len(ranked) // 10
    return (last - first) / max(ranked[last] - ranked[first], 1e-6)
