"""The merchants as operators administer them, on PostgreSQL. A change counts up the version of all
credentials first, as merchants/store does, which has one change at a time; and it adds its entry to
the log of actions."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.payments.base import tables
from services.payments.base.idempotency import IdempotencyKeyReused
from services.payments.merchants.authoriser import SANDBOX_MERCHANT
from services.payments.merchants.domain import Merchant, MerchantKey, MerchantNotFound
from services.payments.merchants.store import (
    change_key,
    count_up,
    insert_key,
    is_active,
    one_key,
    page_of_keys,
    read_merchant,
    refuse_ended_maker,
    refuse_exhausted,
)
from services.payments.model.operator import Operator
from services.payments.model.timing import CREDENTIALS_DAY
from services.payments.operators.domain import (
    MERCHANTS_A_DAY_MAX,
    Action,
    MerchantHasKey,
    MerchantsExhausted,
)
from services.payments.operators.store.actions import log_action
from services.shared.db import autocommitted, connected
from services.shared.ids import Prefix, encode_id, new_id
from services.shared.rollback import repeated

_MERCHANTS, _KEYS = tables.merchants, tables.api_keys
_NOW = text("SELECT now()")
# With it a merchant makes its keys itself.
_MANAGE = "keys:manage"


class PostgresMerchants:
    """The port MerchantStore on PostgreSQL."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._reader = autocommitted(engine)

    @repeated
    async def now(self) -> datetime:
        """See MerchantStore.now."""
        async with connected(self._reader) as connection:
            now: datetime = (await connection.execute(_NOW)).scalar_one()
            return now

    @repeated
    async def add(
        self, name: str, by: Operator, idempotency_key: str | None
    ) -> tuple[Merchant, bool]:
        """See MerchantStore.add."""
        values = {"display_name": name, "created_by": by.name, "creation_key": idempotency_key}
        async with connected(self._engine) as connection:
            version = await count_up(connection)
            if idempotency_key and (before := await _created(connection, by, idempotency_key)):
                if before.display_name != name:
                    raise IdempotencyKeyReused
                return before, True
            await _refuse_exhausted(connection, by)
            row = {"id": encode_id(Prefix.MERCHANT, new_id()), "version": version, **values}
            added = await connection.execute(insert(_MERCHANTS).values(row).returning(_MERCHANTS))
            merchant = read_merchant(added.one())
            await _log(connection, by, Action.CREATE_MERCHANT, merchant.id)
            await connection.commit()
        return merchant, False

    @repeated
    async def get(self, merchant_id: str) -> Merchant:
        """See MerchantStore.get."""
        async with connected(self._reader) as connection:
            return await _one(connection, merchant_id)

    @repeated
    async def page(self, *, before: str | None, limit: int) -> Sequence[Merchant]:
        """See MerchantStore.page."""
        # Ids sort by their time, byte for byte.
        order = _MERCHANTS.c.id.collate("C")
        query = select(_MERCHANTS).where(_MERCHANTS.c.id != SANDBOX_MERCHANT)
        if before is not None:
            query = query.where(order < before)
        query = query.order_by(order.desc()).limit(limit)
        async with connected(self._reader) as connection:
            return [read_merchant(row) for row in await connection.execute(query)]

    async def disable(self, merchant_id: str, by: Operator) -> Merchant:
        """See MerchantStore.disable."""
        return await self._switch(merchant_id, by, is_disabled=True)

    async def enable(self, merchant_id: str, by: Operator) -> Merchant:
        """See MerchantStore.enable."""
        return await self._switch(merchant_id, by, is_disabled=False)

    @repeated
    async def _switch(self, merchant_id: str, by: Operator, *, is_disabled: bool) -> Merchant:
        async with connected(self._engine) as connection:
            version = await count_up(connection)
            merchant = await _one(connection, merchant_id)
            if is_disabled is not (merchant.disabled_at is not None):
                values = {"disabled_at": func.now() if is_disabled else None, "version": version}
                merchant = await _change(connection, merchant_id, values)
                action = Action.DISABLE_MERCHANT if is_disabled else Action.ENABLE_MERCHANT
                await _log(connection, by, action, merchant_id)
                await connection.commit()
        return merchant

    @repeated
    async def keys(
        self, merchant_id: str, *, before: UUID | None, limit: int
    ) -> tuple[datetime, Sequence[MerchantKey]]:
        """See MerchantStore.keys."""
        async with connected(self._reader) as connection:
            await _one(connection, merchant_id)
            now = (await connection.execute(_NOW)).scalar_one()
            return now, await page_of_keys(connection, merchant_id, before=before, limit=limit)

    @repeated
    async def add_key(self, key: MerchantKey, by: Operator) -> MerchantKey:
        """See MerchantStore.add_key."""
        merchant_id = key.merchant_id
        async with connected(self._engine) as connection:
            version = await count_up(connection)
            await _one(connection, merchant_id)
            await refuse_ended_maker(connection, key)
            await _refuse_second(connection, merchant_id)
            await refuse_exhausted(connection, merchant_id)
            added = await insert_key(connection, merchant_id, key, version)
            await _log(connection, by, Action.CREATE_MERCHANT_KEY, merchant_id, added.key_id)
            await connection.commit()
        return added

    @repeated
    async def revoke_key(self, merchant_id: str, key_id: UUID, by: Operator) -> MerchantKey:
        """See MerchantStore.revoke_key."""
        async with connected(self._engine) as connection:
            version = await count_up(connection)
            await _one(connection, merchant_id)
            key = await one_key(connection, merchant_id, key_id)
            if key.revoked_at is None:
                await change_key(connection, key, {"revoked_at": func.now()}, version)
                key = await one_key(connection, merchant_id, key_id)
                await _log(connection, by, Action.REVOKE_MERCHANT_KEY, merchant_id, key.key_id)
                await connection.commit()
        return key

    @repeated
    async def revoke_keys(self, merchant_id: str, by: Operator) -> Sequence[UUID]:
        """See MerchantStore.revoke_keys."""
        async with connected(self._engine) as connection:
            version = await count_up(connection)
            await _one(connection, merchant_id)
            revoked = await connection.execute(
                update(_KEYS)
                .where(_KEYS.c.merchant_id == merchant_id, is_active(_KEYS))
                .values(revoked_at=func.now(), version=version)
                .returning(_KEYS.c.id)
            )
            ids: Sequence[UUID] = revoked.scalars().all()
            if ids:
                await _log(connection, by, Action.REVOKE_MERCHANT_KEYS, merchant_id)
                await connection.commit()
        return ids


async def _one(connection: AsyncConnection, merchant_id: str) -> Merchant:
    found = await connection.execute(select(_MERCHANTS).where(_MERCHANTS.c.id == merchant_id))
    row = found.one_or_none()
    if row is None:
        raise MerchantNotFound(merchant_id=merchant_id)
    return read_merchant(row)


async def _created(connection: AsyncConnection, by: Operator, key: str) -> Merchant | None:
    """The merchant that the operator has made under an idempotency key, as it was then."""
    columns = _MERCHANTS.c
    found = await connection.execute(
        select(_MERCHANTS).where(columns.created_by == by.name, columns.creation_key == key)
    )
    row = found.one_or_none()
    return replace(read_merchant(row), disabled_at=None) if row else None


async def _change(
    connection: AsyncConnection, merchant_id: str, values: Mapping[str, Any]
) -> Merchant:
    changed = await connection.execute(
        update(_MERCHANTS)
        .where(_MERCHANTS.c.id == merchant_id)
        .values(values)
        .returning(_MERCHANTS)
    )
    return read_merchant(changed.one())


async def _log(
    connection: AsyncConnection, by: Operator, action: Action, merchant_id: str, subject: str = ""
) -> None:
    await log_action(connection, by, action, subject or merchant_id, merchant_id=merchant_id)


async def _refuse_exhausted(connection: AsyncConnection, by: Operator) -> None:
    columns = _MERCHANTS.c
    made = select(func.count()).where(
        columns.created_by == by.name, columns.created_at > func.now() - CREDENTIALS_DAY
    )
    if (await connection.execute(made)).scalar_one() >= MERCHANTS_A_DAY_MAX:
        raise MerchantsExhausted(maximum_a_day=str(MERCHANTS_A_DAY_MAX))


async def _refuse_second(connection: AsyncConnection, merchant_id: str) -> None:
    """Raises MerchantHasKey where the merchant can make its keys itself."""
    columns = _KEYS.c
    makes_keys = columns.scopes.contains([_MANAGE])
    query = select(columns.id).where(
        columns.merchant_id == merchant_id, is_active(_KEYS), makes_keys
    )
    found = (await connection.execute(query.limit(1))).scalar_one_or_none()
    if found is not None:
        raise MerchantHasKey(key_id=encode_id(Prefix.API_KEY, found))
