"""The payments that have changed since a moment. A moment is a snapshot: events of transactions
that it had not seen the end of are found later, also where they began before it."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.model.timing import TRANSACTION_SECONDS
from services.payments.operators.watching import Changed, Changes, Cursor
from services.shared.db import autocommitted, connected
from services.shared.money import SOURCE_CURRENCY, Money
from services.shared.rollback import repeated

_NOW = text("SELECT now() AS at, CAST(pg_current_snapshot() AS text) AS snapshot")
# A row has the lower half of the number of the transaction that wrote it, which is none of the
# future; an event has the time at which that transaction began.
_WRITTEN_BY = """
    CAST(CAST(s.newest - ((s.newest - CAST(CAST(e.xmin AS text) AS bigint)) & 4294967295) AS text)
         AS xid8)
"""
# The driver would want its parts.
_SNAPSHOT = "CAST(CAST(:snapshot AS text) AS pg_snapshot)"
_SINCE = text(
    f"""
    WITH seen AS MATERIALIZED (
        SELECT now() AS at, pg_current_snapshot() AS snapshot,
               CAST(CAST(pg_snapshot_xmax(pg_current_snapshot()) AS text) AS bigint) AS newest
    ), changed AS (
        SELECT e.merchant_id, e.payment_id, max(e.sequence) AS sequence,
               bool_or(e.sequence = 1) AS is_new, max(e.occurred_at) AS occurred_at
          FROM payment_events e CROSS JOIN seen s
         WHERE e.occurred_at >= CAST(:at AS timestamptz) - interval '{TRANSACTION_SECONDS} s'
           AND NOT pg_visible_in_snapshot({_WRITTEN_BY}, {_SNAPSHOT})
         GROUP BY e.merchant_id, e.payment_id
         ORDER BY occurred_at LIMIT :limit
    )
    SELECT s.at, CAST(s.snapshot AS text) AS snapshot, c.payment_id, c.merchant_id, c.sequence,
           c.is_new, p.corridor_id, p.state, coalesce(p.hold_reason, '') AS hold_reason,
           p.amount_minor
      FROM seen s LEFT JOIN changed c ON true
      LEFT JOIN payments p ON p.merchant_id = c.merchant_id AND p.id = c.payment_id
     ORDER BY c.occurred_at, c.payment_id
    """
)


class PostgresChanges:
    """The port ChangeStore on PostgreSQL."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._reader = autocommitted(engine)

    @repeated
    async def now(self) -> Cursor:
        """See ChangeStore.now."""
        async with connected(self._reader) as connection:
            row = (await connection.execute(_NOW)).one()
        return Cursor(at=row.at, snapshot=row.snapshot)

    @repeated
    async def since(self, cursor: Cursor, *, limit: int) -> Changes:
        """See ChangeStore.since."""
        wanted = {"at": cursor.at, "snapshot": cursor.snapshot, "limit": limit}
        async with connected(self._reader) as connection:
            found = (await connection.execute(_SINCE, wanted)).all()
        return Changes(
            changes=[
                Changed(
                    payment=row.payment_id,
                    merchant_id=row.merchant_id,
                    corridor_id=row.corridor_id,
                    state=row.state,
                    hold_reason=row.hold_reason,
                    amount=Money(row.amount_minor, SOURCE_CURRENCY),
                    sequence=row.sequence,
                    is_new=row.is_new,
                )
                for row in found
                if row.payment_id is not None
            ],
            cursor=Cursor(at=found[0].at, snapshot=found[0].snapshot),
        )
