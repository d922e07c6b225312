"""The numbers that are watched at a short interval: held payments, overdue payments and orphans. An
orphan whose payment has come to exist meanwhile is given to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.audit.figures import read_held
from services.payments.audit.report import Held
from services.payments.base import wake
from services.payments.engine.overdue import OverdueCount
from services.payments.engine.store.overdue import count_overdue
from services.payments.model.progress import ExpectedTime
from services.payments.webhooks_in.store.inbox import MATCH
from services.shared.db import connected

_ORPHANS = text(
    "SELECT provider, count(*) AS events FROM webhook_inbox WHERE state = 'UNMATCHED' GROUP BY 1"
)
_MATCH = text(MATCH.format(""))


@dataclass(frozen=True, kw_only=True)
class Sight:
    """All of one moment."""

    held: Sequence[Held]
    overdue: Sequence[OverdueCount]
    # Events about no payment of ours, by provider.
    orphans: Mapping[str, int]


class PostgresWatch:
    """The port Watch on PostgreSQL."""

    def __init__(self, engine: AsyncEngine, expected: Sequence[ExpectedTime]) -> None:
        self._engine = engine
        self._expected = expected

    async def look(self) -> Sight:
        """Counts; changes nothing."""
        async with connected(self._engine) as connection:
            held = await read_held(connection)
            overdue = await count_overdue(connection, self._expected)
            found = await connection.execute(_ORPHANS)
            return Sight(
                held=held,
                overdue=overdue,
                orphans={row.provider: row.events for row in found},
            )

    async def match_orphans(self) -> int:
        """Gives events to the payments that they are about, where those exist by now; gives how
        many payments were found."""
        async with connected(self._engine) as connection:
            matched = (await connection.execute(_MATCH)).all()
            if matched:
                await connection.execute(wake.PAYMENTS_DUE)
                await connection.commit()
            return len(matched)
