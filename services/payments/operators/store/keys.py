"""The operators' keys on PostgreSQL. A change counts up the version of all credentials first, as
merchants/store does, and adds its entry to the log of actions."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.base import tables
from services.payments.merchants.domain import OperatorKey
from services.payments.merchants.store import count_up, key_values, read_operator_key
from services.payments.model.operator import Operator
from services.payments.operators.domain import Action, OperatorKeyNotFound
from services.payments.operators.store.operations import log_action
from services.shared.db import autocommitted, connected
from services.shared.ids import encode_id
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
            values = key_values(key, await count_up(connection))
            added = await connection.execute(
                insert(_KEYS).values(operator=key.operator, **values).returning(_KEYS)
            )
            made = read_operator_key(added.one())
            await log_action(connection, by, Action.CREATE_OPERATOR_KEY, made.key_id)
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
        of_id = select(_KEYS).where(_KEYS.c.id == key_id)
        async with connected(self._engine) as connection:
            version = await count_up(connection)
            row = (await connection.execute(of_id)).one_or_none()
            if row is None:
                raise OperatorKeyNotFound(key_id=encode_id("opk", key_id))
            if row.revoked_at is not None:
                return read_operator_key(row)
            await connection.execute(
                update(_KEYS)
                .where(_KEYS.c.id == key_id)
                .values(revoked_at=func.now(), version=version)
            )
            revoked = read_operator_key((await connection.execute(of_id)).one())
            await log_action(connection, by, Action.REVOKE_OPERATOR_KEY, revoked.key_id)
            await connection.commit()
        return revoked
