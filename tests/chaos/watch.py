"""The progress of a run by the database: how far it is, which payments are still open, and when
nothing moves any more."""

import asyncio
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import asyncpg

from tests.chaos.books import UNKNOWN_AT_MOST

# Twice the same, and so far apart, is rest.
LOOK_SECONDS = 1.0
# The same where payments have only begun to move: a provider's late word comes some seconds later.
LATE_SECONDS = 10.0
# Backoffs reach a minute; three of them, and a little.
LIVENESS_SECONDS = 200.0
ANSWER_SECONDS = 10.0
PROGRESS_SECONDS = 3.0
# Modes without an end before the key's lifetime, days later.
ENDLESS = (
    r"(reference ~ 'sim:(cache_500|hold|unknown_status|webhook_only)' "
    "OR amount_minor IN (66605, 66607))"
)
# A payout may be looked at once more after days; that is no work that is waiting now.
OPEN = (
    f"(due_at < now() + interval '1 hour' AND hold_reason IS NULL AND NOT {ENDLESS}"
    # A payer who never acts is waited for until the terms end.
    " AND next_action IS NULL"
    # A hold that waits for an outcome alone is still asked about now and then.
    " OR due_at <= now() AND hold_reason IS NOT NULL)"
)
# Except payments that were stuck before, which are reported once and not waited for again.
COUNTS = f"""
    SELECT (SELECT count(*) FROM payment_events) AS events,
           (SELECT count(*) FROM payments
             WHERE {OPEN} AND id <> ALL($1::uuid[])) AS open,
           (SELECT count(*) FROM webhook_inbox n JOIN payments p ON p.id = n.payment_id
             WHERE n.state = 'PENDING' AND p.hold_reason IS NULL AND NOT {ENDLESS}
               AND p.id <> ALL($1::uuid[])) AS inbox,
           -- What a merchant did not take in bad times waits for its turn, which may be far off.
           (SELECT count(*) FROM outbox
             WHERE state = 'PENDING' AND (due_at <= now() OR lease_until > now())
               AND payment_id <> ALL($1::uuid[])) AS outbox
"""


# Unknown for longer than a provider may leave it so, and nobody has been called.
UNKNOWN_TOO_LONG = """
    SELECT count(*) FROM attempts a JOIN payments p ON p.id = a.payment_id
     WHERE a.state = 'UNKNOWN' AND p.hold_reason IS NULL AND a.unknown_since < now() - $1::interval
"""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """How much has happened, and how much is waiting."""

    events: int
    open: int
    inbox: int
    outbox: int

    @property
    def is_empty(self) -> bool:
        """Whether nothing is waiting."""
        return not (self.open or self.inbox or self.outbox)


@dataclass(frozen=True, kw_only=True)
class Rest:
    """How the mesh came to rest after something was done to it."""

    phase: str
    seconds: float
    last: Snapshot
    # The payments that were still open at the end, with their states, by id.
    stuck: Mapping[str, str] = field(default_factory=dict)
    # How long each payment took that was open in the beginning.
    healing_seconds: tuple[float, ...] = field(default=())

    @property
    def is_reached(self) -> bool:
        """Whether it did within the limit."""
        return self.last.is_empty


async def until_rest(
    owner_url: str,
    phase: str,
    stuck: Collection[str] = (),
    limit_seconds: float = LIVENESS_SECONDS,
    look_seconds: float = LOOK_SECONDS,
) -> Rest:
    """Waits until two looks in a row are equal and nothing waits, or the limit is reached.

    stuck are payments that nobody waits for any more.
    """
    began = time.monotonic()
    connection = await asyncpg.connect(owner_url, timeout=ANSWER_SECONDS)
    try:
        waiting = await _open(connection)
        healed: list[float] = []
        before: Snapshot | None = None
        while True:
            now = Snapshot(**await connection.fetchrow(COUNTS, list(stuck)))
            seconds = time.monotonic() - began
            still = waiting & await _open(connection)
            healed += [seconds] * (len(waiting) - len(still))
            waiting = still
            if (now == before and now.is_empty) or seconds > limit_seconds:
                break
            before = now
            await asyncio.sleep(look_seconds)
        return Rest(
            phase=phase,
            seconds=seconds,
            last=now,
            stuck={} if now.is_empty else await _stuck(connection),
            healing_seconds=tuple(healed),
        )
    finally:
        await connection.close()


async def until_held(owner_url: str, limit_seconds: float) -> None:
    """Waits until everything that has been unknown for too long is on hold, or the limit is
    reached; what is not is the audit's to report."""
    connection = await asyncpg.connect(owner_url, timeout=ANSWER_SECONDS)
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(limit_seconds):
                # The database sends no notification of a hold, so there is no event to wait for.
                while await connection.fetchval(UNKNOWN_TOO_LONG, UNKNOWN_AT_MOST):  # noqa: ASYNC110
                    await asyncio.sleep(LOOK_SECONDS)
    finally:
        await connection.close()


async def progress(owner_url: str) -> tuple[int, int] | None:
    """How many payments there are, and how many are completed; None where nobody answers."""
    try:
        async with asyncio.timeout(PROGRESS_SECONDS):
            connection = await asyncpg.connect(owner_url, timeout=PROGRESS_SECONDS)
            try:
                row = await connection.fetchrow(
                    "SELECT count(*), count(*) FILTER (WHERE state = 'COMPLETED') FROM payments"
                )
            finally:
                connection.terminate()
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return None
    return row[0], row[1]


async def tally(owner_url: str) -> tuple[dict[str, int], dict[str, int]]:
    """The payments by state, and those on hold by reason."""
    connection = await asyncpg.connect(owner_url, timeout=ANSWER_SECONDS)
    try:
        states = await connection.fetch(
            "SELECT state, count(*) FROM payments GROUP BY 1 ORDER BY 1"
        )
        held = await connection.fetch(
            "SELECT hold_reason, count(*) FROM payments WHERE hold_reason IS NOT NULL "
            "GROUP BY 1 ORDER BY 1"
        )
    finally:
        await connection.close()
    return dict(map(tuple, states)), dict(map(tuple, held))


async def _open(connection: asyncpg.Connection) -> set[str]:
    rows = await connection.fetch(f"SELECT id::text FROM payments WHERE {OPEN}")
    return {row[0] for row in rows}


async def _stuck(connection: asyncpg.Connection) -> dict[str, str]:
    rows = await connection.fetch(
        "SELECT id::text, state, last_error, due_at - now() AS due "
        f"FROM payments WHERE {OPEN} ORDER BY due_at"
    )
    return {
        row["id"]: f"{row['state']}, due in {row['due'].total_seconds():.0f} s"
        f"{', last error: ' + row['last_error'] if row['last_error'] else ''}"
        for row in rows
    }
