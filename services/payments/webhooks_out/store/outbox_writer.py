"""Adds the events for merchants' endpoints, in the transaction of the change: one row of the outbox
for each endpoint and each change of a payment's public status or price, or of a refund. Delivery is
in outbox."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.payments.base import rows, wake
from services.payments.webhooks_out.notification import EncodeEvent, Notification
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
            INSERT INTO outbox (merchant_id, payment_id, sequence, position, endpoint_id,
                                event_type, body)
            SELECT merchant_id, payment_id, sequence, position, endpoint_id, event_type,
                   decode(body, 'hex')
              FROM json_to_recordset(CAST(:rows AS json))
                AS r(merchant_id text, payment_id uuid, sequence integer, position smallint,
                     endpoint_id uuid, event_type text, body text)
        )
        {wake.MESSAGES_DUE}
        """
    )
)


class OutboxWriter:
    """Adds to the outbox, in the transaction of the change."""

    def __init__(self, encode_event: EncodeEvent) -> None:
        self._encode_event = encode_event

    async def add_all(self, connection: AsyncConnection, events: Sequence[Notification]) -> None:
        """Adds each event for every endpoint of its payment's merchant."""
        if events:
            await self.add(connection, events, await _listening(connection, events))

    async def add(
        self,
        connection: AsyncConnection,
        events: Iterable[Notification],
        endpoints: Mapping[str, Sequence[UUID | str]],
    ) -> None:
        """Adds each event for these endpoints, by merchant."""
        added = [
            {
                "merchant_id": event.payment.merchant_id,
                "payment_id": event.payment.id,
                "sequence": event.payment.version,
                "position": event.position,
                "endpoint_id": endpoint_id,
                "event_type": event.event_type,
                "body": body,
            }
            for event in events
            if event.payment.merchant_id in endpoints
            for body in (self._encode_event(event).hex(),)
            for endpoint_id in endpoints[event.payment.merchant_id]
        ]
        if added:
            await _INSERT.fetch(connection, {"rows": rows.as_json(added)})


def without_encoder(event: Notification) -> bytes:
    """Stands for encode_event where no merchant is expected to listen; refuses where one does."""
    listened = event.payment.transaction_id
    raise RuntimeError(f"{listened} is listened to: give the store encode_event")


async def _listening(
    connection: AsyncConnection, events: Sequence[Notification]
) -> dict[str, list[UUID]]:
    merchants = sorted({event.payment.merchant_id for event in events})
    endpoints: dict[str, list[UUID]] = defaultdict(list)
    for row in await connection.execute(_LISTENING, {"merchants": merchants}):
        endpoints[row.merchant_id].append(row.id)
    return endpoints
