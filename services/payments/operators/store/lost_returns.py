"""The successes that may have come back in the lost time of a restored database, on PostgreSQL. The
webhook that said so was acknowledged, so that no provider sends it again. Those that list their
events are read again from where the database is; of all others each success gets an event that
doubts it, as anybody could send one: it proves nothing, and has the engine ask the provider."""

from typing import Any

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.payments.base.attempt_rows import answer_row
from services.payments.model.answer import Answer, Outcome
from services.payments.model.timing import (
    DOUBT_EVERY_SECONDS,
    LOST_RETURNS,
    LOST_RETURNS_CREATED,
)
from services.shared.ids import first_id

DOUBT = "doubted_after_restore"
# Of so many payments at a time, so that each statement ends in time.
CHUNK = 5000
_COMPARED = text("SELECT compared_at FROM database_mark")
# A payment is due when its event counts as received: one after the other, so that new payments and
# the provider go on meanwhile. Locked in order, as wherever many payments are written.
_DOUBT = text(
    """
    WITH part AS MATERIALIZED (
        SELECT merchant_id, id FROM payments WHERE id > :after ORDER BY id LIMIT :chunk
    ), doubted AS MATERIALIZED (
        SELECT a.merchant_id, a.payment_id, a.step, a.provider, a.key, a.provider_reference,
               now() + (:before + dense_rank() OVER (ORDER BY a.payment_id) - 1)
                       * make_interval(secs => :every) AS due_at
          FROM part s
          JOIN attempts a ON a.merchant_id = s.merchant_id AND a.payment_id = s.id
         WHERE a.state = 'SUCCEEDED' AND a.moved_minor IS DISTINCT FROM 0
           AND a.updated_at >= :since
           AND NOT EXISTS (SELECT FROM event_lists l WHERE l.provider = a.provider)
           AND NOT EXISTS (
               SELECT FROM webhook_inbox w
                WHERE w.merchant_id = a.merchant_id AND w.payment_id = a.payment_id
                  AND w.state = 'PENDING' AND w.event_type = :doubt AND w.answer->>'key' = a.key)
    ), kept AS (
        INSERT INTO webhook_inbox (provider, event_id, merchant_id, payment_id, event_type, step,
               answer, body, state, received_at)
        SELECT d.provider, e.event_id, d.merchant_id, d.payment_id, :doubt, d.step,
               CAST(:answer AS jsonb) || jsonb_build_object(
                   'event_id', e.event_id, 'key', d.key,
                   'provider_reference', d.provider_reference),
               convert_to('{}', 'UTF8'), 'PENDING', d.due_at
          FROM doubted d
         CROSS JOIN LATERAL (
               SELECT concat_ws(':', :doubt, extract(epoch FROM now()), d.key) AS event_id) AS e
         ORDER BY d.provider, e.event_id
    ), woken AS (
        SELECT p.merchant_id, p.id, d.due_at FROM payments p
          JOIN (SELECT DISTINCT merchant_id, payment_id, due_at FROM doubted) AS d
            ON d.merchant_id = p.merchant_id AND d.payment_id = p.id
         ORDER BY p.merchant_id, p.id FOR NO KEY UPDATE OF p
    ), due AS (
        UPDATE payments p SET due_at = least(p.due_at, w.due_at), nudged = true FROM woken w
         WHERE p.merchant_id = w.merchant_id AND p.id = w.id
    )
    SELECT (SELECT id FROM part ORDER BY id DESC LIMIT 1) AS last,
           (SELECT count(*) FROM woken) AS payments
    """
)


async def doubt_successes(connection: AsyncConnection) -> int:
    """Each success that is new enough to have come back in the lost time is asked about once; gives
    how many payments are. Done again it adds nothing to what still waits."""
    compared_at = (await connection.execute(_COMPARED)).scalar_one()
    doubt = Answer(outcome=Outcome.FAILED)
    asked: dict[str, Any] = {
        "after": first_id(compared_at, -LOST_RETURNS_CREATED),
        "since": compared_at - LOST_RETURNS,
        "every": DOUBT_EVERY_SECONDS,
        "answer": orjson.dumps(answer_row(doubt)).decode(),
        "doubt": DOUBT,
        "chunk": CHUNK,
    }
    payments = 0
    while asked["after"] is not None:
        row = (await connection.execute(_DOUBT, {**asked, "before": payments})).one()
        payments += row.payments
        asked["after"] = row.last
    return payments
