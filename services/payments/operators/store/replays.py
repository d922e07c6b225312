"""Events that are sent again, on PostgreSQL. An event that was tried comes back into the queue of
its endpoint as it was written; its new lease token keeps a late result of the last try from it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.payments.base import wake
from services.payments.model.operator import Operator
from services.payments.operators.domain import Action
from services.payments.operators.replay_ports import (
    DeliveryKey,
    DeliveryNotFound,
    EndpointDisabled,
    Replay,
    ReplayWindow,
    subject_of,
)
from services.payments.operators.store.actions import log_action
from services.payments.webhooks_out.endpoint import EndpointNotFound
from services.shared.db import connected
from services.shared.errors import field_invalid
from services.shared.ids import Prefix, encode_id
from services.shared.rollback import repeated

_ENDPOINT = text(
    """
    SELECT merchant_id, disabled_at IS NOT NULL AS is_disabled, now() AS now
      FROM webhook_endpoints WHERE id = :endpoint_id
    """
)
_AGAIN = """state = 'PENDING', failures = 0, last_error = NULL, delivered_at = NULL,
           due_at = now(), lease_until = NULL, lease_token = o.lease_token + 1"""
_KEY = """o.merchant_id = :merchant_id AND o.payment_id = :payment_id AND o.sequence = :sequence
       AND o.position = :position AND o.endpoint_id = :endpoint_id"""
_DELIVERY = text(f"SELECT state FROM outbox o WHERE {_KEY} FOR UPDATE")
# A result says when the last try ended; what was set aside, discarded too, has it as its due time.
_REPLAY_DELIVERY = text(
    f"UPDATE outbox o SET {_AGAIN} WHERE {_KEY} AND o.state <> 'PENDING' AND o.due_at < :before"
)
# Nobody sends it now, and it is not due yet.
_WAITS = """state = 'PENDING' AND due_at > now()
             AND (lease_until IS NULL OR lease_until < now())"""
_TRY_DELIVERY = text(f"UPDATE outbox o SET due_at = now() WHERE {_KEY} AND {_WAITS}")
_CHOSEN = """
     WHERE o.merchant_id = c.merchant_id AND o.payment_id = c.payment_id
       AND o.sequence = c.sequence AND o.position = c.position AND o.endpoint_id = c.endpoint_id"""
_COLUMNS = "merchant_id, payment_id, sequence, position, endpoint_id"
_REPLAY_TRIED = text(
    f"""
    UPDATE outbox o SET {_AGAIN}
      FROM (SELECT {_COLUMNS} FROM outbox
             WHERE merchant_id = :merchant_id AND endpoint_id = :endpoint_id
               AND state IN ('DELIVERED', 'SET_ASIDE')
               AND due_at >= :since AND due_at < :before
             ORDER BY due_at LIMIT :limit FOR UPDATE SKIP LOCKED) AS c
    {_CHOSEN}
    """
)
_TRY_WAITING = text(
    f"""
    UPDATE outbox o SET due_at = now()
      FROM (SELECT {_COLUMNS} FROM outbox
             WHERE merchant_id = :merchant_id AND endpoint_id = :endpoint_id AND {_WAITS}
             ORDER BY due_at LIMIT :limit FOR UPDATE SKIP LOCKED) AS c
    {_CHOSEN}
    """
)


class PostgresReplays:
    """The port ReplayStore on PostgreSQL."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @repeated
    async def delivery(self, key: DeliveryKey, before: datetime, by: Operator) -> Replay:
        """See ReplayStore.delivery."""
        missing = DeliveryNotFound(delivery_id=key.delivery_id)
        async with connected(self._engine) as connection:
            endpoint = await _endpoint(connection, key.endpoint_id)
            if endpoint is None:
                raise missing
            values = {
                "merchant_id": endpoint.merchant_id,
                "payment_id": key.payment_id,
                "sequence": key.sequence,
                "position": key.position,
                "endpoint_id": key.endpoint_id,
            }
            if (await connection.execute(_DELIVERY, values)).first() is None:
                raise missing
            _refuse(endpoint, key.endpoint_id, before)
            replayed = await _count(connection, _REPLAY_DELIVERY, {**values, "before": before})
            replayed += await _count(connection, _TRY_DELIVERY, values)
            if replayed:
                action, subject = Action.REPLAY_DELIVERY, key.delivery_id
                owner = endpoint.merchant_id
                await log_action(connection, by, action, subject, merchant_id=owner)
                await connection.execute(wake.MESSAGES_DUE)
                await connection.commit()
        return Replay(events=replayed)

    @repeated
    async def endpoint(
        self, endpoint_id: UUID, window: ReplayWindow, by: Operator, *, limit: int
    ) -> Replay:
        """See ReplayStore.endpoint."""
        async with connected(self._engine) as connection:
            endpoint = await _endpoint(connection, endpoint_id)
            if endpoint is None:
                raise EndpointNotFound(endpoint_id=encode_id(Prefix.ENDPOINT, endpoint_id))
            _refuse(endpoint, endpoint_id, window.before)
            values = {
                "merchant_id": endpoint.merchant_id,
                "endpoint_id": endpoint_id,
                "limit": limit,
            }
            times = {"since": window.since, "before": window.before}
            tried = await _count(connection, _REPLAY_TRIED, {**values, **times})
            waiting = await _count(connection, _TRY_WAITING, values)
            if tried or waiting:
                action, subject = Action.REPLAY_ENDPOINT, subject_of(endpoint_id, window)
                owner = endpoint.merchant_id
                await log_action(connection, by, action, subject, merchant_id=owner)
                await connection.execute(wake.MESSAGES_DUE)
                await connection.commit()
        return Replay(events=tried + waiting, has_more=limit in (tried, waiting))


async def _endpoint(connection: AsyncConnection, endpoint_id: UUID) -> Row[Any] | None:
    found = await connection.execute(_ENDPOINT, {"endpoint_id": endpoint_id})
    return found.one_or_none()


def _refuse(endpoint: Row[Any], endpoint_id: UUID, before: datetime) -> None:
    if endpoint.is_disabled:
        raise EndpointDisabled(endpoint_id=encode_id(Prefix.ENDPOINT, endpoint_id))
    if before > endpoint.now:
        # Otherwise a repeated request would send again what the first one has sent.
        now = endpoint.now.isoformat()
        raise field_invalid("tried_before", f"tried_before must not be in the future; it is {now}")


async def _count(connection: AsyncConnection, statement: Any, values: Mapping[str, Any]) -> int:
    return int((await connection.execute(statement, values)).rowcount)
