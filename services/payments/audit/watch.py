"""The numbers that are watched at a short interval: open, held and overdue payments, and the events
that wait. An orphan whose payment has come to exist meanwhile is given to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.payments.audit.figures import (
    read_backlog,
    read_held,
    read_set_aside,
    read_waiting,
)
from services.payments.audit.report import Backlog, Held, Waits
from services.payments.base import rows, wake
from services.payments.base.counts import PAID_OUT
from services.payments.engine.overdue import AGES, OverdueCount
from services.payments.engine.store.overdue import WAITING_FOR, count_overdue
from services.payments.model.payment import SETTLED
from services.payments.model.progress import ExpectedTime
from services.payments.model.timing import LOOKS_AHEAD
from services.payments.webhooks_in.store.inbox import MATCH
from services.shared.db import connected

_ORPHANS = text(
    "SELECT provider, count(*) AS events FROM webhook_inbox WHERE state = 'UNMATCHED' GROUP BY 1"
)
_MATCH = text(MATCH.format(""))
_INBOX = text(
    """
    SELECT provider, count(*) AS events,
           extract(epoch FROM now() - min(received_at))::float8 AS oldest_seconds
      FROM webhook_inbox WHERE state = 'PENDING' GROUP BY 1
    """
)
# By the indexes of what is due soon and of what has a deadline: an open payment is in one of them,
# which the audit checks. A completed one that is looked at once more is due much later.
_OPEN = text(
    f"""
    SELECT {WAITING_FOR} AS state,
           CASE WHEN p.state = ANY(:paid_out) THEN p.offramp ELSE p.onramp END AS provider,
           p.corridor_id, age.name AS age, count(*) AS payments
      FROM payments p
     CROSS JOIN LATERAL (
           SELECT a.name FROM json_to_recordset(CAST(:ages AS json)) AS a(name text, seconds float8)
            WHERE extract(epoch FROM now() - p.created_at) >= a.seconds OR a.seconds = 0
            ORDER BY a.seconds DESC LIMIT 1) AS age
     WHERE (p.due_at < now() + make_interval(secs => :ahead) OR p.deadline_at IS NOT NULL)
       AND (p.hold_reason IS NOT NULL OR NOT p.state = ANY(:settled))
     GROUP BY 1, 2, 3, 4
    """
)
_AGES = rows.as_json({"name": name, "seconds": seconds} for name, seconds in AGES)


@dataclass(frozen=True, kw_only=True)
class Pending:
    """The events of one provider that wait in the inbox, and the age of the oldest."""

    provider: str
    events: int
    oldest_seconds: float


@dataclass(frozen=True, kw_only=True)
class Sight:
    """The counts of one look at the database, which costs far less than an audit."""

    held: Sequence[Held]
    overdue: Sequence[OverdueCount]
    waiting: Sequence[Waits]
    set_aside: Mapping[str, int]
    backlog: Backlog
    # Open payments, by state, provider, corridor and the time since their creation.
    open: Mapping[tuple[str, ...], int]
    # Events of providers that are not applied yet.
    inbox: Sequence[Pending]
    # Events about no payment of ours, by provider.
    orphans: Mapping[str, int]


class PostgresWatch:
    """The port Watch on PostgreSQL."""

    def __init__(self, engine: AsyncEngine, expected: Sequence[ExpectedTime]) -> None:
        self._engine = engine
        self._expected = expected

    async def look(self) -> Sight:
        """Counts; changes nothing."""
        async with connected(self._engine) as connection:
            return Sight(
                held=await read_held(connection),
                overdue=await count_overdue(connection, self._expected),
                waiting=await read_waiting(connection),
                set_aside=await read_set_aside(connection),
                backlog=await read_backlog(connection),
                open=await _read_open(connection),
                inbox=[
                    Pending(
                        provider=row.provider, events=row.events, oldest_seconds=row.oldest_seconds
                    )
                    for row in await connection.execute(_INBOX)
                ],
                orphans={row.provider: row.events for row in await connection.execute(_ORPHANS)},
            )

    async def match_orphans(self) -> int:
        """Gives events to the payments that they are about, where those exist by now; gives how
        many payments were found."""
        async with connected(self._engine) as connection:
            matched = (await connection.execute(_MATCH)).all()
            if matched:
                await connection.execute(wake.PAYMENTS_DUE)
                await connection.commit()
            return len(matched)


async def _read_open(connection: AsyncConnection) -> Mapping[tuple[str, ...], int]:
    parameters = {
        "ages": _AGES,
        "paid_out": sorted(PAID_OUT),
        "settled": sorted(SETTLED),
        "ahead": LOOKS_AHEAD.total_seconds(),
    }
    found = await connection.execute(_OPEN, parameters)
    return {(row.state, row.provider, row.corridor_id, row.age): row.payments for row in found}
