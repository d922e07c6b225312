"""Payments without progress: those that the engine should have carried on, and that stand in their
state for longer than is expected; those that wait for a person past their deadline; and, where they
are asked for, all that wait. One statement counts and lists them."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.payments.base import rows
from services.payments.base.sources import ATTEMPTS, EVENTS, PAYMENTS
from services.payments.base.times import is_shown, shown
from services.payments.base.unreadable import UnreadableRow
from services.payments.engine.overdue import AGES, OverdueCount, OverduePayment, UnreadableOverdue
from services.payments.engine.store.paused import pauses_of
from services.payments.model.payment import State
from services.payments.model.progress import ExpectedTime
from services.payments.model.timing import LOOKS_AHEAD, Waiting
from services.shared.money import MAX_AMOUNT_MINOR, SOURCE_CURRENCY, Money

# The provider of the current step; none where the step is ours.
_PROVIDER = """
    CASE usual.step WHEN 'payout' THEN p.offramp
                    WHEN 'collection' THEN p.onramp
                    WHEN 'refund' THEN p.onramp ELSE '' END
"""
# Within a lifetime; any other value counts as none. The last look at a completed payment is no
# step.
_STATED = """
    CASE WHEN jsonb_typeof(p.route->'expected_seconds'->usual.step) = 'number'
              AND p.state <> 'COMPLETED'
         THEN CASE WHEN CAST(p.route->'expected_seconds'->>usual.step AS numeric)
                        BETWEEN 0 AND 1e9
                   THEN CAST(p.route->'expected_seconds'->>usual.step AS double precision) END END
"""
# Until when a collection may wait for its payer, who was asked; it is not overdue before.
_PAYER_UNTIL = """
    CASE WHEN p.next_action IS NOT NULL AND p.state = 'COLLECTING'
              AND jsonb_typeof(p.late_funds->'grace_seconds') = 'number'
         THEN CASE WHEN CAST(p.late_funds->>'grace_seconds' AS numeric) BETWEEN 0 AND 1e9
                   THEN p.quote_expires_at + make_interval(
                        secs => CAST(p.late_funds->>'grace_seconds' AS double precision)) END END
"""
# Until when a payment is not paid out, because it can be cancelled.
_CANCELLABLE_UNTIL = """
    CASE WHEN p.state = 'CONVERTED' THEN p.cancellable_until END
"""
# The person that a payment with a deadline waits for.
WAITING_FOR = """
    CASE WHEN p.hold_reason IS NOT NULL THEN 'ON_HOLD' ELSE p.state END
"""
# By the index of due payments: every open payment is due within a known time (LOOKS_AHEAD), which
# the audit checks. The history is read only for payments that are older than expected.
_OVERDUE = f"""
    WITH expected AS MATERIALIZED (
        SELECT r.state, r.step, r.provider, r.seconds
          FROM json_to_recordset(CAST(:expected AS json))
            AS r(state text, step text, provider text, seconds double precision)
    ), open AS MATERIALIZED (
        SELECT p.merchant_id, p.id, p.corridor_id, p.state, p.created_at, p.due_at, usual.step,
               {_PROVIDER} AS provider,
               make_interval(secs => coalesce({_STATED}, declared.seconds, usual.seconds))
               AS within, coalesce({_PAYER_UNTIL}, {_CANCELLABLE_UNTIL}, p.created_at) AS not_before
          FROM payments p
          JOIN expected usual ON usual.state = p.state AND usual.provider = ''
          LEFT JOIN expected declared
            ON declared.state = p.state AND declared.provider <> ''
           AND declared.provider = {_PROVIDER}
         WHERE p.due_at < now() + make_interval(secs => :ahead) AND p.hold_reason IS NULL
           AND p.due_at IS DISTINCT FROM p.deadline_at
           AND (CAST(:merchant_id AS text) IS NULL OR p.merchant_id = :merchant_id)
    ), standing AS MATERIALIZED (
        SELECT o.merchant_id, o.id, o.corridor_id, o.state, o.due_at, o.step, o.provider, o.within,
               entered.since, entered.sequence, '' AS waiting_for,
               CAST(NULL AS timestamptz) AS deadline_at
          FROM open o
          JOIN LATERAL (
               SELECT e.occurred_at AS since, e.sequence FROM payment_events e
                WHERE e.merchant_id = o.merchant_id AND e.payment_id = o.id
                  AND e.from_state IS DISTINCT FROM e.to_state
                ORDER BY e.sequence DESC LIMIT 1) AS entered ON true
         WHERE o.created_at < now() - o.within AND entered.since < now() - o.within
           AND o.not_before < now() - o.within
    ), overdue AS (
        SELECT merchant_id, id, corridor_id, state, due_at, step, provider, within, since, sequence,
               waiting_for, deadline_at FROM standing
         UNION ALL
        SELECT p.merchant_id, p.id, p.corridor_id, p.state, p.due_at, usual.step,
               {_PROVIDER},
               CASE WHEN isfinite(p.deadline_at) AND isfinite(p.waiting_since)
                    THEN p.deadline_at - p.waiting_since END, p.waiting_since, NULL,
               {WAITING_FOR}, p.deadline_at
          FROM payments p
          LEFT JOIN expected usual ON usual.state = p.state AND usual.provider = ''
         WHERE (p.deadline_at < now() OR :waiting AND p.deadline_at IS NOT NULL)
           AND (CAST(:merchant_id AS text) IS NULL OR p.merchant_id = :merchant_id)
           AND NOT EXISTS (
               SELECT FROM standing s WHERE s.merchant_id = p.merchant_id AND s.id = p.id)
    )
"""
_COUNT = text(
    f"""
    {_OVERDUE}
    SELECT state, provider, corridor_id, age.name AS age, count(*) AS payments
      FROM overdue o
     CROSS JOIN LATERAL (
           SELECT a.name FROM json_to_recordset(CAST(:ages AS json)) AS a(name text, seconds float8)
            WHERE extract(epoch FROM now() - o.since) >= a.seconds
            ORDER BY a.seconds DESC LIMIT 1) AS age
     GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
    """
)
_LIST = text(
    f"""
    {_OVERDUE}, placed AS (
        SELECT merchant_id, id, corridor_id, state, due_at, step, provider, within, since, sequence,
               waiting_for, deadline_at, {shown("since")} AS place
          FROM overdue
    )
    SELECT o.merchant_id, o.id, o.corridor_id, o.state, o.provider, o.step, o.sequence, o.place,
           o.since IS NOT NULL AND {is_shown("o.since")} AS shows_since,
           extract(epoch FROM o.within)::float8 AS within,
           CASE WHEN {is_shown("o.due_at")} THEN o.due_at END AS due_at,
           {is_shown("o.due_at")} AS shows_due_at, o.waiting_for,
           CASE WHEN {is_shown("o.deadline_at")} THEN o.deadline_at END AS deadline_at,
           coalesce(a.key, '') AS key, coalesce(a.state, '') AS attempt_state,
           coalesce(a.number, 0) AS attempts, coalesce(a.sends, 0) AS sends,
           coalesce(a.failure_code, '') AS code, coalesce(a.failure_message, '') AS message,
           CASE WHEN {is_shown("a.updated_at")} THEN a.updated_at END AS last_at,
           {is_shown("a.updated_at")} AS shows_last_at, p.amount_minor,
           coalesce(p.hold_reason, '') AS hold_reason,
           CASE WHEN a.state = 'INTENDED'
                THEN (SELECT max(s.ends_at) {pauses_of("a", "p")}) END AS paused_until
      FROM placed o
      JOIN payments p ON p.merchant_id = o.merchant_id AND p.id = o.id
      LEFT JOIN LATERAL (
           SELECT t.step, t.provider, t.key, t.state, t.number, t.sends, t.failure_code,
                  t.failure_message, t.updated_at
             FROM attempts t
            WHERE t.merchant_id = o.merchant_id AND t.payment_id = o.id AND t.step = o.step
            ORDER BY t.number DESC LIMIT 1) AS a ON true
     WHERE (CAST(:at AS timestamptz) IS NULL
            OR (o.place, o.id) > (CAST(:at AS timestamptz), CAST(:after AS uuid)))
       AND (CAST(:waiting_for AS text[]) = '{{}}' OR o.waiting_for = ANY(:waiting_for))
     ORDER BY o.place, o.id LIMIT :limit
    """
)
_BEFORE = text(
    f"""
    {_OVERDUE}
    SELECT o.id FROM overdue o WHERE o.id < :before ORDER BY o.id DESC LIMIT :limit
    """
)
_ERROR = "the list of overdue payments cannot show it"
_STATES = frozenset(State)
# The most that the contract's seconds can hold.
_SECONDS_MAX = 2**31 - 1


async def count_overdue(
    connection: AsyncConnection, expected: Sequence[ExpectedTime]
) -> Sequence[OverdueCount]:
    """How many are overdue, by state, provider, corridor and age."""
    ages = rows.as_json({"name": name, "seconds": seconds} for name, seconds in AGES)
    found = await connection.execute(_COUNT, {**_parameters(expected, None), "ages": ages})
    return [
        OverdueCount(
            state=row.state,
            provider=row.provider,
            corridor_id=row.corridor_id,
            age=row.age,
            payments=row.payments,
        )
        for row in found
    ]


async def list_overdue(
    connection: AsyncConnection,
    expected: Sequence[ExpectedTime],
    merchant_id: str | None,
    *,
    waiting: bool,
    waiting_for: Collection[Waiting],
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> Sequence[OverduePayment | tuple[UnreadableOverdue, UnreadableRow]]:
    """Up to limit overdue payments, of a merchant or of all, those that have stood still for
    longest first; one that cannot be read in its place, with the row that cannot. With all that
    wait for a person, also before their deadline, where `waiting` asks for them; only with those
    that wait for one of these, where any is named."""
    at, payment_id = after or (None, None)
    wanted = _parameters(expected, merchant_id, waiting=waiting)
    place = {"at": at, "after": payment_id, "limit": limit}
    found = await connection.execute(
        _LIST, {**wanted, **place, "waiting_for": [str(one) for one in waiting_for]}
    )
    return [_read(row) for row in found]


async def overdue_before(
    connection: AsyncConnection,
    expected: Sequence[ExpectedTime],
    before: UUID,
    merchant_id: str | None,
    limit: int,
) -> Sequence[UUID]:
    """The ids of up to limit overdue payments, the newest first, those older than `before`."""
    wanted = {**_parameters(expected, merchant_id), "before": before, "limit": limit}
    return (await connection.execute(_BEFORE, wanted)).scalars().all()


def _read(row: Row[Any]) -> OverduePayment | tuple[UnreadableOverdue, UnreadableRow]:
    if broken := _broken(row):
        return UnreadableOverdue(payment_id=row.id, since=row.place), broken
    return OverduePayment(
        merchant_id=row.merchant_id,
        payment_id=row.id,
        corridor_id=row.corridor_id,
        state=State(row.state),
        provider=row.provider,
        since=row.place,
        within=timedelta(seconds=row.within),
        key=row.key,
        attempt_state=row.attempt_state,
        attempts=row.attempts,
        sends=row.sends,
        code=row.code,
        message=row.message,
        last_at=row.last_at,
        next_at=row.due_at,
        waiting_for=Waiting.__members__.get(row.waiting_for),
        deadline_at=row.deadline_at,
        amount=Money(row.amount_minor, SOURCE_CURRENCY),
        hold_reason=row.hold_reason,
        paused_until=row.paused_until,
    )


def _broken(row: Row[Any]) -> UnreadableRow | None:
    """The row behind the list's that cannot be read, where there is one."""
    key = {"merchant_id": row.merchant_id, "id": row.id, "payment_id": row.id}
    key |= {"sequence": row.sequence, "step": row.step, "number": row.attempts}
    waits = row.sequence is None
    checks = (
        (row.state in _STATES, PAYMENTS, "state"),
        (row.shows_due_at, PAYMENTS, "due_at"),
        (0 <= row.amount_minor <= MAX_AMOUNT_MINOR, PAYMENTS, "amount_minor"),
        (row.shows_since or not waits, PAYMENTS, "waiting_since"),
        (row.shows_since or waits, EVENTS, "occurred_at"),
        (row.within is not None and abs(row.within) <= _SECONDS_MAX, PAYMENTS, "deadline_at"),
        (row.shows_last_at, ATTEMPTS, "updated_at"),
    )
    broken = (source.of_key(key, _ERROR, name) for is_whole, source, name in checks if not is_whole)
    return next(broken, None)


def _parameters(
    expected: Sequence[ExpectedTime], merchant_id: str | None, *, waiting: bool = False
) -> dict[str, Any]:
    table = rows.as_json(
        {
            "state": time.state,
            "step": time.step,
            "provider": time.provider,
            "seconds": time.within / timedelta(seconds=1),
        }
        for time in expected
    )
    return {
        "expected": table,
        "ahead": LOOKS_AHEAD.total_seconds(),
        "merchant_id": merchant_id,
        "waiting": waiting,
    }
