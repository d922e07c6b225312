"""The worker's transactions: claim, mark as sent, write. A lease whose token only grows guards
every write, so that a worker that slept past its lease changes nothing any more."""

import time
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.payments.domain.attempt import Step
from services.payments.steps import STEP_OF_STATE, Change, News, Work
from services.payments.store import rows
from services.payments.store.payments import INSERT_EVENTS
from services.shared.db import connected

# A row that another worker is claiming is skipped, and one that is held is not due.
_CLAIM = text(
    """
    WITH due AS (
        SELECT merchant_id, id FROM payments
         WHERE due_at <= now() AND (lease_until IS NULL OR lease_until < now())
         ORDER BY due_at LIMIT :limit FOR UPDATE SKIP LOCKED
    )
    UPDATE payments
       SET lease_owner = :owner, lease_token = lease_token + 1, nudged = false,
           lease_until = now() + make_interval(secs => :lease_seconds)
      FROM due WHERE payments.merchant_id = due.merchant_id AND payments.id = due.id
    RETURNING payments.*, now() AS claimed_at
    """
)
_ATTEMPTS = text(
    """
    SELECT DISTINCT ON (a.merchant_id, a.payment_id) a.*
      FROM attempts a
      JOIN json_to_recordset(CAST(:rows AS json)) AS r(merchant_id text, payment_id uuid, step text)
     USING (merchant_id, payment_id, step)
     ORDER BY a.merchant_id, a.payment_id, a.number DESC
    """
)
_NEWS = text(
    """
    SELECT w.merchant_id, w.payment_id, w.provider, w.event_id, w.step, w.answer
      FROM webhook_inbox w
      JOIN json_to_recordset(CAST(:rows AS json)) AS r(merchant_id text, payment_id uuid)
     USING (merchant_id, payment_id)
     WHERE w.state = 'PENDING' ORDER BY w.received_at
    """
)
# The row of the payment is locked, so that the token cannot change between check and commit.
_MARK_SENT = text(
    """
    WITH held AS (
        SELECT p.merchant_id, p.id, r.step, r.number
          FROM payments p
          JOIN json_to_recordset(CAST(:rows AS json))
            AS r(merchant_id text, id uuid, lease_token bigint, step text, number smallint)
         USING (merchant_id, id, lease_token)
         WHERE p.lease_until > now()
         ORDER BY p.merchant_id, p.id FOR UPDATE OF p
    )
    UPDATE attempts a
       SET state = CASE a.state WHEN 'INTENDED' THEN 'SENT' ELSE a.state END,
           sent_at = coalesce(a.sent_at, now()), last_sent_at = now(), updated_at = now()
      FROM held h
     WHERE a.merchant_id = h.merchant_id AND a.payment_id = h.id
       AND a.step = h.step AND a.number = h.number
       AND a.state IN ('INTENDED', 'SENT', 'UNKNOWN')
    RETURNING a.*
    """
)
_WRITE_PAYMENTS = text(
    """
    UPDATE payments p
       SET state = r.state, version = r.version, sent_at = r.sent_at,
           onramp = r.onramp, offramp = r.offramp,
           collection_reference = r.collection_reference,
           hold_reason = r.hold_reason, failure_code = r.failure_code,
           failure_message = r.failure_message,
           updated_at = CASE WHEN p.version = r.version THEN p.updated_at ELSE now() END,
           lease_owner = CASE WHEN r.keeps_lease THEN p.lease_owner END,
           lease_until = CASE WHEN r.keeps_lease THEN p.lease_until END,
           due_at = CASE WHEN r.keeps_lease THEN p.due_at
                         WHEN p.nudged THEN now()
                         ELSE now() + make_interval(secs => r.due_in_seconds) END
      FROM json_to_recordset(CAST(:rows AS json))
        AS r(merchant_id text, id uuid, state text, version integer, sent_at timestamptz,
             onramp text, offramp text, collection_reference text,
             hold_reason text, failure_code text, failure_message text, keeps_lease boolean,
             due_in_seconds double precision, expected_version integer, lease_token bigint)
     WHERE p.merchant_id = r.merchant_id AND p.id = r.id
       AND p.version = r.expected_version AND p.lease_token = r.lease_token
    RETURNING p.id
    """
)
_WRITE_ATTEMPTS = text(
    """
    INSERT INTO attempts (merchant_id, payment_id, step, number, provider, key, amount_minor,
           currency, state, provider_reference, inconclusive_count, failure_code, failure_message)
    SELECT * FROM json_to_recordset(CAST(:rows AS json))
        AS r(merchant_id text, payment_id uuid, step text, number smallint, provider text,
             key text, amount_minor bigint, currency text, state text, provider_reference text,
             inconclusive_count integer, failure_code text, failure_message text)
    ON CONFLICT (merchant_id, payment_id, step, number) DO UPDATE
       SET state = excluded.state, provider_reference = excluded.provider_reference,
           -- What is INTENDED again provably never left.
           sent_at = CASE WHEN excluded.state <> 'INTENDED' THEN attempts.sent_at END,
           inconclusive_count = excluded.inconclusive_count, failure_code = excluded.failure_code,
           failure_message = excluded.failure_message, updated_at = now()
    """
)
_INSERT_POSTINGS = text(
    """
    INSERT INTO postings (merchant_id, payment_id, sequence, position, debit, credit, currency,
           amount_minor, cause)
    SELECT * FROM json_to_recordset(CAST(:rows AS json))
        AS r(merchant_id text, payment_id uuid, sequence integer, position smallint, debit text,
             credit text, currency text, amount_minor bigint, cause text)
    """
)
# Accounts are changed in order, so that two batches wait for each other and never deadlock.
_ADD_TO_BALANCES = text(
    """
    INSERT INTO balances (merchant_id, account, currency, balance_minor)
    SELECT * FROM json_to_recordset(CAST(:rows AS json))
        AS r(merchant_id text, account text, currency text, balance_minor bigint)
     ORDER BY merchant_id, account, currency
    ON CONFLICT (merchant_id, account, currency) DO UPDATE
       SET balance_minor = balances.balance_minor + excluded.balance_minor, updated_at = now()
    """
)
_CLOSE_NEWS = text(
    """
    UPDATE webhook_inbox w SET state = r.state
      FROM json_to_recordset(CAST(:rows AS json)) AS r(provider text, event_id text, state text)
     WHERE w.provider = r.provider AND w.event_id = r.event_id AND w.state = 'PENDING'
    """
)


class PostgresWork:
    """The port WorkStore on PostgreSQL."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @asynccontextmanager
    async def begin(self) -> AsyncIterator["PostgresWorkTransaction"]:
        """See WorkStore.begin."""
        async with connected(self._engine) as connection:
            yield PostgresWorkTransaction(connection)


class PostgresWorkTransaction:
    """The port WorkTransaction on one connection."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def commit(self) -> None:
        """See WorkTransaction.commit."""
        await self._connection.commit()

    async def now(self) -> datetime:
        """See WorkTransaction.now."""
        now: datetime = (await self._connection.execute(text("SELECT now()"))).scalar_one()
        return now

    async def claim(self, owner: str, *, limit: int, lease_seconds: float) -> Sequence[Work]:
        """See WorkTransaction.claim."""
        # Read before the database starts counting, so that ours never ends later than its lease.
        lease_ends = time.monotonic() + lease_seconds
        claimed = await self._connection.execute(
            _CLAIM, {"owner": owner, "limit": limit, "lease_seconds": lease_seconds}
        )
        payments = [(rows.read_payment(row), row) for row in claimed]
        wanted = rows.as_json(
            {
                "merchant_id": payment.merchant_id,
                "payment_id": payment.id,
                "step": STEP_OF_STATE.get(payment.state),
            }
            for payment, _ in payments
        )
        attempts = {
            row.payment_id: rows.read_attempt(row)
            for row in await self._connection.execute(_ATTEMPTS, {"rows": wanted})
        }
        news = await self._news(wanted)
        return [
            Work(
                payment=payment,
                attempt=attempts.get(payment.id),
                news=tuple(news[payment.id]),
                lease_token=row.lease_token,
                claimed_at=row.claimed_at,
                lease_ends=lease_ends,
            )
            for payment, row in payments
        ]

    async def mark_sent(self, work: Sequence[Work]) -> Sequence[Work]:
        """See WorkTransaction.mark_sent."""
        wanted = rows.as_json(
            {
                "merchant_id": item.payment.merchant_id,
                "id": item.payment.id,
                "lease_token": item.lease_token,
                "step": item.attempt.step,
                "number": item.attempt.number,
            }
            for item in work
            if item.attempt is not None
        )
        marked = await self._connection.execute(_MARK_SENT, {"rows": wanted})
        attempts = {row.payment_id: rows.read_attempt(row) for row in marked}
        return [
            replace(
                item,
                attempt=attempts[item.payment.id],
                first_send=item.attempt is not None and item.attempt.sent_at is None,
            )
            for item in work
            if item.payment.id in attempts
        ]

    async def write(self, changes: Sequence[Change]) -> Collection[UUID]:
        """See WorkTransaction.write."""
        if not changes:
            return ()
        updated = await self._connection.execute(
            _WRITE_PAYMENTS, {"rows": rows.as_json(map(_payment_change, changes))}
        )
        written = {row.id for row in updated}
        standing = [change for change in changes if change.payment.id in written]
        for statement, batch in (
            (_WRITE_ATTEMPTS, [rows.attempt_row(c.attempt) for c in standing if c.attempt]),
            (INSERT_EVENTS, [rows.event_row(c.payment, e) for c in standing for e in c.events]),
            (_INSERT_POSTINGS, [row for c in standing for row in _posting_rows(c)]),
            (_ADD_TO_BALANCES, _balance_rows(standing)),
            (_CLOSE_NEWS, [row for c in standing for row in _news_rows(c)]),
        ):
            if batch:
                await self._connection.execute(statement, {"rows": rows.as_json(batch)})
        return written

    async def _news(self, wanted: str) -> dict[UUID, list[News]]:
        news: dict[UUID, list[News]] = defaultdict(list)
        for row in await self._connection.execute(_NEWS, {"rows": wanted}):
            news[row.payment_id].append(
                News(
                    provider=row.provider,
                    event_id=row.event_id,
                    step=Step(row.step),
                    answer=rows.read_answer(row.answer),
                )
            )
        return news


def _payment_change(change: Change) -> dict[str, Any]:
    payment = change.payment
    return {
        "merchant_id": payment.merchant_id,
        "id": payment.id,
        "state": payment.state,
        "version": payment.version,
        "sent_at": payment.sent_at.isoformat() if payment.sent_at else None,
        "onramp": payment.onramp,
        "offramp": payment.offramp,
        "collection_reference": payment.collection_reference,
        "hold_reason": payment.hold_reason,
        "failure_code": payment.failure.code if payment.failure else None,
        "failure_message": payment.failure.message if payment.failure else None,
        "keeps_lease": change.keeps_lease,
        "due_in_seconds": None if change.due_in is None else change.due_in.total_seconds(),
        "expected_version": change.expected_version,
        "lease_token": change.lease_token,
    }


def _posting_rows(change: Change) -> list[dict[str, Any]]:
    return [
        {
            "merchant_id": change.payment.merchant_id,
            "payment_id": change.payment.id,
            "sequence": change.payment.version,
            "position": position,
            "debit": posting.debit,
            "credit": posting.credit,
            "currency": posting.amount.currency,
            "amount_minor": posting.amount.amount_minor,
            "cause": posting.cause,
        }
        for position, posting in enumerate(change.postings)
    ]


def _balance_rows(changes: Sequence[Change]) -> list[dict[str, Any]]:
    sums: dict[tuple[str, str, str], int] = defaultdict(int)
    for change in changes:
        merchant = change.payment.merchant_id
        for posting in change.postings:
            currency, amount = posting.amount.currency, posting.amount.amount_minor
            sums[merchant, posting.debit, currency] += amount
            sums[merchant, posting.credit, currency] -= amount
    return [
        {"merchant_id": merchant, "account": account, "currency": currency, "balance_minor": delta}
        for (merchant, account, currency), delta in sorted(sums.items())
    ]


def _news_rows(change: Change) -> list[dict[str, Any]]:
    return [
        {"provider": c.news.provider, "event_id": c.news.event_id, "state": c.fate}
        for c in change.closed_news
    ]
