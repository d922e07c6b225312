"""The outbox as the deliverer sees it: claim what is due under a lease, and settle it afterwards.
outbox_writer adds its rows, with the changes themselves."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.base import rows
from services.payments.webhooks_out.delivery import Delivery, TryResult, Waiting
from services.shared.db import connected
from services.shared.rollback import repeated

# Endpoint by endpoint, so that one with much to take cannot fill a claim; in any order, so that
# none is always the last. An event under way is due when its lease ends, so that no claim has to
# pass it by.
_CLAIM = text(
    """
    WITH due AS MATERIALIZED (
        SELECT o.merchant_id, o.payment_id, o.sequence, o.position, o.endpoint_id,
               e.url, e.secret, e.disabled_at IS NOT NULL AS endpoint_disabled
          FROM (SELECT merchant_id, id, url, secret, disabled_at FROM webhook_endpoints
                 ORDER BY random()) e
          LEFT JOIN json_to_recordset(CAST(:busy AS json)) AS b(id uuid, number integer)
            ON b.id = e.id
         CROSS JOIN LATERAL (
            SELECT merchant_id, payment_id, sequence, position, endpoint_id FROM outbox
             WHERE merchant_id = e.merchant_id AND endpoint_id = e.id AND state = 'PENDING'
               AND due_at <= now() AND (lease_until IS NULL OR lease_until < now())
             ORDER BY due_at LIMIT greatest(0, :each - coalesce(b.number, 0))
               FOR UPDATE SKIP LOCKED
         ) o
         LIMIT :limit
    )
    UPDATE outbox
       SET lease_token = outbox.lease_token + 1,
           lease_until = now() + make_interval(secs => :lease_seconds),
           due_at = now() + make_interval(secs => :lease_seconds)
      FROM due
     WHERE outbox.merchant_id = due.merchant_id AND outbox.payment_id = due.payment_id
       AND outbox.sequence = due.sequence AND outbox.position = due.position
       AND outbox.endpoint_id = due.endpoint_id
    -- No time, which might be one that Python cannot read, and would hold up all of the others.
    RETURNING outbox.merchant_id, outbox.payment_id, outbox.sequence, outbox.position,
              outbox.endpoint_id, outbox.body, outbox.failures, outbox.lease_token,
              due.url, due.secret, due.endpoint_disabled
    """
)
# By key: with "state = 'PENDING'" the planner would look through the index of all that is pending.
_SETTLE = text(
    """
    UPDATE outbox o
       SET state = r.state, failures = r.failures, last_error = r.last_error, lease_until = NULL,
           due_at = now() + make_interval(secs => r.due_in_seconds),
           delivered_at = CASE r.state WHEN 'DELIVERED' THEN now() END
      FROM json_to_recordset(CAST(:rows AS json))
        AS r(merchant_id text, payment_id uuid, sequence integer, position smallint,
             endpoint_id uuid, lease_token bigint, state text, failures integer, last_error text,
             due_in_seconds double precision)
     WHERE o.merchant_id = r.merchant_id AND o.payment_id = r.payment_id
       AND o.sequence = r.sequence AND o.position = r.position AND o.endpoint_id = r.endpoint_id
       AND o.lease_token = r.lease_token AND o.state NOT IN ('DELIVERED', 'SET_ASIDE', 'DISCARDED')
    RETURNING o.payment_id, o.sequence, o.position, o.endpoint_id
    """
)
_DISABLE = text(
    """
    UPDATE webhook_endpoints e SET disabled_at = now(), disabled_reason = 'gone'
      FROM json_to_recordset(CAST(:rows AS json)) AS r(merchant_id text, id uuid)
     WHERE e.merchant_id = r.merchant_id AND e.id = r.id AND e.disabled_at IS NULL
    """
)
# The endpoints that have waited longest; beside each the number of all events that wait.
_WAITING = text(
    """
    SELECT merchant_id, endpoint_id, count(*) AS events, sum(count(*)) OVER () AS all_events,
           extract(epoch FROM now() - min(created_at))::float8 AS oldest_seconds
      FROM outbox WHERE state = 'PENDING'
     GROUP BY 1, 2 ORDER BY oldest_seconds DESC LIMIT :limit
    """
)


class PostgresOutbox:
    """The port Outbox on PostgreSQL."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @repeated
    async def claim(
        self, busy: Mapping[UUID, int], *, each: int, limit: int, lease_seconds: float
    ) -> Sequence[Delivery]:
        """See Outbox.claim."""
        numbers = rows.as_json({"id": id_, "number": number} for id_, number in busy.items())
        async with connected(self._engine) as connection:
            claimed = await connection.execute(
                _CLAIM,
                {"busy": numbers, "each": each, "limit": limit, "lease_seconds": lease_seconds},
            )
            deliveries = [_read(row) for row in claimed]
            await connection.commit()
        return deliveries

    @repeated
    async def settle(self, settled: Sequence[tuple[Delivery, TryResult]]) -> Sequence[bool]:
        """See Outbox.settle."""
        gone = [
            {"merchant_id": delivery.merchant_id, "id": delivery.endpoint_id}
            for delivery, result in settled
            if result.disables_endpoint
        ]
        async with connected(self._engine) as connection:
            written = await connection.execute(
                _SETTLE, {"rows": rows.as_json(_row(*item) for item in settled)}
            )
            standing = {
                (row.payment_id, row.sequence, row.position, row.endpoint_id) for row in written
            }
            if gone:
                await connection.execute(_DISABLE, {"rows": rows.as_json(gone)})
            await connection.commit()
        return [
            (d.payment_id, d.sequence, d.position, d.endpoint_id) in standing for d, _ in settled
        ]

    @repeated
    async def waiting(self, *, limit: int) -> tuple[int, Sequence[Waiting]]:
        """See Outbox.waiting."""
        async with connected(self._engine) as connection:
            found = (await connection.execute(_WAITING, {"limit": limit})).all()
        waiting = [
            Waiting(
                merchant_id=row.merchant_id,
                endpoint_id=row.endpoint_id,
                events=row.events,
                oldest_seconds=row.oldest_seconds,
            )
            for row in found
        ]
        return (int(found[0].all_events) if found else 0), waiting


def _read(row: Row[Any]) -> Delivery:
    return Delivery(
        merchant_id=row.merchant_id,
        payment_id=row.payment_id,
        sequence=row.sequence,
        position=row.position,
        endpoint_id=row.endpoint_id,
        url=row.url,
        secret=row.secret,
        endpoint_disabled=row.endpoint_disabled,
        body=row.body,
        failures=row.failures,
        lease_token=row.lease_token,
    )


def _row(delivery: Delivery, result: TryResult) -> dict[str, Any]:
    return {
        "merchant_id": delivery.merchant_id,
        "payment_id": delivery.payment_id,
        "sequence": delivery.sequence,
        "position": delivery.position,
        "endpoint_id": delivery.endpoint_id,
        "lease_token": delivery.lease_token,
        "state": result.state,
        "failures": result.failures,
        "last_error": result.last_error,
        "due_in_seconds": result.due_in.total_seconds() if result.due_in else 0,
    }
