"""All that a transaction has done to a payment, read from the rows that it has written."""

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.payments.base import tables
from services.payments.base.rows import read_event
from services.payments.model.ledger import Posting
from services.payments.model.payment import Payment
from services.payments.operators.verbs.ports import Effect, MerchantEvent
from services.shared.money import Money

_DUE = text("SELECT due_at FROM payments WHERE merchant_id = :merchant_id AND id = :payment_id")
_POSTINGS = text(
    """
    SELECT debit, credit, currency, amount_minor, cause FROM postings
     WHERE merchant_id = :merchant_id AND payment_id = :payment_id AND sequence > :version
     ORDER BY sequence, position
    """
)
_MERCHANT_EVENTS = text(
    """
    SELECT o.event_type, o.endpoint_id, e.url FROM outbox o
      JOIN webhook_endpoints e ON e.merchant_id = o.merchant_id AND e.id = o.endpoint_id
     WHERE o.merchant_id = :merchant_id AND o.payment_id = :payment_id AND o.sequence > :version
     ORDER BY o.sequence, o.position, o.endpoint_id
    """
)


async def read_effect(connection: AsyncConnection, before: Payment, after: Payment) -> Effect:
    """The rows that were written about a payment since it stood like that."""
    named = {
        "merchant_id": before.merchant_id,
        "payment_id": before.id,
        "version": before.version,
    }
    events = tables.payment_events
    written = (
        select(events)
        .where(
            events.c.merchant_id == before.merchant_id,
            events.c.payment_id == before.id,
            events.c.sequence > before.version,
        )
        .order_by(events.c.sequence)
    )
    return Effect(
        payment=after,
        due_at=(await connection.execute(_DUE, named)).scalar_one(),
        events=[read_event(row).event for row in await connection.execute(written)],
        postings=[
            Posting(
                debit=row.debit,
                credit=row.credit,
                amount=Money(row.amount_minor, row.currency),
                cause=row.cause,
            )
            for row in await connection.execute(_POSTINGS, named)
        ],
        merchant_events=[
            MerchantEvent(event_type=row.event_type, endpoint_id=row.endpoint_id, url=row.url)
            for row in await connection.execute(_MERCHANT_EVENTS, named)
        ],
    )
