"""Writes what merchants are to be told, in the transaction of what happened: one row of the outbox
an endpoint, for each change of a payment's public status. Delivery is in outbox."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.payments.domain.payment import Payment
from services.payments.ports import Encode
from services.payments.store import rows, wake

# Most merchants have none, and then this is all that it costs.
_LISTENING = text(
    """
    SELECT merchant_id, id FROM webhook_endpoints
     WHERE merchant_id = ANY(CAST(:merchants AS text[])) AND disabled_at IS NULL
    """
)
_READ = text(
    """
    SELECT p.* FROM payments p
      JOIN json_to_recordset(CAST(:rows AS json)) AS r(merchant_id text, id uuid)
     USING (merchant_id, id)
    """
)
_INSERT = text(
    """
    INSERT INTO outbox (merchant_id, payment_id, sequence, endpoint_id, event_type, body)
    SELECT merchant_id, payment_id, sequence, endpoint_id, event_type, decode(body, 'hex')
      FROM json_to_recordset(CAST(:rows AS json))
        AS r(merchant_id text, payment_id uuid, sequence integer, endpoint_id uuid,
             event_type text, body text)
    """
)


@dataclass(frozen=True)
class Watched:
    """Who listens, and how the payments stood before they were written."""

    endpoints: Mapping[str, Sequence[UUID]] = field(default_factory=dict)
    before: Mapping[UUID, Payment] = field(default_factory=dict)


class MerchantNews:
    """Tells the endpoints of merchants, through the outbox."""

    def __init__(self, encode_event: Encode) -> None:
        self._encode_event = encode_event

    async def watch(self, connection: AsyncConnection, payments: Sequence[Payment]) -> Watched:
        """Looks at payments whose events are about to be written."""
        endpoints = await _listening(connection, payments) if payments else {}
        if not endpoints:
            return Watched()
        heard = [payment for payment in payments if payment.merchant_id in endpoints]
        before = {payment.id: payment for payment in await _read(connection, heard)}
        return Watched(endpoints, before)

    async def written(
        self, connection: AsyncConnection, watched: Watched, written: Collection[UUID]
    ) -> None:
        """Tells of those watched payments that were written and show another status since."""
        before = watched.before
        heard = [payment for payment in before.values() if payment.id in written]
        if heard:
            # What is told is read back, so that it is what the API shows from the commit on.
            now = await _read(connection, heard)
            changed = [payment for payment in now if payment.status != before[payment.id].status]
            await self.tell(connection, changed, watched.endpoints)

    async def tell(
        self,
        connection: AsyncConnection,
        payments: Iterable[Payment],
        endpoints: Mapping[str, Sequence[UUID | str]],
    ) -> None:
        """Tells these endpoints, by merchant, of payments as they now are."""
        told = [
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
        if told:
            await connection.execute(_INSERT, {"rows": rows.as_json(told)})
            await connection.execute(wake.MESSAGES_DUE)


def cannot_tell(payment: Payment) -> bytes:
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


async def _read(connection: AsyncConnection, payments: Sequence[Payment]) -> list[Payment]:
    wanted = rows.as_json({"merchant_id": p.merchant_id, "id": p.id} for p in payments)
    return [rows.read_payment(row) for row in await connection.execute(_READ, {"rows": wanted})]
