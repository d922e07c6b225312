"""Counts all payments for the overview, by indexes alone: so many of each kind at the most."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.payments.base import rows
from services.payments.base.statements import literals
from services.payments.engine.overdue import AGES
from services.payments.engine.store.overdue import WAITING_FOR, count_overdue
from services.payments.model.attempt import LIVE, OVER
from services.payments.model.progress import STEPS, ExpectedTime
from services.payments.model.timing import LOOKS_AHEAD, OVERVIEW_PAYMENTS, OVERVIEW_PROVIDERS
from services.payments.operators.overview import (
    CompletionTime,
    CorridorSuccess,
    ProviderInbox,
    ProviderSuccess,
    Queue,
    Standing,
    UnderWay,
    WaitingPayments,
)
from services.shared.db import autocommitted, connected
from services.shared.ids import first_id
from services.shared.money import SOURCE_CURRENCY, Money
from services.shared.rollback import repeated

COUNTED_MAX = 50_000
PAYMENTS_MAX, PROVIDERS_MAX = 20_000, 5_000
_NOW = text("SELECT now()")
_UNDER_WAY = text(
    """
    SELECT p.state, age.name AS age, count(*) AS payments, sum(p.amount_minor) AS amount_minor
      FROM (SELECT state, amount_minor, created_at FROM payments
             WHERE due_at < now() + make_interval(secs => :ahead) AND hold_reason IS NULL
               AND due_at IS DISTINCT FROM deadline_at AND state = ANY(:states)
             LIMIT :most) AS p
     CROSS JOIN LATERAL (
           SELECT a.name FROM json_to_recordset(CAST(:ages AS json)) AS a(name text, seconds float8)
            WHERE greatest(extract(epoch FROM now() - p.created_at), 0) >= a.seconds
            ORDER BY a.seconds DESC LIMIT 1) AS age
     GROUP BY 1, 2 ORDER BY 1, 2
    """
)
_WAITING = text(
    f"""
    SELECT p.waiting_for, p.hold_reason, count(*) AS payments, sum(p.amount_minor) AS amount_minor,
           min(p.waiting_since) FILTER (WHERE isfinite(p.waiting_since)) AS oldest_since,
           count(*) FILTER (WHERE p.deadline_at < now()) AS past_deadline
      FROM (SELECT {WAITING_FOR} AS waiting_for, coalesce(p.hold_reason, '') AS hold_reason,
                   p.amount_minor, p.waiting_since, p.deadline_at
              FROM payments p WHERE p.deadline_at IS NOT NULL LIMIT :most) AS p
     GROUP BY 1, 2 ORDER BY 1, 2
    """
)
# Within a day nothing happens to a completed payment that has neither refunds nor disputes: its
# last event is its completion.
_PAYMENTS = text(
    """
    WITH newest AS MATERIALIZED (
        SELECT corridor_id, state, created_at, hold_reason,
               CASE WHEN state = 'COMPLETED' AND related = 0
                    THEN extract(epoch FROM updated_at - created_at)::float8 END AS seconds
          FROM payments WHERE id >= :since ORDER BY id DESC LIMIT :most
    ), timed AS (
        SELECT count(*) AS looked_at, min(created_at) AS oldest, count(seconds) AS completed,
               coalesce(percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds), 0) AS median,
               coalesce(percentile_cont(0.95) WITHIN GROUP (ORDER BY seconds), 0) AS p95
          FROM newest
    ), ended AS (
        SELECT corridor_id, count(*) AS payments,
               count(*) FILTER (WHERE state = 'COMPLETED') AS completed,
               count(*) FILTER (WHERE state IN ('FAILED', 'EXPIRED', 'CANCELLED', 'RETURNED',
                   'REFUNDING', 'PARTLY_REFUNDED', 'REFUNDED')) AS not_completed
          FROM newest GROUP BY 1
    )
    SELECT t.looked_at, t.oldest, t.completed AS all_completed, t.median, t.p95,
           e.corridor_id, e.payments, e.completed, e.not_completed
      FROM timed t LEFT JOIN ended e ON true ORDER BY e.corridor_id
    """
)
_PROVIDERS = text(
    f"""
    WITH newest AS MATERIALIZED (
        SELECT merchant_id, id, created_at FROM payments
         WHERE id >= :since ORDER BY id DESC LIMIT :most
    ), ended AS (
        SELECT a.provider, a.step, count(*) FILTER (WHERE a.state = 'SUCCEEDED') AS succeeded,
               count(*) FILTER (WHERE a.state IN {literals(OVER)}) AS failed,
               count(*) FILTER (WHERE a.state IN {literals(LIVE)}) AS open,
               count(*) FILTER (WHERE a.state = 'UNKNOWN') AS unknown
          FROM newest n
          JOIN attempts a ON a.merchant_id = n.merchant_id AND a.payment_id = n.id
         GROUP BY 1, 2
    )
    SELECT n.looked_at, n.oldest, e.provider, e.step, e.succeeded, e.failed, e.open, e.unknown
      FROM (SELECT count(*) AS looked_at, min(created_at) AS oldest FROM newest) AS n
      LEFT JOIN ended e ON true ORDER BY e.provider, e.step
    """
)
_QUEUES = text(
    """
    SELECT 'payments' AS name, count(*) AS waiting, min(d.due_at) AS oldest,
           (SELECT count(*) FROM (SELECT FROM payments WHERE hold_reason = 'step_failed'
                                   LIMIT :most) AS s) AS set_aside
      FROM (SELECT due_at FROM payments
             WHERE due_at <= now() AND (lease_until IS NULL OR lease_until < now())
             ORDER BY due_at LIMIT :most) AS d
     UNION ALL
    SELECT 'inbox', count(*), min(d.received_at),
           (SELECT count(*) FROM (SELECT FROM webhook_inbox WHERE state = 'SET_ASIDE'
                                   LIMIT :most) AS s)
      FROM (SELECT received_at FROM webhook_inbox WHERE state = 'PENDING' LIMIT :most) AS d
     UNION ALL
    SELECT 'outbox', count(*), min(d.due_at),
           (SELECT count(*) FROM (SELECT FROM outbox WHERE state = 'SET_ASIDE' LIMIT :most) AS s)
      FROM (SELECT due_at FROM outbox WHERE state = 'PENDING' AND due_at <= now()
             LIMIT :most) AS d
    """
)
_INBOX = text(
    """
    SELECT provider, count(*) FILTER (WHERE state = 'PENDING') AS waiting,
           min(received_at) FILTER (WHERE state = 'PENDING') AS oldest,
           count(*) FILTER (WHERE state = 'SET_ASIDE') AS set_aside,
           count(*) FILTER (WHERE state = 'UNMATCHED') AS orphans
      FROM ((SELECT provider, state, received_at FROM webhook_inbox
              WHERE state = 'PENDING' LIMIT :most)
             UNION ALL
            (SELECT provider, state, received_at FROM webhook_inbox
              WHERE state = 'SET_ASIDE' LIMIT :most)
             UNION ALL
            (SELECT provider, state, received_at FROM webhook_inbox
              WHERE state = 'UNMATCHED' LIMIT :most)) AS i
     GROUP BY provider ORDER BY provider
    """
)
_FAILING = text(
    """
    SELECT count(DISTINCT f.endpoint_id) AS endpoints, count(*) AS events
      FROM (SELECT endpoint_id FROM outbox WHERE state = 'PENDING' AND failures > 0
             LIMIT :most) AS f
    """
)


class PostgresOverview:
    """The port OverviewStore on PostgreSQL."""

    def __init__(self, engine: AsyncEngine, *, counted_max: int = COUNTED_MAX) -> None:
        self._reader = autocommitted(engine)
        self._most = counted_max

    @repeated
    async def read(self, expected: Sequence[ExpectedTime]) -> Standing:
        """See OverviewStore.read."""
        async with connected(self._reader) as connection:
            now: datetime = (await connection.execute(_NOW)).scalar_one()
            under_way = await self._under_way(connection)
            waiting = await self._waiting(connection)
            payments = await _newest(connection, _PAYMENTS, now - OVERVIEW_PAYMENTS, PAYMENTS_MAX)
            providers = await _newest(
                connection, _PROVIDERS, now - OVERVIEW_PROVIDERS, PROVIDERS_MAX
            )
            queues = (await connection.execute(_QUEUES, {"most": self._most})).all()
            inbox = (await connection.execute(_INBOX, {"most": self._most})).all()
            failing = (await connection.execute(_FAILING, {"most": self._most})).one()
            overdue = await count_overdue(connection, expected)
        counts = [
            sum(one.payments for one in under_way),
            sum(one.payments for one in waiting),
            *(row.waiting for row in queues),
            failing.events,
        ]
        return Standing(
            seen_at=now,
            under_way=under_way,
            overdue=overdue,
            waiting=waiting,
            completion=_completion(payments[0]),
            corridors=[_corridor(row) for row in payments if row.corridor_id is not None],
            payments_counted_from=_counted_from(payments[0], now - OVERVIEW_PAYMENTS, PAYMENTS_MAX),
            providers=[_provider(row) for row in providers if row.provider is not None],
            providers_counted_from=_counted_from(
                providers[0], now - OVERVIEW_PROVIDERS, PROVIDERS_MAX
            ),
            queues=[_queue(row, now) for row in queues],
            inbox=[_inbox(row, now) for row in inbox],
            failing_endpoints=failing.endpoints,
            failing_events=failing.events,
            is_partial=max(counts) >= self._most,
        )

    async def _under_way(self, connection: AsyncConnection) -> Sequence[UnderWay]:
        wanted = {
            "ahead": LOOKS_AHEAD.total_seconds(),
            "states": [str(state) for state in STEPS],
            "ages": rows.as_json({"name": name, "seconds": seconds} for name, seconds in AGES),
            "most": self._most,
        }
        return [
            UnderWay(state=row.state, age=row.age, payments=row.payments, amount=_amount(row))
            for row in await connection.execute(_UNDER_WAY, wanted)
        ]

    async def _waiting(self, connection: AsyncConnection) -> Sequence[WaitingPayments]:
        return [
            WaitingPayments(
                waiting_for=row.waiting_for,
                hold_reason=row.hold_reason,
                payments=row.payments,
                amount=_amount(row),
                oldest_since=row.oldest_since,
                past_deadline=row.past_deadline,
            )
            for row in await connection.execute(_WAITING, {"most": self._most})
        ]


async def _newest(
    connection: AsyncConnection, statement: Any, since: datetime, most: int
) -> Sequence[Row[Any]]:
    wanted = {"since": first_id(since), "most": most}
    return (await connection.execute(statement, wanted)).all()


def _amount(row: Row[Any]) -> Money:
    return Money(int(row.amount_minor), SOURCE_CURRENCY)


def _counted_from(row: Row[Any], since: datetime, most: int) -> datetime:
    oldest: datetime = row.oldest if row.looked_at >= most else since
    return oldest


def _completion(row: Row[Any]) -> CompletionTime:
    return CompletionTime(
        payments=row.all_completed,
        median=timedelta(seconds=row.median),
        p95=timedelta(seconds=row.p95),
    )


def _corridor(row: Row[Any]) -> CorridorSuccess:
    return CorridorSuccess(
        corridor_id=row.corridor_id,
        payments=row.payments,
        completed=row.completed,
        not_completed=row.not_completed,
    )


def _provider(row: Row[Any]) -> ProviderSuccess:
    return ProviderSuccess(
        provider=row.provider,
        step=row.step,
        succeeded=row.succeeded,
        failed=row.failed,
        open=row.open,
        unknown=row.unknown,
    )


def _queue(row: Row[Any], now: datetime) -> Queue:
    return Queue(
        name=row.name,
        waiting=row.waiting,
        oldest=_age(row.oldest, now),
        set_aside=row.set_aside,
    )


def _inbox(row: Row[Any], now: datetime) -> ProviderInbox:
    return ProviderInbox(
        provider=row.provider,
        waiting=row.waiting,
        oldest=_age(row.oldest, now),
        set_aside=row.set_aside,
        orphans=row.orphans,
    )


def _age(oldest: datetime | None, now: datetime) -> timedelta:
    return max(now - oldest, timedelta(0)) if oldest else timedelta(0)
