"""The worker's transactions: claim, mark as sent, write, and merchants' cancels and refunds. A
lease whose token only grows guards every write, so that a worker that slept past its lease changes
nothing any more. The writing itself is in writing."""

import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.payments.base import rows, sources, tables
from services.payments.base.columns import columns
from services.payments.base.counts import count_move
from services.payments.base.errors import describe
from services.payments.base.idempotency import IdempotencyKey, StoredAnswer
from services.payments.base.idempotency_store import keep_answer, read_answers
from services.payments.base.unreadable import UNDECODABLE, read_each
from services.payments.base.unreadable_rows import UnreadableRows
from services.payments.engine.decisions.facts import Change, Work
from services.payments.engine.quarantine import Lease, Patience
from services.payments.engine.store.claimed import Claimed
from services.payments.engine.store.paused import pauses_of
from services.payments.engine.store.quarantine import CREATED_AFTER
from services.payments.engine.store.writing import notifications, write_changes
from services.payments.model.causes import Cause
from services.payments.model.payment import Payment, PaymentBusy, PaymentNotFound, PaymentUnreadable
from services.payments.model.timing import CALL, PAUSE_POLL_SECONDS
from services.payments.webhooks_out.notification import EncodeEvent
from services.payments.webhooks_out.store.outbox_writer import OutboxWriter, without_encoder
from services.shared.db import connected
from services.shared.ids import Prefix, encode_id

_PAYMENT, _ATTEMPT = columns(tables.payments, "payments"), columns(tables.attempts, "a")
# A row that another worker is claiming is skipped, and one that is held is not due. A payment that
# has failed before is taken alone (quarantine).
_CLAIM = text(
    f"""
    WITH due AS (
        SELECT merchant_id, id FROM payments
         WHERE due_at <= now() AND (lease_until IS NULL OR lease_until < now())
           AND (step_failures = 0 OR hold_reason IS NOT NULL) AND {CREATED_AFTER}
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
# It adds no event, and so disturbs no worker that is busy with the payment: the change that follows
# it adds one.
_REQUEST_CANCEL = text(
    f"""
    UPDATE payments SET cancel_requested_at = now(), due_at = now(), nudged = true
     WHERE merchant_id = :merchant_id AND id = :id
    RETURNING {_PAYMENT}
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
# A statement that changes a payment under a lease sets `nudged`, for the worker to look again.
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
CORRECTIONS = text(
    """
    SELECT count(*) FROM payment_events
     WHERE merchant_id = :merchant_id AND payment_id = :id AND cause = :cause
    """
)
_CALL = f"make_interval(secs => {CALL.total_seconds()})"
# An attempt that was never sent waits for the end of such a pause: looked at in the statement that
# lets it leave, so that none leaves after the pause was committed.
_WAITS = f"EXISTS (SELECT {pauses_of('a', 'h')})"
# The row of the payment is locked, so that the token cannot change between check and commit.
_MARK_SENT = text(
    f"""
    WITH held AS (
        SELECT p.merchant_id, p.id, p.corridor_id, p.lease_until, r.step, r.number
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
           leaves_until = greatest(a.leaves_until, least(h.lease_until, now() + {_CALL})),
           updated_at = now()
      FROM held h
     WHERE a.merchant_id = h.merchant_id AND a.payment_id = h.id
       AND a.step = h.step AND a.number = h.number
       AND a.state IN ('INTENDED', 'SENT', 'UNKNOWN')
       AND (a.sent_at IS NOT NULL OR NOT {_WAITS})
    RETURNING {_ATTEMPT}
    """
)
_REST = text(
    f"""
    UPDATE payments h
       SET lease_until = NULL, lease_owner = NULL,
           due_at = CASE WHEN h.nudged THEN now()
                         ELSE now() + make_interval(secs => {PAUSE_POLL_SECONDS}) END
      FROM json_to_recordset(CAST(:rows AS json))
        AS r(merchant_id text, id uuid, lease_token bigint, step text, number smallint)
     WHERE h.merchant_id = r.merchant_id AND h.id = r.id AND h.lease_token = r.lease_token
       AND h.lease_until > now()
       AND (SELECT a.sent_at IS NULL AND {_WAITS} FROM attempts a
             WHERE a.merchant_id = h.merchant_id AND a.payment_id = h.id
               AND a.step = r.step AND a.number = r.number)
    """
)


class PostgresWork:
    """The port WorkStore on PostgreSQL."""

    def __init__(
        self,
        engine: AsyncEngine,
        encode_event: EncodeEvent = without_encoder,
        patience: Patience | None = None,
        decode_answer: Callable[[str, bytes], object] | None = None,
    ) -> None:
        """decode_answer raises for a stored answer that cannot be given again."""
        self._engine = engine
        self._unreadable = UnreadableRows(engine, decode_answer)
        self._outbox = OutboxWriter(encode_event)
        self._patience = patience or Patience()

    @asynccontextmanager
    async def begin(self) -> AsyncIterator["PostgresWorkTransaction"]:
        """See WorkStore.begin."""
        async with connected(self._engine) as connection:
            yield PostgresWorkTransaction(
                connection, self._outbox, self._patience, self._unreadable
            )


class PostgresWorkTransaction(Claimed):
    """The port WorkTransaction on one connection."""

    def __init__(
        self,
        connection: AsyncConnection,
        outbox: OutboxWriter,
        patience: Patience,
        unreadable: UnreadableRows,
    ) -> None:
        super().__init__(connection, patience, unreadable)
        self._outbox = outbox
        # Written, and not committed yet.
        self._written: list[Change] = []

    async def commit(self) -> None:
        """See WorkTransaction.commit."""
        await self._connection.commit()
        written, self._written = self._written, []
        for change in written:
            for event in change.events:
                if event.from_state is not event.to_state:
                    count_move(change.before, change.payment, event.to_state)

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

    async def claim(
        self,
        owner: str,
        *,
        limit: int,
        lease_seconds: float,
        created_after: datetime | None = None,
    ) -> Sequence[Work]:
        """See WorkTransaction.claim."""
        # Read before the database starts counting, so that ours never ends later than its lease.
        lease_ends = time.monotonic() + lease_seconds
        asked = {"owner": owner, "limit": limit, "lease_seconds": lease_seconds}
        claimed = await self._connection.execute(_CLAIM, {**asked, "created_after": created_after})
        work = await self.read_work(claimed.all())
        return [replace(item, lease_ends=lease_ends) for item in work]

    async def take_up(self, leases: Sequence[Lease]) -> Sequence[Work]:
        """See WorkTransaction.take_up."""
        ends = {lease.payment_id: lease.ends for lease in leases}
        work = await self.read_work(await self.uncount(leases))
        return [replace(item, lease_ends=ends[item.payment.id]) for item in work]

    async def lock(self, merchant_id: str, payment_id: UUID) -> tuple[Payment, bool]:
        """See WorkTransaction.lock."""
        named = {"merchant_id": merchant_id, "id": payment_id}
        try:
            row = (await self._connection.execute(_LOCK, named)).one_or_none()
        except UNDECODABLE as error:
            raise self.refusal(sources.PAYMENTS.of_key(named, describe(error))) from None
        if row is None:
            raise PaymentNotFound(transaction_id=encode_id(Prefix.PAYMENT, payment_id))
        return await self.read_payment(row), row.is_leased

    async def request_cancel(self, payment: Payment) -> Payment:
        """See WorkTransaction.request_cancel."""
        named = {"merchant_id": payment.merchant_id, "id": payment.id}
        row = (await self._connection.execute(_REQUEST_CANCEL, named)).one()
        return await self.read_payment(row)

    async def answer(self, key: IdempotencyKey) -> StoredAnswer | None:
        """See WorkTransaction.answer."""
        return (await read_answers(self._connection, self.notes, [key]))[1].get(key)

    async def keep_answer(
        self, key: IdempotencyKey, answer: StoredAnswer, payment_id: UUID, *, operation: str
    ) -> StoredAnswer:
        """See WorkTransaction.keep_answer."""
        if await keep_answer(self._connection, key, answer, payment_id, operation=operation):
            return answer
        return (await read_answers(self._connection, self.notes, [key]))[1][key]

    async def claim_one(self, merchant_id: str, payment_id: UUID) -> Work:
        """See WorkTransaction.claim_one."""
        named = {"merchant_id": merchant_id, "id": payment_id}
        claimed = (await self._connection.execute(_CLAIM_ONE, named)).all()
        if not claimed:
            found = (await self._connection.execute(_EXISTS, named)).scalar_one()
            raise (
                PaymentBusy
                if found
                else PaymentNotFound(transaction_id=encode_id(Prefix.PAYMENT, payment_id))
            )
        readable = await self.read_work(claimed, with_all_attempts=True)
        if not readable:
            raise PaymentUnreadable(transaction_id=encode_id(Prefix.PAYMENT, payment_id))
        return readable[0]

    async def corrections(self, merchant_id: str, payment_id: UUID) -> int:
        """See WorkTransaction.corrections."""
        named = {
            "merchant_id": merchant_id,
            "id": payment_id,
            "cause": Cause.RECIPIENT_CORRECTED,
        }
        return int((await self._connection.execute(CORRECTIONS, named)).scalar_one())

    async def mark_sent(self, work: Sequence[Work]) -> Sequence[Work]:
        """See WorkTransaction.mark_sent."""
        marked = await self._connection.execute(_MARK_SENT, {"rows": _sending(work)})
        readable, unreadable = read_each(sources.ATTEMPTS, marked.all())
        self.note(unreadable)
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

    async def rest_while_paused(self, work: Sequence[Work]) -> int:
        """See WorkTransaction.rest_while_paused."""
        resting = await self._connection.execute(_REST, {"rows": _sending(work)})
        return resting.rowcount

    async def write(self, changes: Sequence[Change]) -> Collection[UUID]:
        """See WorkTransaction.write."""
        written = await write_changes(self._connection, changes)
        await self._outbox.add_all(self._connection, notifications(changes, written))
        self._written += [change for change in changes if change.payment.id in written]
        return written


def _sending(work: Sequence[Work]) -> str:
    return rows.as_json(
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
