"""What operators see and do: dead letters of three kinds as one list, the log of actions, and the
transaction in which a verb changes a payment, the inbox or the outbox and is written down."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments import tables
from services.payments.domain.operator import (
    Action,
    DeadLetter,
    Kind,
    LetterKey,
    Operator,
    OperatorAction,
)
from services.payments.domain.overdue import ExpectedTime, OverduePayment
from services.payments.failures import Patience
from services.payments.ports import Encode, LetterFilter
from services.payments.store import wake
from services.payments.store.columns import columns
from services.payments.store.merchant_news import MerchantNews, cannot_tell
from services.payments.store.overdue import list_overdue
from services.payments.store.unreadable import read_each, report_unreadable
from services.payments.store.watch import MATCH
from services.payments.store.work import PostgresWorkTransaction
from services.shared.db import connected
from services.shared.ids import new_id
from services.shared.money import Money
from services.shared.rollback import repeated

_ACTION = columns(tables.operator_actions)
# The outbox does not say when a row was set aside; its last turn is when it was.
_DEAD_LETTERS = text(
    """
    SELECT kind, words, payment_id, reason, attempts, last_error, set_aside_at, event_type, answer
      FROM (
        SELECT 'STEP' AS kind, p.id::text AS words, p.id AS payment_id, p.hold_reason AS reason,
               p.step_failures AS attempts, p.last_error,
               coalesce((SELECT max(e.occurred_at) FROM payment_events e
                 WHERE e.merchant_id = p.merchant_id AND e.payment_id = p.id
                   AND e.cause = 'held_step_failed'), p.updated_at) AS set_aside_at,
               NULL AS event_type, NULL::jsonb AS answer
          FROM payments p WHERE p.merchant_id = :merchant_id AND p.hold_reason = 'step_failed'
        UNION ALL
        SELECT 'INBOX', provider || ' ' || event_id, payment_id, 'event_failed', failures,
               last_error, coalesce(set_aside_at, received_at), event_type, answer
          FROM webhook_inbox WHERE merchant_id = :merchant_id AND state = 'SET_ASIDE'
        UNION ALL
        SELECT 'ORPHAN', provider || ' ' || event_id, payment_id,
               CASE WHEN merchant_id IS NULL THEN 'payment_unknown' ELSE 'attempt_unknown' END,
               failures, last_error, received_at, event_type, answer
          FROM webhook_inbox
         WHERE state = 'UNMATCHED' AND (merchant_id IS NULL OR merchant_id = :merchant_id)
        UNION ALL
        SELECT 'OUTBOX', payment_id || ' ' || sequence || ' ' || endpoint_id, payment_id,
               'delivery_failed', failures, last_error, due_at, NULL, NULL::jsonb
          FROM outbox WHERE merchant_id = :merchant_id AND state = 'SET_ASIDE'
    ) AS letters
     WHERE kind = coalesce(:kind, kind)
       AND (CAST(:at AS timestamptz) IS NULL
            OR (set_aside_at, kind, words) < (CAST(:at AS timestamptz), :at_kind, :at_words))
     ORDER BY set_aside_at DESC, kind DESC, words DESC LIMIT :limit
    """
)
_ACTIONS = text(
    f"""
    SELECT {_ACTION} FROM operator_actions
     WHERE merchant_id = :merchant_id AND (CAST(:before AS uuid) IS NULL OR id < :before)
     ORDER BY id DESC LIMIT :limit
    """
)
_LOG = text(
    f"""
    INSERT INTO operator_actions (merchant_id, id, operator, action, subject, note)
    VALUES (:merchant_id, :id, :operator, :action, :subject, :note)
    RETURNING {_ACTION}
    """
)
_IS_SET_ASIDE = text(
    """
    SELECT 1 FROM payments
     WHERE merchant_id = :merchant_id AND id = :id AND hold_reason = 'step_failed'
    """
)
_REQUEUE_NEWS = text(
    """
    WITH moved AS (
        UPDATE webhook_inbox
           SET state = 'PENDING', failures = 0, last_error = NULL, set_aside_at = NULL
         WHERE merchant_id = :merchant_id AND provider || ' ' || event_id = :words
           AND state = 'SET_ASIDE'
        RETURNING merchant_id, payment_id
    )
    UPDATE payments p SET due_at = now(), nudged = true
      FROM moved m WHERE p.merchant_id = m.merchant_id AND p.id = m.payment_id
    RETURNING p.id
    """
)
_DISCARD_NEWS = text(
    """
    UPDATE webhook_inbox SET state = 'DISCARDED'
     WHERE merchant_id = :merchant_id AND provider || ' ' || event_id = :words
       AND state = 'SET_ASIDE'
    RETURNING event_id
    """
)
_REQUEUE_ORPHAN = text(
    MATCH.format("AND p.merchant_id = :merchant_id AND w.provider || ' ' || w.event_id = :words")
)
_DISCARD_ORPHAN = text(
    """
    UPDATE webhook_inbox SET state = 'DISCARDED'
     WHERE provider || ' ' || event_id = :words AND state = 'UNMATCHED'
       AND (merchant_id IS NULL OR merchant_id = :merchant_id)
    RETURNING event_id
    """
)
_OUTBOX_ROW = """
    merchant_id = :merchant_id AND state = 'SET_ASIDE'
       AND payment_id || ' ' || sequence || ' ' || endpoint_id = :words
    RETURNING sequence
"""
_REQUEUE_NOTICE = text(
    f"""
    UPDATE outbox SET state = 'PENDING', failures = 0, last_error = NULL, due_at = now()
     WHERE {_OUTBOX_ROW}
    """
)
_DISCARD_NOTICE = text(f"UPDATE outbox SET state = 'DISCARDED' WHERE {_OUTBOX_ROW}")
_REQUEUE = {Kind.ORPHAN: _REQUEUE_ORPHAN, Kind.INBOX: _REQUEUE_NEWS, Kind.OUTBOX: _REQUEUE_NOTICE}
_DISCARD = {Kind.ORPHAN: _DISCARD_ORPHAN, Kind.INBOX: _DISCARD_NEWS, Kind.OUTBOX: _DISCARD_NOTICE}


class PostgresOperations:
    """The port Operations on PostgreSQL."""

    def __init__(self, engine: AsyncEngine, encode_event: Encode = cannot_tell) -> None:
        self._engine = engine
        self._merchants = MerchantNews(encode_event)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator["PostgresOperatorTransaction"]:
        """See Operations.begin."""
        async with connected(self._engine) as connection:
            yield PostgresOperatorTransaction(connection, self._merchants, Patience())

    @repeated
    async def dead_letters(
        self, merchant_id: str, wanted: LetterFilter, *, limit: int
    ) -> Sequence[DeadLetter]:
        """See Operations.dead_letters."""
        at, key = wanted.after or (None, None)
        parameters = {
            "merchant_id": merchant_id,
            "kind": wanted.kind,
            "at": at,
            "at_kind": key.kind if key else "",
            "at_words": key.words if key else "",
            "limit": limit,
        }
        async with connected(self._engine) as connection:
            return [
                DeadLetter(
                    key=LetterKey(kind=Kind(row.kind), words=row.words),
                    payment_id=row.payment_id,
                    reason=row.reason,
                    attempts=row.attempts,
                    last_error=row.last_error or "",
                    set_aside_at=row.set_aside_at,
                    event=_event(row),
                )
                for row in await connection.execute(_DEAD_LETTERS, parameters)
            ]

    @repeated
    async def overdue(
        self,
        merchant_id: str,
        expected: Sequence[ExpectedTime],
        *,
        after: tuple[datetime, UUID] | None,
        limit: int,
    ) -> Sequence[OverduePayment]:
        """See Operations.overdue."""
        async with connected(self._engine) as connection:
            return await list_overdue(connection, expected, merchant_id, after=after, limit=limit)

    async def actions(
        self, merchant_id: str, *, before: UUID | None, limit: int
    ) -> Sequence[OperatorAction]:
        """See Operations.actions."""
        parameters = {"merchant_id": merchant_id, "before": before, "limit": limit}
        async with connected(self._engine) as connection:
            return [_read_action(row) for row in await connection.execute(_ACTIONS, parameters)]


class PostgresOperatorTransaction(PostgresWorkTransaction):
    """The port OperatorTransaction on one connection."""

    async def is_set_aside(self, merchant_id: str, payment_id: UUID) -> bool:
        """See OperatorTransaction.is_set_aside."""
        wanted = {"merchant_id": merchant_id, "id": payment_id}
        return (await self._connection.execute(_IS_SET_ASIDE, wanted)).first() is not None

    async def requeue(self, merchant_id: str, key: LetterKey) -> bool:
        """See OperatorTransaction.requeue."""
        wanted = {"merchant_id": merchant_id, "words": key.words}
        return (await self._connection.execute(_REQUEUE[key.kind], wanted)).first() is not None

    async def discard(self, merchant_id: str, key: LetterKey) -> bool:
        """See OperatorTransaction.discard."""
        wanted = {"merchant_id": merchant_id, "words": key.words}
        return (await self._connection.execute(_DISCARD[key.kind], wanted)).first() is not None

    async def log(
        self, merchant_id: str, operator: Operator, action: Action, subject: str
    ) -> OperatorAction:
        """See OperatorTransaction.log."""
        logged = await self._connection.execute(
            _LOG,
            {
                "merchant_id": merchant_id,
                "id": new_id(),
                "operator": operator.name,
                "action": action,
                "subject": subject,
                "note": operator.note,
            },
        )
        return _read_action(logged.one())

    async def commit(self) -> None:
        """See OperatorTransaction.commit."""
        await self._connection.execute(wake.PAYMENTS_DUE)
        await self._connection.execute(wake.MESSAGES_DUE)
        await super().commit()


def _event(row: Row[tuple[object, ...]]) -> str:
    """The event in words. One that cannot be read is listed all the same: it may be set aside for
    just that."""
    if row.answer is None:
        return ""
    readable, unreadable = read_each([row], _words)
    for _, error in unreadable:
        report_unreadable("webhook_inbox", row.payment_id, error)
    return readable[0][1] if readable else f"{row.event_type}: cannot be read"


def _words(row: Row[tuple[object, ...]]) -> str:
    currency = row.answer["currency"]
    amount = f" {Money(row.answer['amount_minor'], currency)} {currency}" if currency else ""
    return f"{row.event_type}: {row.answer['outcome']}{amount}"


def _read_action(row: Row[tuple[object, ...]]) -> OperatorAction:
    return OperatorAction(
        id=row.id,
        operator=Operator(name=row.operator, note=row.note),
        action=row.action,
        subject=row.subject,
        acted_at=row.acted_at,
    )
