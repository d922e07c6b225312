"""What must be true of the database at every moment, as statements that find whatever is not. They
recompute from postings and events, and trust no column that was derived from them."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.payments.domain.payment import ALLOWED, SETTLED
from services.payments.store import rows
from services.shared.db import connected

SAMPLE = 3


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One invariant, and how often it is broken; the first few subjects as examples."""

    invariant: str
    violations: int
    examples: tuple[str, ...]


# Each statement gives one row a violation, whose only column says where.
INVARIANTS = {
    "every balance is the sum of its postings": """
        SELECT account || ' ' || currency FROM (
            SELECT merchant_id, account, currency, sum(amount) AS total FROM (
                SELECT merchant_id, debit AS account, currency, amount_minor AS amount FROM postings
                UNION ALL
                SELECT merchant_id, credit, currency, -amount_minor FROM postings
            ) AS sides GROUP BY 1, 2, 3
        ) AS summed FULL JOIN balances USING (merchant_id, account, currency)
         WHERE total IS DISTINCT FROM balance_minor
    """,
    "a settled payment has nothing left on its account": """
        SELECT p.id::text FROM payments p
          JOIN (SELECT merchant_id, payment_id, currency,
                       sum(CASE WHEN debit LIKE 'payments:%' THEN amount_minor ELSE 0 END
                         - CASE WHEN credit LIKE 'payments:%' THEN amount_minor ELSE 0 END) AS rest
                  FROM postings GROUP BY 1, 2, 3) AS owed
            ON owed.merchant_id = p.merchant_id AND owed.payment_id = p.id
         WHERE p.state = ANY(:settled) AND owed.rest <> 0
    """,
    "a history has no gap and ends where its payment stands": """
        SELECT p.id::text FROM payments p
          LEFT JOIN (SELECT merchant_id, payment_id, count(*) AS events, max(sequence) AS last,
                            (array_agg(to_state ORDER BY sequence DESC))[1] AS state
                       FROM payment_events GROUP BY 1, 2) AS history
            ON history.merchant_id = p.merchant_id AND history.payment_id = p.id
         WHERE (events, last, history.state) IS DISTINCT FROM (p.version, p.version, p.state)
    """,
    "every move is one that the table allows": """
        SELECT payment_id::text || ' ' || sequence FROM (
            SELECT *, lag(to_state) OVER (PARTITION BY merchant_id, payment_id ORDER BY sequence)
                   AS before FROM payment_events
        ) AS moves
         WHERE from_state IS DISTINCT FROM before
            OR from_state IS NOT NULL AND from_state <> to_state AND NOT EXISTS (
               SELECT FROM json_to_recordset(CAST(:allowed AS json)) AS a(start text, goal text)
                WHERE a.start = from_state AND a.goal = to_state)
    """,
    "what is funded was collected, once": """
        SELECT p.id::text FROM payments p
         WHERE p.state NOT IN ('CREATED', 'COLLECTING', 'FAILED', 'CANCELLED', 'EXPIRED')
           AND 1 <> (SELECT count(*) FROM attempts a
                      WHERE a.merchant_id = p.merchant_id AND a.payment_id = p.id
                        AND a.step = 'collection' AND a.state = 'SUCCEEDED')
    """,
    "what is completed was paid out, once, and nothing else was": """
        SELECT p.id::text FROM payments p
         WHERE (SELECT count(*) FROM attempts a
                 WHERE a.merchant_id = p.merchant_id AND a.payment_id = p.id
                   AND a.step = 'payout' AND a.state = 'SUCCEEDED')
            <> CASE WHEN p.state = 'COMPLETED' THEN 1 ELSE 0 END
    """,
    "what is refunded was refunded, once, and nothing else was": """
        SELECT p.id::text FROM payments p
         WHERE (SELECT count(*) FROM attempts a
                 WHERE a.merchant_id = p.merchant_id AND a.payment_id = p.id
                   AND a.step = 'refund' AND a.state = 'SUCCEEDED')
            <> CASE WHEN p.state = 'REFUNDED' THEN 1 ELSE 0 END
    """,
    "every payment has one idempotency key, and every key a payment": """
        SELECT coalesce(p.id, k.payment_id)::text FROM payments p
          FULL JOIN (SELECT merchant_id, payment_id, count(*) AS keys
                       FROM idempotency_keys GROUP BY 1, 2) AS k
            ON k.merchant_id = p.merchant_id AND k.payment_id = p.id
         WHERE p.id IS NULL OR k.keys IS DISTINCT FROM 1
    """,
    "a payment and its quote name each other": """
        SELECT p.id::text FROM payments p
          JOIN quotes q ON q.merchant_id = p.merchant_id AND q.id = p.quote_id
         WHERE q.payment_id IS DISTINCT FROM p.id
    """,
    "no payment that should go on has been forgotten": """
        SELECT id::text FROM payments
         WHERE hold_reason IS NULL AND NOT state = ANY(:settled) AND state <> 'RETURNED'
           AND (due_at IS NULL
                OR greatest(due_at, lease_until) < now() - make_interval(secs => :overdue))
    """,
}


class PostgresAudit:
    """Checks every invariant, each over all payments."""

    def __init__(self, engine: AsyncEngine, *, overdue_seconds: float) -> None:
        """A payment is forgotten when it has been due, unclaimed, for longer than that."""
        self._engine = engine
        self._parameters = {
            "settled": sorted(SETTLED),
            "allowed": rows.as_json(
                {"start": start, "goal": goal} for start, goals in ALLOWED.items() for goal in goals
            ),
            "overdue": overdue_seconds,
        }

    async def findings(self) -> Sequence[Finding]:
        """One finding an invariant, all of the same moment."""
        async with connected(self._engine) as connection:
            await connection.execute(
                text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            )
            await connection.execute(text("SET LOCAL statement_timeout = 0"))
            return [
                await self._find(connection, invariant, statement)
                for invariant, statement in INVARIANTS.items()
            ]

    async def _find(self, connection: AsyncConnection, invariant: str, statement: str) -> Finding:
        counted = text(
            f"SELECT count(*) AS violations, (array_agg(subject))[1:{SAMPLE}] AS examples "
            f"FROM ({statement}) AS found(subject)"
        )
        needed = {n: v for n, v in self._parameters.items() if f":{n}" in statement}
        row = (await connection.execute(counted, needed)).one()
        return Finding(
            invariant=invariant,
            violations=row.violations,
            examples=tuple(row.examples or ()),
        )
