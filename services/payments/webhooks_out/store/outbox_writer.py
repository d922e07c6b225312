"""Adds the events for merchants' endpoints, in the transaction of the change: one row of the outbox
for each endpoint and each change of a payment's public status or price. Delivery is in outbox."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.payments.base import rows, wake
from services.payments.base.view import Encode
from services.payments.model.payment import Payment
from services.shared.db import HotStatement

# Most merchants have none, and then this is all that it costs.
_LISTENING = text(
    """
    SELECT merchant_id, id FROM webhook_endpoints
     WHERE merchant_id = ANY(CAST(:merchants AS text[])) AND disabled_at IS NULL
    """
)
# With the wake-up in it, because each statement would be a round trip.
_INSERT = HotStatement(
    text(
        f"""
        WITH added AS (
            INSERT INTO outbox (merchant_id, payment_id, sequence, endpoint_id, event_type, body)
            SELECT merchant_id, payment_id, sequence, endpoint_id, event_type, decode(body, 'hex')
              FROM json_to_recordset(CAST(:rows AS json))
                AS r(merchant_id text, payment_id uuid, sequence integer, endpoint_id uuid,
                     event_type text, body text)
        )
        {wake.MESSAGES_DUE}
        """
    )
)


class OutboxWriter:
    """Adds to the outbox, in the transaction of the change."""

    def __init__(self, encode_event: Encode) -> None:
        self._encode_event = encode_event

    async def add_all(self, connection: AsyncConnection, payments: Sequence[Payment]) -> None:
        """Adds an event about each payment for every endpoint of its merchant."""
        if payments:
            await self.add(connection, payments, await _listening(connection, payments))

    async def add(
        self,
        connection: AsyncConnection,
        payments: Iterable[Payment],
        endpoints: Mapping[str, Sequence[UUID | str]],
    ) -> None:
        """Adds an event about each payment for these endpoints, by merchant."""
        added = [
            {
                "merchant_id": payment.merchant_id,
                "payment_id": payment.id,
                "sequence": payment.version,
                "endpoint_id": endpoint_id,
                "event_type": payment.event_type,
                "body": body,
            }
            for payment in payments
            if payment.merchant_id in endpoints
            for body in (self._encode_event(payment).hex(),)
            for endpoint_id in endpoints[payment.merchant_id]
        ]
        if added:
            await _INSERT.fetch(connection, {"rows": rows.as_json(added)})


def without_encoder(payment: Payment) -> bytes:
    """Stands for encode_event where no merchant is expected to listen; refuses where one does."""
    raise RuntimeError(f"{payment.transaction_id} is listened to: give the store encode_event")


async def _listening(
    connection: AsyncConnection, payments: Sequence[Payment]
) -> dict[str, list[UUID]]:
    merchants = sorted({payment.merchant_id for payment in payments})
    endpoints: dict[str, list[UUID]] = defaultdict(list)
    for row in await connection.execute(_LISTENING, {"merchants": merchants}):
        endpoints[row.merchant_id].append(row.id)
    return endpoints
