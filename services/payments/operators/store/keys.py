"""The operators' keys on PostgreSQL. A change counts up the version of all credentials first, as
merchants/store does, and adds its entry to the log of actions."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.payments.base import tables
from services.payments.merchants.domain import COMMAND, KeysExhausted, OperatorKey
from services.payments.merchants.store import (
    count_up,
    ends_of_rolled,
    is_active,
    key_values,
    read_operator_key,
    refuse_ended_maker,
)
from services.payments.model.operator import Operator
from services.payments.model.timing import CREDENTIALS_DAY
from services.payments.operators.domain import (
    OPERATOR_KEYS_A_DAY_MAX,
    OPERATOR_KEYS_MAX,
    Action,
    OperatorKeyNotFound,
)
from services.payments.operators.store.actions import log_action
from services.shared.db import autocommitted, connected
from services.shared.ids import Prefix, encode_id
from services.shared.rollback import repeated

_KEYS = tables.operator_keys
_NOW = text("SELECT now()")


class PostgresOperatorKeys:
    """The port OperatorKeyStore on PostgreSQL."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._reader = autocommitted(engine)

    @repeated
    async def now(self) -> datetime:
        """See OperatorKeyStore.now."""
        async with connected(self._reader) as connection:
            now: datetime = (await connection.execute(_NOW)).scalar_one()
            return now

    @repeated
    async def add(self, key: OperatorKey, by: Operator) -> OperatorKey:
        """See OperatorKeyStore.add."""
        async with connected(self._engine) as connection:
            version = await count_up(connection)
            made = await _insert(connection, key, version)
            await log_action(connection, by, Action.CREATE_OPERATOR_KEY, made.key_id)
            await connection.commit()
        return made

    @repeated
    async def get(self, key_id: UUID) -> OperatorKey:
        """See OperatorKeyStore.get."""
        async with connected(self._reader) as connection:
            return await _one(connection, key_id)

    @repeated
    async def roll(
        self, key_id: UUID, new: OperatorKey, by: Operator, *, overlap_hours: int
    ) -> OperatorKey:
        """See OperatorKeyStore.roll."""
        async with connected(self._engine) as connection:
            version = await count_up(connection)
            old = await _one(connection, key_id)
            now = (await connection.execute(_NOW)).scalar_one()
            ends = ends_of_rolled(old, new, now, overlap_hours)
            # Its maker may be the old one, which ends here.
            made = await _insert(connection, new, version)
            await _change(connection, key_id, {**ends, "version": version})
            await log_action(connection, by, Action.ROLL_OPERATOR_KEY, old.key_id)
            await connection.commit()
        return made

    @repeated
    async def page(self, *, before: UUID | None, limit: int) -> Sequence[OperatorKey]:
        """See OperatorKeyStore.page."""
        query = select(_KEYS)
        if before is not None:
            query = query.where(_KEYS.c.id < before)
        async with connected(self._reader) as connection:
            found = await connection.execute(query.order_by(_KEYS.c.id.desc()).limit(limit))
            return [read_operator_key(row) for row in found]

    @repeated
    async def revoke(self, key_id: UUID, by: Operator) -> OperatorKey:
        """See OperatorKeyStore.revoke."""
        async with connected(self._engine) as connection:
            version = await count_up(connection)
            key = await _one(connection, key_id)
            if key.revoked_at is None:
                await _change(connection, key_id, {"revoked_at": func.now(), "version": version})
                key = await _one(connection, key_id)
                await log_action(connection, by, Action.REVOKE_OPERATOR_KEY, key.key_id)
                await connection.commit()
        return key


async def _one(connection: AsyncConnection, key_id: UUID) -> OperatorKey:
    row = (await connection.execute(select(_KEYS).where(_KEYS.c.id == key_id))).one_or_none()
    if row is None:
        raise OperatorKeyNotFound(key_id=encode_id(Prefix.OPERATOR_KEY, key_id))
    return read_operator_key(row)


async def _change(connection: AsyncConnection, key_id: UUID, values: Mapping[str, Any]) -> None:
    await connection.execute(update(_KEYS).where(_KEYS.c.id == key_id).values(values))


async def _insert(connection: AsyncConnection, key: OperatorKey, version: int) -> OperatorKey:
    await refuse_ended_maker(connection, key)
    # The command still makes one where a stolen key has made as many as there may be.
    if key.created_by != COMMAND:
        await _refuse_exhausted(connection, key.created_by)
    values = key_values(key, version)
    added = await connection.execute(
        insert(_KEYS).values(operator=key.operator, **values).returning(_KEYS)
    )
    return read_operator_key(added.one())


async def _refuse_exhausted(connection: AsyncConnection, created_by: str) -> None:
    active = select(func.count()).select_from(_KEYS).where(is_active(_KEYS))
    if (await connection.execute(active)).scalar_one() >= OPERATOR_KEYS_MAX:
        raise KeysExhausted(maximum=str(OPERATOR_KEYS_MAX))
    made = select(func.count()).where(
        _KEYS.c.created_by == created_by, _KEYS.c.created_at > func.now() - CREDENTIALS_DAY
    )
    if (await connection.execute(made)).scalar_one() >= OPERATOR_KEYS_A_DAY_MAX:
        raise KeysExhausted(maximum_a_day=str(OPERATOR_KEYS_A_DAY_MAX))
