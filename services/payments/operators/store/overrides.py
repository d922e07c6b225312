"""The overrides of rates on PostgreSQL: within the transaction that approves one, the list of all,
and those that are open, as each process that prices reads them again and again."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.payments.base import tables
from services.payments.base.columns import columns, given, names, parameters
from services.payments.model.operator import Operator
from services.payments.operators.domain import Action
from services.payments.operators.overriding import (
    AgreedOverride,
    OverrideExists,
    OverrideNotFound,
)
from services.payments.operators.store.actions import log_action
from services.shared.db import autocommitted, connected
from services.shared.ids import Prefix, encode_id
from services.shared.rollback import repeated

_TABLE = tables.rate_overrides
_COLUMNS, _GIVEN = columns(_TABLE), given(_TABLE)
_NOW = text("SELECT clock_timestamp()")
# One that has ended by itself makes room for the next one of its corridor.
_CLOSE = text(
    """
    UPDATE rate_overrides
       SET ended_at = ends_at
     WHERE corridor_id = :corridor_id AND ended_at IS NULL AND ends_at <= clock_timestamp()
    """
)
_OPEN_OF = text(
    "SELECT id FROM rate_overrides WHERE corridor_id = :corridor_id AND ended_at IS NULL"
)
_ADD = text(
    f"""
    INSERT INTO rate_overrides ({names(_GIVEN)})
    VALUES ({parameters(_GIVEN)})
    ON CONFLICT (corridor_id) WHERE ended_at IS NULL DO NOTHING
    RETURNING {_COLUMNS}
    """
)
_LOCK = text(
    f"""
    SELECT {_COLUMNS}, (ended_at IS NOT NULL OR ends_at <= clock_timestamp()) AS has_ended
      FROM rate_overrides WHERE id = :id FOR UPDATE
    """
)
_END = text(
    f"""
    UPDATE rate_overrides
       SET ended_at = clock_timestamp(), ended_by = :ended_by
     WHERE id = :id AND ended_at IS NULL
    RETURNING {_COLUMNS}
    """
)
# The time comes also where none is open.
_OPEN = text(
    f"""
    SELECT clock.now, {columns(_TABLE, "o")}
      FROM (SELECT clock_timestamp() AS now) clock
      LEFT JOIN rate_overrides o ON o.ended_at IS NULL AND o.ends_at > clock.now
    """
)


class OverrideRows:
    """The overrides, within a transaction. See the port of the same name."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def open_of(self, corridor_id: str) -> UUID | None:
        """See OverrideRows.open_of."""
        which = {"corridor_id": corridor_id}
        await self._connection.execute(_CLOSE, which)
        found: UUID | None = (await self._connection.execute(_OPEN_OF, which)).scalar_one_or_none()
        return found

    async def add(self, override: AgreedOverride) -> None:
        """See OverrideRows.add."""
        values = {column.name: getattr(override, column.name) for column in _GIVEN}
        if (await self._connection.execute(_ADD, values)).one_or_none() is None:
            held = await self.open_of(override.corridor_id)
            raise OverrideExists(override_id=encode_id(Prefix.OVERRIDE, held) if held else "")


class PostgresOverrides:
    """The port OverrideStore on PostgreSQL."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._reader = autocommitted(engine)

    @repeated
    async def now(self) -> datetime:
        """See OverrideStore.now."""
        async with connected(self._reader) as connection:
            now: datetime = (await connection.execute(_NOW)).scalar_one()
            return now

    @repeated
    async def page(self, *, before: UUID | None, limit: int) -> Sequence[AgreedOverride]:
        """See OverrideStore.page."""
        query = select(_TABLE)
        if before is not None:
            query = query.where(_TABLE.c.id < before)
        async with connected(self._reader) as connection:
            found = await connection.execute(query.order_by(_TABLE.c.id.desc()).limit(limit))
            return [_read(row) for row in found]

    @repeated
    async def end(self, override_id: UUID, by: Operator) -> AgreedOverride:
        """See OverrideStore.end."""
        async with connected(self._engine) as connection:
            found = (await connection.execute(_LOCK, {"id": override_id})).one_or_none()
            if found is None:
                raise OverrideNotFound(override_id=encode_id(Prefix.OVERRIDE, override_id))
            if found.has_ended:
                return _read(found)
            values = {"id": override_id, "ended_by": by.name}
            ended = _read((await connection.execute(_END, values)).one())
            await log_action(connection, by, Action.END_RATE_OVERRIDE, ended.override_id)
            await connection.commit()
        return ended

    @repeated
    async def open(self) -> tuple[datetime, Sequence[AgreedOverride]]:
        """See OverrideSource.open."""
        async with connected(self._reader) as connection:
            found = (await connection.execute(_OPEN)).all()
        return found[0].now, [_read(row) for row in found if row.id is not None]


def _read(row: Row[Any]) -> AgreedOverride:
    return AgreedOverride(
        id=row.id,
        corridor_id=row.corridor_id,
        rate=row.rate,
        markup_basis_points=row.markup_basis_points,
        maximum_deviation_basis_points=row.maximum_deviation_basis_points,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        proposal_id=row.proposal_id,
        proposed_by=row.proposed_by,
        approved_by=row.approved_by,
        reason=row.reason,
        ended_at=row.ended_at,
        ended_by=row.ended_by,
    )
