"""Merchants' webhook endpoints. A deleted one keeps its row, because the outbox names it."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.base import tables
from services.payments.base.columns import columns
from services.payments.base.sources import ENDPOINTS
from services.payments.base.unreadable import UnreadableRow, fetch_each
from services.payments.base.unreadable_rows import UnreadableRows
from services.payments.model.endpoint import Endpoint, UnreadableEndpoint
from services.payments.model.principal import MerchantId
from services.payments.webhooks_out.endpoint import (
    ENDPOINTS_MAX,
    EndpointNotFound,
    EndpointsExhausted,
)
from services.shared.db import autocommitted, connected
from services.shared.ids import Prefix, encode_id
from services.shared.rollback import repeated

_DELETED = "deleted"
_ENDPOINT = columns(tables.webhook_endpoints)
# One merchant's additions wait for each other, or together they could pass the limit.
_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:merchant_id, 7))")
_ADD = text(
    f"""
    INSERT INTO webhook_endpoints (merchant_id, id, url, secret)
    SELECT :merchant_id, :id, :url, :secret
     WHERE (SELECT count(*) FROM webhook_endpoints
             WHERE merchant_id = :merchant_id
               AND disabled_reason IS DISTINCT FROM '{_DELETED}') < {ENDPOINTS_MAX}
    RETURNING {_ENDPOINT}
    """
)
_DELETE = text(
    f"""
    UPDATE webhook_endpoints
       SET disabled_at = coalesce(disabled_at, now()), disabled_reason = '{_DELETED}'
     WHERE merchant_id = :merchant_id AND id = :id
    RETURNING id
    """
)


class PostgresEndpoints:
    """The port EndpointStore on PostgreSQL."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._reader = autocommitted(engine)
        self._unreadable = UnreadableRows(engine)

    @repeated
    async def add(
        self, merchant_id: MerchantId, endpoint_id: UUID, url: str, secret: str
    ) -> Endpoint:
        """See EndpointStore.add."""
        async with connected(self._engine) as connection:
            await connection.execute(_LOCK, {"merchant_id": merchant_id})
            added = await connection.execute(
                _ADD,
                {"merchant_id": merchant_id, "id": endpoint_id, "url": url, "secret": secret},
            )
            row = added.one_or_none()
            await connection.commit()
        if row is None:
            raise EndpointsExhausted(maximum=str(ENDPOINTS_MAX))
        return ENDPOINTS.read(row)

    @repeated
    async def list(self, merchant_id: MerchantId) -> Sequence[Endpoint | UnreadableEndpoint]:
        """See EndpointStore.list."""
        table = tables.webhook_endpoints
        query = (
            select(table)
            .where(
                table.c.merchant_id == merchant_id,
                table.c.disabled_reason.is_distinct_from(_DELETED),
            )
            .order_by(table.c.id)
        )
        found = await fetch_each(self._reader, ENDPOINTS, query)
        self._unreadable.note(row for row in found if isinstance(row, UnreadableRow))
        return [
            UnreadableEndpoint(id=UUID(row.values[1])) if isinstance(row, UnreadableRow) else row
            for row in found
        ]

    @repeated
    async def delete(self, merchant_id: MerchantId, endpoint_id: UUID) -> None:
        """See EndpointStore.delete."""
        async with connected(self._engine) as connection:
            deleted = await connection.execute(
                _DELETE, {"merchant_id": merchant_id, "id": endpoint_id}
            )
            row = deleted.one_or_none()
            await connection.commit()
        if row is None:
            raise EndpointNotFound(endpoint_id=encode_id(Prefix.ENDPOINT, endpoint_id))
