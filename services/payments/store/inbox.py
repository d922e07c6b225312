"""The inbox: a verified webhook is kept before it is answered, once by the sender's own event id,
and its payment is made due in the same transaction."""

from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments import tables
from services.payments.ports import ProviderEvent, Receipt
from services.payments.store import rows, wake
from services.shared.db import connected

_INSERT = text(
    """
    INSERT INTO webhook_inbox
           (provider, event_id, merchant_id, payment_id, event_type, step, answer, body, state)
    SELECT :provider, :event_id, p.merchant_id, p.id, :event_type, :step,
           CAST(:answer AS jsonb), :body,
           CASE WHEN p.id IS NULL THEN 'UNMATCHED' ELSE 'PENDING' END
      FROM (VALUES (1)) AS one
      LEFT JOIN payments p ON p.id = CAST(:payment_id AS uuid)
    ON CONFLICT DO NOTHING
    RETURNING merchant_id, payment_id
    """
)
# A worker that holds the payment now sees `nudged` when it lets go, and looks again at once.
_NUDGE = text(
    """
    UPDATE payments SET due_at = now(), nudged = true
     WHERE merchant_id = :merchant_id AND id = :payment_id
    """
)


class PostgresInbox:
    """The port Inbox on PostgreSQL."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def receive(self, event: ProviderEvent, payment_id: UUID | None, body: bytes) -> Receipt:
        """See Inbox.receive."""
        async with connected(self._engine) as connection:
            inserted = await connection.execute(
                _INSERT,
                {
                    "provider": event.provider,
                    "event_id": event.event_id,
                    "event_type": event.event_type,
                    "step": event.step,
                    "answer": rows.answer_json(event.answer),
                    "body": body,
                    "payment_id": payment_id,
                },
            )
            row = inserted.one_or_none()
            if row is None:
                return Receipt.DUPLICATE
            if row.payment_id is None:
                await connection.commit()
                return Receipt.IGNORED
            await connection.execute(
                _NUDGE, {"merchant_id": row.merchant_id, "payment_id": row.payment_id}
            )
            await connection.execute(wake.CALL)
            await connection.commit()
        return Receipt.ACCEPTED

    async def knows(self, payment_id: UUID) -> bool:
        """See Inbox.knows."""
        query = select(tables.payments.c.id).where(tables.payments.c.id == payment_id)
        async with connected(self._engine) as connection:
            return (await connection.execute(query)).first() is not None
