"""Figures that are no violations: balances and their causes, payments that wait for a person, dead
letters, and the backlog."""

from collections.abc import Mapping, Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.payments.audit.report import (
    Backlog,
    Balance,
    Flow,
    Held,
    Suspended,
    TrailHead,
    Waits,
)
from services.payments.base import rows
from services.payments.base.statements import text_with
from services.payments.engine.store.overdue import WAITING_FOR
from services.payments.model.causes import HELD
from services.payments.model.holds import HoldReason
from services.shared.ids import Prefix, encode_id

_BALANCES = text(
    """
    SELECT account, currency, sum(balance_minor) AS balance_minor
      FROM balances GROUP BY 1, 2 ORDER BY 1, 2
    """
)
_FLOWS = text(
    """
    SELECT account, currency, cause, count(DISTINCT (merchant_id, payment_id)) AS payments,
           sum(amount) AS amount_minor
      FROM (SELECT merchant_id, payment_id, debit AS account, currency, cause,
                   amount_minor AS amount
              FROM postings WHERE split_part(debit, ':', 1) IN ('onramp', 'offramp')
             UNION ALL
            SELECT merchant_id, payment_id, credit, currency, cause, -amount_minor::numeric
              FROM postings WHERE split_part(credit, ':', 1) IN ('onramp', 'offramp')) AS sides
     GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    """
)
# The sums of each payment that are not nothing, the largest first.
_SUSPENSE = text(
    """
    SELECT s.account, s.currency, s.payment_id, s.amount,
           coalesce(p.hold_reason, p.state) AS reason
      FROM (SELECT merchant_id, payment_id, account, currency, sum(amount) AS amount
              FROM (SELECT merchant_id, payment_id, debit AS account, currency,
                           amount_minor AS amount FROM postings
                     WHERE split_part(debit, ':', 1) = 'suspense'
                     UNION ALL
                    SELECT merchant_id, payment_id, credit, currency, -amount_minor::numeric
                      FROM postings WHERE split_part(credit, ':', 1) = 'suspense') AS sides
             GROUP BY 1, 2, 3, 4 HAVING sum(amount) <> 0) AS s
      JOIN payments p ON p.merchant_id = s.merchant_id AND p.id = s.payment_id
     ORDER BY s.account, abs(s.amount) DESC, s.payment_id
    """
)
# The time since the event of the hold; later events do not matter.
_HELD = text(
    """
    SELECT p.hold_reason AS reason, count(*) AS payments,
           extract(epoch FROM now() - min(coalesce(e.occurred_at, p.updated_at)))::float8 AS oldest
      FROM payments p
      LEFT JOIN json_to_recordset(CAST(:holds AS json)) AS h(reason text, cause text)
        ON h.reason = p.hold_reason
      LEFT JOIN LATERAL (
           SELECT occurred_at FROM payment_events
            WHERE merchant_id = p.merchant_id AND payment_id = p.id AND cause = h.cause
            ORDER BY sequence DESC LIMIT 1) AS e ON true
     WHERE p.hold_reason IS NOT NULL GROUP BY 1 ORDER BY 1
    """
)
_WAITING = text(
    f"""
    SELECT {WAITING_FOR} AS waiting,
           count(*) AS payments, count(*) FILTER (WHERE deadline_at < now()) AS past_deadline,
           extract(epoch FROM now() - min(waiting_since))::float8 AS oldest
      FROM payments p WHERE deadline_at IS NOT NULL GROUP BY 1 ORDER BY 1
    """
)
_SET_ASIDE = text_with(
    """
    SELECT (SELECT count(*) FROM payments WHERE hold_reason = :step_failed) AS steps,
           (SELECT count(*) FROM webhook_inbox WHERE state = 'SET_ASIDE') AS inbox,
           (SELECT count(*) FROM outbox WHERE state = 'SET_ASIDE') AS outbox,
           (SELECT count(*) FROM unreadable_rows WHERE state = 'OPEN') AS unreadable
    """,
    step_failed=HoldReason.STEP_FAILED,
)
_TRAIL = text("SELECT sequence, sha256 FROM operator_action_chain ORDER BY sequence DESC LIMIT 1")
_BACKLOG = text(
    """
    SELECT count(*) AS payments,
           coalesce(extract(epoch FROM now() - min(due_at)), 0)::float8 AS oldest
      FROM payments WHERE due_at <= now() AND (lease_until IS NULL OR lease_until < now())
    """
)


# The cause of the event with which a payment begins to wait, for each reason.
HELD_BY_CAUSE = rows.as_json({"reason": reason, "cause": cause} for reason, cause in HELD.items())


async def read_balances(connection: AsyncConnection) -> Sequence[Balance]:
    """Every account's balance, as it is kept."""
    return [
        Balance(account=row.account, currency=row.currency, balance_minor=int(row.balance_minor))
        for row in await connection.execute(_BALANCES)
    ]


async def read_flows(connection: AsyncConnection) -> Sequence[Flow]:
    """The balance of every account at a provider, by cause."""
    return [
        Flow(
            account=row.account,
            currency=row.currency,
            cause=row.cause,
            payments=row.payments,
            amount_minor=int(row.amount_minor),
        )
        for row in await connection.execute(_FLOWS)
    ]


async def read_suspense(connection: AsyncConnection) -> Sequence[Suspended]:
    """The money on suspense, payment by payment."""
    return [
        Suspended(
            account=row.account,
            currency=row.currency,
            transaction_id=encode_id(Prefix.PAYMENT, row.payment_id),
            reason=row.reason,
            amount_minor=int(row.amount),
        )
        for row in await connection.execute(_SUSPENSE)
    ]


async def read_held(connection: AsyncConnection) -> Sequence[Held]:
    """Payments that wait for a person, by reason."""
    return [
        Held(reason=row.reason, payments=row.payments, oldest_seconds=row.oldest)
        for row in await connection.execute(_HELD, {"holds": HELD_BY_CAUSE})
    ]


async def read_waiting(connection: AsyncConnection) -> Sequence[Waits]:
    """Payments that wait for an operator or their merchant, and those past their deadline."""
    return [
        Waits(
            waiting=row.waiting,
            payments=row.payments,
            past_deadline=row.past_deadline,
            oldest_seconds=row.oldest,
        )
        for row in await connection.execute(_WAITING)
    ]


async def read_set_aside(connection: AsyncConnection) -> Mapping[str, int]:
    """The number of dead letters, by kind."""
    row = (await connection.execute(_SET_ASIDE)).one()
    return {
        "steps": row.steps,
        "inbox": row.inbox,
        "outbox": row.outbox,
        "unreadable": row.unreadable,
    }


async def read_backlog(connection: AsyncConnection) -> Backlog:
    """The payments that are due and not claimed."""
    row = (await connection.execute(_BACKLOG)).one()
    return Backlog(payments=row.payments, oldest_seconds=row.oldest)


async def read_trail(connection: AsyncConnection) -> TrailHead | None:
    """The last entry of the chain of operators' actions; None before the first action."""
    row = (await connection.execute(_TRAIL)).one_or_none()
    return TrailHead(sequence=row.sequence, sha256=row.sha256) if row else None
