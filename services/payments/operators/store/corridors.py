"""Versions of the corridor files are added on PostgreSQL. One is added at a time, so that the
numbers have no gaps and each version counts after the one before it."""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.base.corridor_versions import COLUMNS, read_version
from services.payments.model.corridor_version import CorridorVersion
from services.payments.model.operator import Operator
from services.payments.model.timing import CORRIDORS_EFFECTIVE
from services.payments.operators.domain import Action
from services.payments.operators.store.actions import log_action
from services.shared.corridors import version_of
from services.shared.db import autocommitted, connected
from services.shared.rollback import repeated

_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtext('corridor_versions'))")
# The first one counts at once: no replica prices by another.
_ADD = text(
    f"""
    INSERT INTO corridor_versions (sequence, version, files, applied_by, reason, applied_at,
           effective_at)
    SELECT coalesce(newest.sequence, 0) + 1, :version, :files, :applied_by, :reason, clock.now,
           CASE WHEN newest.sequence IS NULL THEN clock.now ELSE clock.now + :after END
      FROM (SELECT clock_timestamp() AS now) clock
      LEFT JOIN (SELECT sequence, version FROM corridor_versions
                  ORDER BY sequence DESC LIMIT 1) newest ON true
     WHERE newest.version IS DISTINCT FROM :version
    RETURNING {COLUMNS}
    """
)
_NEWEST = text(f"SELECT {COLUMNS} FROM corridor_versions ORDER BY sequence DESC LIMIT 1")
_IS_KNOWN = text("SELECT EXISTS (SELECT FROM corridor_versions WHERE version = :version)")
_PAGE = text(
    f"""
    SELECT {COLUMNS} FROM corridor_versions WHERE sequence < :before
     ORDER BY sequence DESC LIMIT :limit
    """
)
_BEYOND = 2**63 - 1


class PostgresCorridors:
    """The port CorridorStore on PostgreSQL."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._reader = autocommitted(engine)

    @repeated
    async def add(
        self, content: bytes, applied_by: str, reason: str, operator: Operator | None
    ) -> CorridorVersion:
        """See CorridorStore.add."""
        values = {
            "version": version_of(content),
            "files": content,
            "applied_by": applied_by,
            "reason": reason,
            "after": CORRIDORS_EFFECTIVE,
        }
        async with connected(self._engine) as connection:
            await connection.execute(_ONE_AT_A_TIME)
            added = (await connection.execute(_ADD, values)).one_or_none()
            if added is None:
                return read_version((await connection.execute(_NEWEST)).one())
            if operator is not None:
                await log_action(
                    connection, operator, Action.APPLY_CORRIDORS, str(values["version"])
                )
            await connection.commit()
        return read_version(added)

    @repeated
    async def newest(self, version: str) -> tuple[CorridorVersion | None, bool]:
        """See CorridorStore.newest."""
        async with connected(self._reader) as connection:
            found = (await connection.execute(_NEWEST)).one_or_none()
            is_known = (await connection.execute(_IS_KNOWN, {"version": version})).scalar_one()
        return read_version(found) if found else None, is_known

    @repeated
    async def page(self, *, before: int | None, limit: int) -> Sequence[CorridorVersion]:
        """See CorridorStore.page."""
        values = {"before": _BEYOND if before is None else before, "limit": limit}
        async with connected(self._reader) as connection:
            return [read_version(row) for row in await connection.execute(_PAGE, values)]
