"""The versions of the corridor files on PostgreSQL, as the processes of payments read them. The
operators' store adds them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.model.corridor_version import CorridorVersion
from services.shared.corridors import CorridorFiles
from services.shared.db import autocommitted, connected
from services.shared.errors import Unavailable
from services.shared.rollback import repeated

# Without the files, which are read when they are needed.
COLUMNS = "sequence, version, applied_by, reason, applied_at, effective_at"
# The one that counts, and those that will; the time comes also where there is none.
_CURRENT = text(
    f"""
    SELECT clock.now, {COLUMNS}
      FROM (SELECT clock_timestamp() AS now) clock
      LEFT JOIN corridor_versions
        ON sequence >= (SELECT max(sequence) FROM corridor_versions
                         WHERE effective_at <= clock.now)
     ORDER BY sequence
    """
)
_FILES = text(
    "SELECT files FROM corridor_versions WHERE version = :version ORDER BY sequence LIMIT 1"
)


class PostgresCorridorVersions:
    """The versions of the corridor files in the database, for every service to read."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._reader = autocommitted(engine)

    @repeated
    async def open(self) -> tuple[datetime, Sequence[CorridorVersion]]:
        """The database's time, and the version that counts with those that will; none where none
        was applied yet."""
        async with connected(self._reader) as connection:
            found = (await connection.execute(_CURRENT)).all()
        return found[0].now, [read_version(row) for row in found if row.sequence is not None]

    @repeated
    async def files(self, version: str) -> CorridorFiles:
        """The files of a version. Raises Unavailable where it was never applied here."""
        async with connected(self._reader) as connection:
            found = (await connection.execute(_FILES, {"version": version})).scalar_one_or_none()
        if found is None:
            raise Unavailable("the corridor files of this version are not in the database")
        files: CorridorFiles = orjson.loads(found)
        return files


def read_version(row: Row[Any]) -> CorridorVersion:
    """A row, without its files."""
    return CorridorVersion(
        sequence=row.sequence,
        version=row.version,
        applied_by=row.applied_by,
        reason=row.reason,
        applied_at=row.applied_at,
        effective_at=row.effective_at,
    )
