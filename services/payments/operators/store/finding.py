"""The finding that the database is older, on PostgreSQL, within the transaction of an operator. A
process that works on a recovery holds one lock of the whole database meanwhile."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.payments.operators.finding import DatabaseFinding
from services.payments.operators.store.lost_returns import doubt_successes

LOCK = "hashtext('caravel.recovery')"
_IS_FREE = text(f"SELECT pg_try_advisory_xact_lock({LOCK})")
_FINDING = text(
    """
    SELECT m.finding,
           coalesce((SELECT r.id || ' ' || r.state FROM recoveries r
                      ORDER BY r.id DESC LIMIT 1), '') AS recovery
      FROM database_mark m FOR UPDATE OF m
    """
)
_ACCEPT = text(
    """
    UPDATE database_mark
       SET finding = '', accepted_at = now(), accepted_by = :accepted_by, accept_reason = :reason
    """
)
_END = text("UPDATE recoveries SET state = 'ACCEPTED', ended_at = now() WHERE state = 'RUNNING'")


class FindingRows:
    """The port of the same name."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def read(self) -> DatabaseFinding:
        """See FindingRows.read."""
        is_free = (await self._connection.execute(_IS_FREE)).scalar_one()
        row = (await self._connection.execute(_FINDING)).one()
        return DatabaseFinding(
            finding=row.finding, recovery=row.recovery, is_recovering=not is_free
        )

    async def accept(self, *, accepted_by: str, reason: str) -> None:
        """See FindingRows.accept; a recovery that accepts ends with it, in one transaction. Each
        success that may have come back in the lost time is asked about from then on."""
        await doubt_successes(self._connection)
        await self._connection.execute(_ACCEPT, {"accepted_by": accepted_by, "reason": reason})
        await self._connection.execute(_END)
