"""Dead letters as one list of several kinds, and what requeues or discards each but a step, which
is an operator's verb on its payment."""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.payments.base.attempt_rows import read_answer
from services.payments.base.errors import describe
from services.payments.base.sources import INBOX
from services.payments.base.statements import text_with
from services.payments.base.times import shown
from services.payments.base.unreadable_rows import UnreadableRows
from services.payments.model.causes import HELD
from services.payments.model.holds import HoldReason
from services.payments.operators.domain import (
    DeadLetter,
    DeadLetterUnmatched,
    EventFacts,
    Kind,
    LetterFilter,
    LetterKey,
    LetterReason,
    Record,
)
from services.payments.webhooks_in.store.inbox import MATCH, PAYMENT_OF

_HELD_AT = shown(
    """coalesce((SELECT max(e.occurred_at) FROM payment_events e
                 WHERE e.merchant_id = p.merchant_id AND e.payment_id = p.id
                   AND e.cause = :held_step_failed), p.updated_at)"""
)
_EVENT = "w.provider || ' ' || w.event_id, w.merchant_id, w.payment_id"
_SAID = """w.event_type, w.answer::text, encode(sha256(w.body), 'hex'),
               u.table_name, u.row_key, u.column_name
          FROM webhook_inbox w
          LEFT JOIN unreadable_rows u
            ON u.table_name = 'webhook_inbox' AND u.state = 'OPEN'
           AND u.row_key::json->>0 = w.provider AND u.row_key::json->>1 = w.event_id"""
# Of one merchant, where one is asked for.
_OF = "(CAST(:merchant_id AS text) IS NULL OR {} = :merchant_id)"
# Several events come with one change, each with its place behind the point.
_NOTICE = """payment_id || ' ' || sequence || CASE position WHEN 0 THEN '' ELSE '.' || position END
               || ' ' || endpoint_id"""
# Whether the payment of an orphan is here. One whose payment is known lacks the attempt, for good.
_IS_HERE = f"""(reason = '{LetterReason.PAYMENT_UNKNOWN}' AND EXISTS (
               SELECT FROM webhook_inbox w JOIN payments p ON p.id = {PAYMENT_OF.format("w")}
                WHERE w.provider = split_part(words, ' ', 1)
                  AND w.event_id = substr(words, strpos(words, ' ') + 1)))"""
# The outbox does not say when a row was set aside; its last turn is when it was. A row that cannot
# be read is listed by its own kind where it is set aside there, and named with it.
_LIST = text_with(
    f"""
    SELECT kind, words, merchant_id, payment_id, reason, attempts, last_error, set_aside_at,
           event_type, answer, payload_sha256, table_name, row_key, column_name,
           kind = 'ORPHAN' AND NOT {_IS_HERE} AS is_unmatched
      FROM (
        SELECT 'STEP' AS kind, p.id::text AS words, p.merchant_id, p.id AS payment_id,
               p.hold_reason AS reason,
               p.step_failures AS attempts, p.last_error,
               {_HELD_AT} AS set_aside_at,
               NULL AS event_type, NULL AS answer, NULL AS payload_sha256,
               u.table_name, u.row_key, u.column_name
          FROM payments p
          LEFT JOIN unreadable_rows u
            ON u.table_name = 'payments' AND u.merchant_id = p.merchant_id
           AND u.payment_id = p.id AND u.state = 'OPEN'
         WHERE p.hold_reason = :step_failed AND {_OF.format("p.merchant_id")}
        UNION ALL
        SELECT 'INBOX', {_EVENT},
               '{LetterReason.EVENT_FAILED}', w.failures, w.last_error,
               {shown("coalesce(w.set_aside_at, w.received_at)")}, {_SAID}
         WHERE w.state = 'SET_ASIDE' AND {_OF.format("w.merchant_id")}
        UNION ALL
        SELECT 'ORPHAN', {_EVENT},
               CASE WHEN w.merchant_id IS NULL THEN '{LetterReason.PAYMENT_UNKNOWN}'
               ELSE '{LetterReason.ATTEMPT_UNKNOWN}' END,
               w.failures, w.last_error, {shown("w.received_at")}, {_SAID}
         WHERE w.state = 'UNMATCHED' AND {_OF.format("w.merchant_id")}
        UNION ALL
        SELECT 'OUTBOX', {_NOTICE}, merchant_id, payment_id,
               '{LetterReason.DELIVERY_FAILED}', failures, last_error, {shown("due_at")},
               NULL, NULL, NULL, NULL, NULL, NULL
          FROM outbox WHERE state = 'SET_ASIDE' AND {_OF.format("merchant_id")}
        UNION ALL
        SELECT 'UNREADABLE', u.table_name || ' ' || u.row_key, u.merchant_id, u.payment_id,
               '{LetterReason.ROW_UNREADABLE}',
               0, u.error, {shown("u.found_at")}, NULL, NULL, NULL,
               u.table_name, u.row_key, u.column_name
          FROM unreadable_rows u
         WHERE u.state = 'OPEN' AND {_OF.format("u.merchant_id")}
           -- One look at a key for each entry, of which there are few.
           AND (u.table_name <> 'payments' OR (
               SELECT p.hold_reason FROM payments p
                WHERE p.merchant_id = u.merchant_id AND p.id = u.payment_id)
               IS DISTINCT FROM :step_failed)
           AND (u.table_name <> 'webhook_inbox' OR (
               SELECT w.state NOT IN ('SET_ASIDE', 'UNMATCHED') FROM webhook_inbox w
                WHERE w.provider = u.row_key::json->>0 AND w.event_id = u.row_key::json->>1)
               IS NOT FALSE)
    ) AS letters
     WHERE kind = coalesce(:kind, kind) AND reason = coalesce(:reason, reason)
       AND (CAST(:endpoint_id AS text) IS NULL
            OR kind = 'OUTBOX' AND split_part(words, ' ', 3) = :endpoint_id)
       AND (CAST(:at AS timestamptz) IS NULL
            OR (set_aside_at, kind, words) < (CAST(:at AS timestamptz), :at_kind, :at_words))
     ORDER BY set_aside_at DESC, kind DESC, words DESC LIMIT :limit
    """,
    step_failed=HoldReason.STEP_FAILED,
    held_step_failed=HELD[HoldReason.STEP_FAILED],
)
_REQUEUE_EVENT = text(
    """
    WITH moved AS (
        UPDATE webhook_inbox
           SET state = 'PENDING', failures = 0, last_error = NULL, set_aside_at = NULL
         WHERE provider = :provider AND event_id = :event_id AND state = 'SET_ASIDE'
        RETURNING merchant_id, payment_id
    )
    UPDATE payments p SET due_at = now(), nudged = true
      FROM moved m WHERE p.merchant_id = m.merchant_id AND p.id = m.payment_id
    RETURNING p.id
    """
)
_DISCARD_EVENT = text(
    """
    UPDATE webhook_inbox SET state = 'DISCARDED'
     WHERE provider = :provider AND event_id = :event_id AND state = 'SET_ASIDE'
    RETURNING event_id
    """
)
_REQUEUE_ORPHAN = text(MATCH.format("AND w.provider = :provider AND w.event_id = :event_id"))
_DISCARD_ORPHAN = text(
    """
    UPDATE webhook_inbox SET state = 'DISCARDED'
     WHERE provider = :provider AND event_id = :event_id AND state = 'UNMATCHED'
    RETURNING event_id
    """
)
_UNMATCHED = text(
    """
    SELECT event_id FROM webhook_inbox
     WHERE provider = :provider AND event_id = :event_id AND state = 'UNMATCHED'
    """
)
_OUTBOX_ROW = f"""
    state = 'SET_ASIDE' AND {_NOTICE} = :words
    RETURNING sequence
"""
_REQUEUE_NOTICE = text(
    f"""
    UPDATE outbox
       SET state = 'PENDING', failures = 0, last_error = NULL, due_at = now(),
           lease_token = lease_token + 1
     WHERE {_OUTBOX_ROW}
    """
)
_DISCARD_NOTICE = text(f"UPDATE outbox SET state = 'DISCARDED' WHERE {_OUTBOX_ROW}")
# An entry of an unreadable row, locked until the row has been read again.
_ENTRY = text(
    """
    SELECT table_name, row_key FROM unreadable_rows
     WHERE table_name = :table_name AND row_key = :row_key AND state = 'OPEN'
       FOR UPDATE
    """
)
_CLOSE = text(
    """
    UPDATE unreadable_rows SET state = :state
     WHERE table_name = :table_name AND row_key = :row_key AND state = 'OPEN'
    """
)
_REQUEUE = {Kind.ORPHAN: _REQUEUE_ORPHAN, Kind.INBOX: _REQUEUE_EVENT, Kind.OUTBOX: _REQUEUE_NOTICE}
_DISCARD = {Kind.ORPHAN: _DISCARD_ORPHAN, Kind.INBOX: _DISCARD_EVENT, Kind.OUTBOX: _DISCARD_NOTICE}


async def list_letters(
    connection: AsyncConnection,
    unreadable: UnreadableRows,
    wanted: LetterFilter,
    limit: int,
) -> Sequence[DeadLetter]:
    """Up to limit dead letters, the last set aside first."""
    at, key = wanted.after or (None, None)
    parameters = {
        "merchant_id": wanted.merchant_id,
        "kind": wanted.kind,
        "reason": wanted.reason,
        "endpoint_id": str(wanted.endpoint_id) if wanted.endpoint_id else None,
        "at": at,
        "at_kind": key.kind if key else "",
        "at_words": key.words if key else "",
        "limit": limit,
    }
    return [_read(unreadable, row) for row in await connection.execute(_LIST, parameters)]


async def requeue(connection: AsyncConnection, unreadable: UnreadableRows, key: LetterKey) -> bool:
    """Has it tried again; False where none is set aside.

    Raises PaymentUnreadable where a row that could not be read still cannot, DeadLetterUnmatched
    where the payment or the attempt of an orphan is not here.
    """
    if key.kind is not Kind.UNREADABLE:
        if not await _moved(connection, _REQUEUE[key.kind], key):
            if key.kind is Kind.ORPHAN and await _moved(connection, _UNMATCHED, key):
                raise DeadLetterUnmatched(dead_letter_id=key.dead_letter_id)
            return False
        # The next reader of the event notes it again.
        await _close(connection, key, "ENDED")
        return True
    if not await _is_entry(connection, key):
        return False
    table, _, row_key = key.words.partition(" ")
    if row := await unreadable.reread(connection, table, row_key):
        raise row.as_refusal()
    await _close(connection, key, "ENDED")
    return True


async def discard(connection: AsyncConnection, key: LetterKey) -> bool:
    """Gives it up; False where none is set aside."""
    found = (
        await _is_entry(connection, key)
        if key.kind is Kind.UNREADABLE
        else await _moved(connection, _DISCARD[key.kind], key)
    )
    if found:
        await _close(connection, key, "DISCARDED")
    return found


async def _moved(connection: AsyncConnection, statement: TextClause, key: LetterKey) -> bool:
    provider, _, event_id = key.words.partition(" ")
    wanted = {"words": key.words, "provider": provider, "event_id": event_id}
    return (await connection.execute(statement, wanted)).first() is not None


async def _is_entry(connection: AsyncConnection, key: LetterKey) -> bool:
    return (await connection.execute(_ENTRY, _entry(key))).first() is not None


async def _close(connection: AsyncConnection, key: LetterKey, state: str) -> None:
    """Ends the entry that says of the letter's row that it cannot be read, where there is one."""
    if key.kind is not Kind.OUTBOX:
        await connection.execute(_CLOSE, {"state": state, **_entry(key)})


def _entry(key: LetterKey) -> dict[str, str]:
    first, _, rest = key.words.partition(" ")
    if key.kind is Kind.UNREADABLE:
        return {"table_name": first, "row_key": rest}
    return {"table_name": "webhook_inbox", "row_key": json.dumps([first, rest])}


def _read(unreadable: UnreadableRows, row: Row[Any]) -> DeadLetter:
    record = None
    if row.table_name:
        record = Record(table=row.table_name, key=row.row_key, column=row.column_name)
    event, facts = _event(unreadable, row)
    return DeadLetter(
        key=LetterKey(kind=Kind(row.kind), words=row.words),
        merchant_id=row.merchant_id or "",
        payment_id=row.payment_id,
        reason=row.reason,
        attempts=row.attempts,
        last_error=row.last_error or "",
        set_aside_at=row.set_aside_at,
        event=event,
        facts=facts,
        record=record,
        is_unmatched=row.is_unmatched,
    )


def _event(unreadable: UnreadableRows, row: Row[Any]) -> tuple[str, EventFacts | None]:
    """The event in words, and its facts. One that cannot be read is listed all the same: it may be
    set aside for just that."""
    if row.answer is None:
        return "", None
    provider, _, event_id = row.words.partition(" ")
    try:
        answer = read_answer(json.loads(row.answer))
    except Exception as error:  # noqa: BLE001 - the others can still be read
        key = {"provider": provider, "event_id": event_id, "payment_id": row.payment_id}
        unreadable.note([INBOX.of_key(key, describe(error), "answer")])
        return f"{row.event_type}: cannot be read", None
    amount = f" {answer.amount} {answer.amount.currency}" if answer.amount else ""
    facts = EventFacts(
        provider=provider,
        event_id=event_id,
        key=answer.key,
        provider_reference=answer.provider_reference,
        amount=answer.amount,
        payload_sha256=row.payload_sha256,
    )
    return f"{row.event_type}: {answer.outcome}{amount}", facts
