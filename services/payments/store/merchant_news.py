"""Writes what merchants are to be told, in the transaction of what happened: one row of the outbox
an endpoint, for each change of a payment's public status or price. Delivery is in outbox."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.payments.domain.payment import Payment
from services.payments.ports import Encode
from services.payments.steps import Change
from services.payments.store import rows, wake
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
        WITH told AS (
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


class MerchantNews:
    """Tells the endpoints of merchants, through the outbox."""

    def __init__(self, encode_event: Encode) -> None:
        self._encode_event = encode_event

    async def tell_changes(
        self,
        connection: AsyncConnection,
        changes: Sequence[Change],
        written: Mapping[UUID, Row[Any]],
    ) -> None:
        """Tells of those payments that show another status or price since these changes were
        written.

        With what the database has added, each is what the API shows from the commit on.
        """
        changed = [
            replace(
                change.payment,
                updated_at=row.updated_at,
                cancel_requested_at=row.cancel_requested_at,
                deadline_at=row.deadline_at,
                repriced=change.repricing is not None,
            )
            for change in changes
            if (change.repricing or change.payment.status != change.status_before)
            and (row := written.get(change.payment.id)) is not None
        ]
        if changed:
            await self.tell(connection, changed, await _listening(connection, changed))

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
            await _INSERT.fetch(connection, {"rows": rows.as_json(told)})


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
