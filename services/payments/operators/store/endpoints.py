"""The webhook endpoints of all merchants, their deliveries counted by the outbox's own indexes."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.base.times import is_shown, shown
from services.payments.operators.endpoints import MerchantEndpoint
from services.shared.db import autocommitted, connected
from services.shared.rollback import repeated

COUNTED_MAX = 1000
# Of endpoints there are few.
_PAGE = text(
    f"""
    SELECT e.merchant_id, e.id, e.url, {shown("e.created_at")} AS created_at,
           CASE WHEN {is_shown("e.disabled_at")} THEN e.disabled_at END AS disabled_at,
           coalesce(e.disabled_reason, '') AS disabled_reason, w.waiting, w.failing,
           CASE WHEN {is_shown("w.next_try_at")} THEN w.next_try_at END AS next_try_at,
           coalesce(w.last_error, '') AS last_error,
           s.set_aside
      FROM (SELECT merchant_id, id, url, created_at, disabled_at, disabled_reason
              FROM webhook_endpoints
             WHERE (CAST(:before AS uuid) IS NULL OR id < :before)
               AND (CAST(:merchant_id AS text) IS NULL OR merchant_id = :merchant_id)
             ORDER BY id DESC LIMIT :limit) AS e
     CROSS JOIN LATERAL (
           SELECT count(*) AS waiting, count(*) FILTER (WHERE o.failures > 0) AS failing,
                  min(o.due_at) AS next_try_at, max(o.last_error) AS last_error
             FROM (SELECT failures, due_at, last_error FROM outbox
                    WHERE merchant_id = e.merchant_id AND endpoint_id = e.id AND state = 'PENDING'
                    ORDER BY due_at LIMIT :most) AS o) AS w
     CROSS JOIN LATERAL (
           SELECT count(*) AS set_aside
             FROM (SELECT FROM outbox
                    WHERE merchant_id = e.merchant_id AND endpoint_id = e.id
                      AND state = 'SET_ASIDE' LIMIT :most) AS o) AS s
     ORDER BY e.id DESC
    """
)


class PostgresEndpointHealth:
    """The port EndpointHealth on PostgreSQL."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._reader = autocommitted(engine)

    @repeated
    async def page(
        self, merchant_id: str | None, *, before: UUID | None, limit: int
    ) -> Sequence[MerchantEndpoint]:
        """See EndpointHealth.page."""
        wanted = {"merchant_id": merchant_id, "before": before, "limit": limit}
        async with connected(self._reader) as connection:
            found = await connection.execute(_PAGE, {**wanted, "most": COUNTED_MAX})
            return [MerchantEndpoint(**row._mapping) for row in found]
