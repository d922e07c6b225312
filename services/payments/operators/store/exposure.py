"""The exchange positions, read from the balances that every batch of postings keeps."""

from collections.abc import Mapping

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.shared.db import autocommitted, connected

_POSITIONS = text(
    """
    SELECT currency, -sum(balance_minor) AS amount_minor
      FROM balances WHERE account = 'fx:position:' || currency GROUP BY currency
    """
)


class PostgresPositions:
    """The port PositionBook on PostgreSQL."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._reader = autocommitted(engine)

    async def positions(self) -> Mapping[str, int]:
        """See PositionBook.positions."""
        async with connected(self._reader) as connection:
            return {
                row.currency: int(row.amount_minor) for row in await connection.execute(_POSITIONS)
            }
