"""The inbox: verified webhooks are kept before they are answered, all that came together in one
commit, each once by the sender's own event id, and with them their payments are made due."""

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.base import attempt_rows, dispute_rows, rows, wake
from services.payments.mesh.ports import ProviderEvent
from services.payments.model.answer import SUCCEEDED_LATE
from services.payments.model.payment import PaymentNotFound
from services.payments.webhooks_in.ports import Arrival, Receipt
from services.shared.db import connected
from services.shared.rollback import repeated

# Whether a row is PENDING, for statements that find it by its key: with "state = 'PENDING'" the
# planner would look through the index of all that is pending.
STILL_PENDING = "w.state NOT IN ('APPLIED', 'IGNORED', 'UNMATCHED', 'SET_ASIDE', 'DISCARDED')"
# Inserted in order, so that two batches with the same events wait and do not deadlock. An event
# that repeats our record is kept as IGNORED, unless an event that states the contrary is still
# pending. Where a provider names its events by their content, a success after a return, or a return
# after a failure and a success, has a known name: it is kept once more for each version of the
# payment.
_RECEIVE = text(
    """
    WITH arrived AS MATERIALIZED (
        SELECT r.position, r.provider, r.event_id, r.event_type, r.step, r.answer, r.body,
               r.keep_unmatched, p.merchant_id, p.id, coalesce(r.payment_id, p.id) AS payment_id,
               p.version,
               r.answer->>'outcome' = 'SUCCEEDED' AND coalesce(a.state = 'SUCCEEDED', false)
               AND a.moved_minor IS DISTINCT FROM 0
               AND coalesce(
                   CAST(r.answer->>'amount_minor' AS bigint)
                     = coalesce(a.moved_minor, a.amount_minor)
                   AND r.answer->>'currency' = coalesce(a.moved_currency, a.currency), true)
               AS repeats,
               CASE r.answer->>'outcome' WHEN 'SUCCEEDED' THEN CASE a.state
                    WHEN 'SUCCEEDED' THEN
                         coalesce(a.moved_minor = 0, false) OR coalesce(other.is_pending, false)
                    WHEN 'FAILED' THEN a.failure_code IS DISTINCT FROM :succeeded_late
                    WHEN 'REVERSED' THEN a.failure_code IS DISTINCT FROM :succeeded_late
                    ELSE false END
               WHEN 'FAILED' THEN CASE a.state
                    WHEN 'SUCCEEDED' THEN a.moved_minor IS DISTINCT FROM 0
                    WHEN 'FAILED' THEN
                         coalesce(a.failure_code = :succeeded_late AND a.moved_minor > 0, false)
                         OR coalesce(other.is_pending, false)
                    WHEN 'REVERSED' THEN
                         coalesce(a.failure_code = :succeeded_late AND a.moved_minor > 0, false)
                         OR coalesce(other.is_pending, false)
                    ELSE false END
               ELSE false END
               AS contradicts
          FROM json_to_recordset(CAST(:rows AS json))
            AS r(position integer, provider text, event_id text, payment_id uuid,
                 collection_reference text, event_type text, step text, answer jsonb, body text,
                 keep_unmatched boolean)
          LEFT JOIN payments p ON p.id = coalesce(r.payment_id, (
               SELECT c.id FROM payments c
                WHERE c.collection_reference = nullif(r.collection_reference, '')
                  AND c.collection_reference <> '' AND c.onramp = r.provider LIMIT 1))
          LEFT JOIN attempts a
            ON a.merchant_id = p.merchant_id AND a.payment_id = p.id AND a.step = r.step
           AND a.provider = r.provider AND a.key = r.answer->>'key'
          -- It says again what is on record, and the opposite is about to be applied.
          LEFT JOIN LATERAL (
               SELECT true AS is_pending FROM webhook_inbox w
                WHERE a.state IN ('SUCCEEDED', 'FAILED', 'REVERSED')
                  AND (a.state = 'SUCCEEDED') = (r.answer->>'outcome' = 'SUCCEEDED')
                  AND w.merchant_id = p.merchant_id AND w.payment_id = p.id
                  AND w.state = 'PENDING' AND w.answer->>'key' = a.key
                  AND w.answer->>'outcome' = CASE r.answer->>'outcome'
                      WHEN 'SUCCEEDED' THEN 'FAILED' WHEN 'FAILED' THEN 'SUCCEEDED' END
                LIMIT 1) AS other ON true
    ), named AS MATERIALIZED (
        SELECT position, provider, event_type, step, answer, body, keep_unmatched, merchant_id, id,
               payment_id, repeats, contradicts,
               CASE WHEN contradicts AND (
                        SELECT w.state IN ('APPLIED', 'IGNORED') FROM webhook_inbox w
                         WHERE w.provider = arrived.provider AND w.event_id = arrived.event_id)
                    THEN event_id || '#' || version ELSE event_id END AS kept_as
          FROM arrived
    ), kept AS (
        INSERT INTO webhook_inbox
               (provider, event_id, merchant_id, payment_id, event_type, step, answer, body, state)
        SELECT provider, kept_as, merchant_id, payment_id, event_type, step, answer,
               decode(body, 'hex'),
               CASE WHEN id IS NULL THEN 'UNMATCHED' WHEN repeats AND NOT contradicts THEN 'IGNORED'
                    ELSE 'PENDING' END
          FROM named WHERE id IS NOT NULL OR keep_unmatched
         ORDER BY provider, kept_as
        ON CONFLICT DO NOTHING
        RETURNING provider, event_id, state
    )
    SELECT named.position, named.merchant_id, named.id, kept.state
      FROM named LEFT JOIN kept
        ON kept.provider = named.provider AND kept.event_id = named.kept_as
    """
)
# A worker that holds a payment sees `nudged` when it releases it, and looks again at once. Every
# statement that writes many payments locks them in this order, so that none deadlocks.
_WAKE = text(
    """
    WITH woken AS (
        SELECT p.merchant_id, p.id FROM payments p
          JOIN json_to_recordset(CAST(:rows AS json)) AS r(merchant_id text, id uuid)
         USING (merchant_id, id)
         ORDER BY merchant_id, id FOR NO KEY UPDATE OF p
    )
    UPDATE payments p SET due_at = now(), nudged = true FROM woken w
     WHERE p.merchant_id = w.merchant_id AND p.id = w.id
    """
)


_LATE = {"succeeded_late": SUCCEEDED_LATE}


class PostgresInbox:
    """The port Inbox on PostgreSQL."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @repeated
    async def receive(self, arrivals: Sequence[Arrival]) -> Sequence[Receipt | PaymentNotFound]:
        """See Inbox.receive."""
        receipts: dict[int, Receipt | PaymentNotFound] = {}
        pending: set[tuple[str, UUID]] = set()
        async with connected(self._engine) as connection:
            for turn in _turns(arrivals):
                arrived = rows.as_json(_row(position, item) for position, item in turn)
                for row in await connection.execute(_RECEIVE, {"rows": arrived, **_LATE}):
                    receipts[row.position] = _receipt(row, arrivals[row.position])
                    if row.state == "PENDING":
                        pending.add((row.merchant_id, row.id))
            if pending:
                woken = rows.as_json({"merchant_id": name, "id": id_} for name, id_ in pending)
                await connection.execute(_WAKE, {"rows": woken})
                await connection.execute(wake.PAYMENTS_DUE)
            await connection.commit()
        return [receipts[position] for position in range(len(arrivals))]


def _turns(arrivals: Sequence[Arrival]) -> Iterator[Sequence[tuple[int, Arrival]]]:
    """The first of each event, and then what has come again, so that it finds the first."""
    left = list(enumerate(arrivals))
    while left:
        first: dict[tuple[str, str], tuple[int, Arrival]] = {}
        for position, item in left:
            first.setdefault((item.event.provider, item.event.event_id), (position, item))
        turn = list(first.values())
        yield turn
        taken = {position for position, _ in turn}
        left = [pair for pair in left if pair[0] not in taken]


def _row(position: int, arrival: Arrival) -> dict[str, Any]:
    event = arrival.event
    return {
        "position": position,
        "provider": event.provider,
        "event_id": event.event_id,
        "payment_id": arrival.payment_id,
        "collection_reference": event.collection_reference,
        "event_type": event.event_type,
        "step": event.step,
        "answer": attempt_rows.answer_row(event.answer) | _report(event),
        "body": arrival.body.hex(),
        "keep_unmatched": arrival.keep_unmatched,
    }


def _report(event: ProviderEvent) -> dict[str, Any]:
    """Kept with the answer, where the event names a collection in place of a payment."""
    if not event.collection_reference:
        return {}
    kept: dict[str, Any] = {"collection_reference": event.collection_reference}
    if event.dispute is not None:
        kept[dispute_rows.DISPUTE] = dispute_rows.report_row(event.dispute)
    return kept


def _receipt(row: Row[Any], arrival: Arrival) -> Receipt | PaymentNotFound:
    if row.id is None and not arrival.keep_unmatched:
        return PaymentNotFound(transaction_id=arrival.event.transaction_id)
    if row.state is None:
        return Receipt.DUPLICATE
    return Receipt.ORPHANED if row.id is None else Receipt.ACCEPTED


# The id of the payment that an orphan is about, by the name of its row: as it names it, or as its
# provider names the collection.
PAYMENT_OF = """coalesce({0}.payment_id, (
               SELECT c.id FROM payments c
                WHERE c.collection_reference = {0}.answer->>'collection_reference'
                  AND c.collection_reference <> '' AND c.onramp = {0}.provider LIMIT 1))"""
# Locked in order, as wherever many payments are written.
MATCH = f"""
    WITH found AS (
        SELECT p.merchant_id, p.id, w.provider, w.event_id FROM webhook_inbox w
          JOIN payments p ON p.id = {PAYMENT_OF.format("w")}
         WHERE w.state = 'UNMATCHED' AND w.merchant_id IS NULL {{}}
         ORDER BY p.merchant_id, p.id FOR NO KEY UPDATE OF p
    ), matched AS (
        UPDATE webhook_inbox w
           SET state = 'PENDING', merchant_id = f.merchant_id, payment_id = f.id
          FROM found f WHERE w.provider = f.provider AND w.event_id = f.event_id
        RETURNING w.merchant_id, w.payment_id
    )
    UPDATE payments p SET due_at = now(), nudged = true FROM matched m
     WHERE p.merchant_id = m.merchant_id AND p.id = m.payment_id
    RETURNING p.id
"""
