"""The worker's transactions: claim, mark as sent, write, and what a merchant steers. A lease whose
token only grows guards every write, so that a worker that slept past its lease changes nothing any
more. The writing itself is in writing."""

import time
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.payments import tables
from services.payments.domain.attempt import Attempt
from services.payments.domain.payment import (
    Payment,
    PaymentBusy,
    PaymentNotFound,
    PaymentUnreadable,
)
from services.payments.failures import Lease, NewsFailure, Patience, StepFailure, describe
from services.payments.ports import Encode, IdempotencyKey, StoredAnswer
from services.payments.steps import (
    STEP_OF_STATE,
    Change,
    News,
    Work,
    needs_all_attempts,
)
from services.payments.store import attempt_rows, rows
from services.payments.store.columns import columns
from services.payments.store.failures import Failures, lease_of
from services.payments.store.merchant_news import MerchantNews, cannot_tell
from services.payments.store.payments import read_answers
from services.payments.store.unreadable import (
    UNDECODABLE,
    read_each,
    read_payment,
    report_unreadable,
)
from services.payments.store.writing import write_changes
from services.shared.db import connected
from services.shared.ids import encode_id

_PAYMENT, _ATTEMPT = columns(tables.payments, "payments"), columns(tables.attempts, "a")
# A row that another worker is claiming is skipped, and one that is held is not due. What has failed
# before is taken alone (failures).
_CLAIM = text(
    f"""
    WITH due AS (
        SELECT merchant_id, id FROM payments
         WHERE due_at <= now() AND (lease_until IS NULL OR lease_until < now())
           AND (step_failures = 0 OR hold_reason IS NOT NULL)
         ORDER BY due_at LIMIT :limit FOR UPDATE SKIP LOCKED
    )
    UPDATE payments
       SET lease_owner = :owner, lease_token = lease_token + 1, nudged = false,
           lease_until = now() + make_interval(secs => :lease_seconds)
      FROM due WHERE payments.merchant_id = due.merchant_id AND payments.id = due.id
    RETURNING {_PAYMENT}, now() AS claimed_at
    """
)
_LOCK = text(
    f"""
    SELECT {_PAYMENT}, coalesce(lease_until > now(), false) AS is_leased FROM payments
     WHERE merchant_id = :merchant_id AND id = :id FOR UPDATE
    """
)
# It adds no event, and so disturbs no worker that is busy with the payment: who acts on it says so.
_REQUEST_CANCEL = text(
    f"""
    UPDATE payments SET cancel_requested_at = now(), due_at = now(), nudged = true
     WHERE merchant_id = :merchant_id AND id = :id
    RETURNING {_PAYMENT}
    """
)
_KEEP_ANSWER = text(
    """
    INSERT INTO idempotency_keys (merchant_id, key, fingerprint, response, payment_id, operation)
    VALUES (:merchant_id, :key, :fingerprint, :response, :payment_id, :operation)
    ON CONFLICT DO NOTHING
    """
)
# For the length of this transaction the row's lock is the lease.
_CLAIM_ONE = text(
    f"""
    UPDATE payments SET lease_token = lease_token + 1
     WHERE merchant_id = :merchant_id AND id = :id
       AND (lease_until IS NULL OR lease_until < now())
    RETURNING {_PAYMENT}, now() AS claimed_at
    """
)
_EXISTS = text("SELECT EXISTS (SELECT FROM payments WHERE merchant_id = :merchant_id AND id = :id)")
_ATTEMPTS = text(
    f"""
    SELECT DISTINCT ON (a.merchant_id, a.payment_id) {_ATTEMPT}
      FROM attempts a
      JOIN json_to_recordset(CAST(:rows AS json)) AS r(merchant_id text, payment_id uuid, step text)
     USING (merchant_id, payment_id, step)
     -- The last, or the one that has succeeded late.
     ORDER BY a.merchant_id, a.payment_id, is_live AND state = 'SUCCEEDED' DESC, number DESC
    """
)
_ALL_ATTEMPTS = text(
    f"""
    SELECT {_ATTEMPT} FROM attempts a
      JOIN json_to_recordset(CAST(:rows AS json)) AS r(merchant_id text, payment_id uuid)
     USING (merchant_id, payment_id)
     ORDER BY a.step, a.number
    """
)
_NEWS = text(
    """
    SELECT n.merchant_id, n.payment_id, n.provider, n.event_id, n.step, n.answer, n.received_at
      FROM json_to_recordset(CAST(:rows AS json)) AS r(merchant_id text, payment_id uuid)
     CROSS JOIN LATERAL (
           SELECT merchant_id, payment_id, provider, event_id, step, answer, received_at
              FROM webhook_inbox w
            WHERE w.merchant_id = r.merchant_id AND w.payment_id = r.payment_id
              AND w.state = 'PENDING' ORDER BY w.received_at
           ) AS n
    """
)
# Whoever tells a worker that has the payment of something sets `nudged`.
_UNTOUCHED = text(
    """
    SELECT now() AS now, ARRAY (
           SELECT p.id FROM payments p
             JOIN json_to_recordset(CAST(:rows AS json))
               AS r(merchant_id text, id uuid, lease_token bigint)
            USING (merchant_id, id, lease_token)
            WHERE NOT p.nudged AND p.lease_until > now() + make_interval(secs => :lease_seconds)
            ORDER BY p.merchant_id, p.id FOR NO KEY UPDATE OF p
           ) AS ids
    """
)
# The row of the payment is locked, so that the token cannot change between check and commit.
_MARK_SENT = text(
    f"""
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
           sent_at = coalesce(a.sent_at, now()), last_sent_at = now(), sends = a.sends + 1,
           updated_at = now()
      FROM held h
     WHERE a.merchant_id = h.merchant_id AND a.payment_id = h.id
       AND a.step = h.step AND a.number = h.number
       AND a.state IN ('INTENDED', 'SENT', 'UNKNOWN')
    RETURNING {_ATTEMPT}
    """
)


class PostgresWork:
    """The port WorkStore on PostgreSQL."""

    def __init__(
        self,
        engine: AsyncEngine,
        encode_event: Encode = cannot_tell,
        patience: Patience | None = None,
    ) -> None:
        self._engine = engine
        self._merchants = MerchantNews(encode_event)
        self._patience = patience or Patience()

    @asynccontextmanager
    async def begin(self) -> AsyncIterator["PostgresWorkTransaction"]:
        """See WorkStore.begin."""
        async with connected(self._engine) as connection:
            yield PostgresWorkTransaction(connection, self._merchants, self._patience)


class PostgresWorkTransaction(Failures):
    """The port WorkTransaction on one connection; what breaks down is counted by Failures."""

    def __init__(
        self, connection: AsyncConnection, merchants: MerchantNews, patience: Patience
    ) -> None:
        super().__init__(connection, patience)
        self._merchants = merchants

    async def commit(self) -> None:
        """See WorkTransaction.commit."""
        await self._connection.commit()

    async def untouched(
        self, work: Sequence[Work], *, lease_seconds: float
    ) -> tuple[datetime, Collection[UUID]]:
        """See WorkTransaction.untouched."""
        wanted = rows.as_json(
            {
                "merchant_id": item.payment.merchant_id,
                "id": item.payment.id,
                "lease_token": item.lease_token,
            }
            for item in work
        )
        found = await self._connection.execute(
            _UNTOUCHED, {"rows": wanted, "lease_seconds": lease_seconds}
        )
        row = found.one()
        return row.now, set(row.ids)

    async def claim(self, owner: str, *, limit: int, lease_seconds: float) -> Sequence[Work]:
        """See WorkTransaction.claim."""
        # Read before the database starts counting, so that ours never ends later than its lease.
        lease_ends = time.monotonic() + lease_seconds
        claimed = await self._connection.execute(
            _CLAIM, {"owner": owner, "limit": limit, "lease_seconds": lease_seconds}
        )
        work = await self._work(claimed.all())
        return [replace(item, lease_ends=lease_ends) for item in work]

    async def take_up(self, leases: Sequence[Lease]) -> Sequence[Work]:
        """See WorkTransaction.take_up."""
        ends = {lease.payment_id: lease.ends for lease in leases}
        work = await self._work(await self.acquit(leases))
        return [replace(item, lease_ends=ends[item.payment.id]) for item in work]

    async def lock(self, merchant_id: str, payment_id: UUID) -> tuple[Payment, bool]:
        """See WorkTransaction.lock."""
        named = {"merchant_id": merchant_id, "id": payment_id}
        try:
            row = (await self._connection.execute(_LOCK, named)).one_or_none()
        except UNDECODABLE as error:
            report_unreadable("payments", payment_id, describe(error))
            raise PaymentUnreadable(transaction_id=encode_id("pay", payment_id)) from None
        if row is None:
            raise PaymentNotFound(transaction_id=encode_id("pay", payment_id))
        return read_payment(row), row.is_leased

    async def request_cancel(self, payment: Payment) -> Payment:
        """See WorkTransaction.request_cancel."""
        named = {"merchant_id": payment.merchant_id, "id": payment.id}
        return read_payment((await self._connection.execute(_REQUEST_CANCEL, named)).one())

    async def answer(self, key: IdempotencyKey) -> StoredAnswer | None:
        """See WorkTransaction.answer."""
        return (await read_answers(self._connection, [key])).get(key)

    async def keep_answer(
        self, key: IdempotencyKey, answer: StoredAnswer, payment_id: UUID, *, operation: str
    ) -> StoredAnswer:
        """See WorkTransaction.keep_answer."""
        named = {"merchant_id": key[0], "key": key[1]}
        kept = await self._connection.execute(
            _KEEP_ANSWER,
            {
                **named,
                "fingerprint": answer.fingerprint,
                "response": answer.response,
                "payment_id": payment_id,
                "operation": operation,
            },
        )
        if kept.rowcount == 1:
            return answer
        return (await read_answers(self._connection, [key]))[key]

    async def claim_one(self, merchant_id: str, payment_id: UUID) -> Work:
        """See WorkTransaction.claim_one."""
        named = {"merchant_id": merchant_id, "id": payment_id}
        claimed = (await self._connection.execute(_CLAIM_ONE, named)).all()
        if not claimed:
            found = (await self._connection.execute(_EXISTS, named)).scalar_one()
            raise (
                PaymentBusy
                if found
                else PaymentNotFound(transaction_id=encode_id("pay", payment_id))
            )
        readable = await self._work(claimed, with_all_attempts=True)
        if not readable:
            raise PaymentUnreadable(transaction_id=encode_id("pay", payment_id))
        return readable[0]

    async def _work(
        self, claimed: Sequence[Row[Any]], *, with_all_attempts: bool = False
    ) -> Sequence[Work]:
        """Claimed rows with what is known of their steps; what cannot be read fails here, alone."""
        if not claimed:
            return []
        payments, unreadable = read_each(claimed, rows.read_payment)
        wanted = rows.as_json(
            {
                "merchant_id": payment.merchant_id,
                "payment_id": payment.id,
                "step": STEP_OF_STATE.get(payment.state),
            }
            for _, payment in payments
        )
        found = await self._connection.execute(_ATTEMPTS, {"rows": wanted})
        attempts, unreadable_attempts = read_each(found.all(), attempt_rows.read_attempt)
        attempt_of = {row.payment_id: attempt for row, attempt in attempts}
        news = await self._news(wanted)
        errors = {row.id: error for row, error in unreadable}
        errors |= {row.payment_id: error for row, error in unreadable_attempts}
        work = [
            Work(
                payment=payment,
                attempt=attempt_of.get(payment.id),
                news=tuple(news[payment.id]),
                lease_token=row.lease_token,
                claimed_at=row.claimed_at,
            )
            for row, payment in payments
            if row.id not in errors
        ]
        complete, more_errors = await self._with_earlier(work, of_each=with_all_attempts)
        errors |= more_errors
        failed = [row for row in claimed if row.id in errors]
        self.unreadable_held += await self.fail(
            [StepFailure(lease=lease_of(row), error=errors[row.id]) for row in failed]
        )
        self.unreadable |= errors
        return complete

    async def _with_earlier(
        self, work: Sequence[Work], *, of_each: bool
    ) -> tuple[Sequence[Work], dict[UUID, str]]:
        """Adds the other attempts where they are needed; says apart why some cannot be read."""
        asked = {item.payment.id for item in work if of_each or needs_all_attempts(item)}
        if not asked:
            return work, {}
        wanted = rows.as_json(
            {"merchant_id": item.payment.merchant_id, "payment_id": item.payment.id}
            for item in work
            if item.payment.id in asked
        )
        found = await self._connection.execute(_ALL_ATTEMPTS, {"rows": wanted})
        attempts, unreadable = read_each(found.all(), attempt_rows.read_attempt)
        errors = {row.payment_id: error for row, error in unreadable}
        of_payment: dict[UUID, list[Attempt]] = defaultdict(list)
        for row, attempt in attempts:
            of_payment[row.payment_id].append(attempt)
        return [
            replace(
                item, earlier=tuple(a for a in of_payment[item.payment.id] if a != item.attempt)
            )
            for item in work
            if item.payment.id not in errors
        ], errors

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
        readable, _ = read_each(marked.all(), attempt_rows.read_attempt)
        attempts = {row.payment_id: attempt for row, attempt in readable}
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
        written = await write_changes(self._connection, changes)
        await self._merchants.tell_changes(self._connection, changes, written)
        return written

    async def _news(self, wanted: str) -> dict[UUID, list[News]]:
        found = await self._connection.execute(_NEWS, {"rows": wanted})
        told, unreadable = read_each(found.all(), attempt_rows.read_news)
        await self.fail_news(
            [
                NewsFailure(provider=row.provider, event_id=row.event_id, error=error)
                for row, error in unreadable
            ]
        )
        news: dict[UUID, list[News]] = defaultdict(list)
        for row, item in told:
            news[row.payment_id].append(item)
        return news
