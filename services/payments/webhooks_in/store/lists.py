"""How far the lists of events are read, on PostgreSQL: a lease with a token for each provider, so
that several workers read no more than one would."""

from collections.abc import Collection, Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.webhooks_in.ports import Place
from services.shared.db import connected
from services.shared.rollback import repeated

_ADD = text(
    """
    INSERT INTO event_lists (provider)
    SELECT r.provider FROM unnest(CAST(:providers AS text[])) AS r(provider)
     WHERE NOT EXISTS (SELECT FROM event_lists e WHERE e.provider = r.provider)
     ORDER BY r.provider ON CONFLICT DO NOTHING
    """
)
_CLAIM = text(
    """
    WITH due AS MATERIALIZED (
        SELECT provider FROM event_lists
         WHERE provider = ANY(CAST(:providers AS text[])) AND due_at <= now()
         ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED
    )
    UPDATE event_lists e
       SET lease_token = e.lease_token + 1, due_at = now() + make_interval(secs => :lease_seconds)
      FROM due WHERE e.provider = due.provider
    RETURNING e.provider, e.lease_token, e.read_until, e.page, e.newest_at
    """
)
# An event that says to be of the future must not hide those that come until then.
_MOVE = text(
    """
    UPDATE event_lists
       SET read_until = CASE WHEN CAST(:read_until AS timestamptz) < now()
                             THEN CAST(:read_until AS timestamptz)
                             WHEN CAST(:read_until AS timestamptz) IS NOT NULL THEN now() END,
           page = :page,
           newest_at = CAST(:newest_at AS timestamptz),
           due_at = now() + make_interval(secs => :due_in_seconds)
     WHERE provider = :provider AND lease_token = :lease_token
    RETURNING provider
    """
)
_KNOWN = text(
    "SELECT event_id FROM webhook_inbox WHERE provider = :provider AND event_id = ANY(:event_ids)"
)


class PostgresEventLists:
    """The port EventLists on PostgreSQL."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @repeated
    async def claim(self, providers: Sequence[str], *, lease_seconds: float) -> Place | None:
        """See EventLists.claim."""
        asked = {"providers": list(providers), "lease_seconds": lease_seconds}
        async with connected(self._engine) as connection:
            await connection.execute(_ADD, {"providers": list(providers)})
            row = (await connection.execute(_CLAIM, asked)).one_or_none()
            await connection.commit()
        if row is None:
            return None
        return Place(
            provider=row.provider,
            lease_token=row.lease_token,
            read_until=row.read_until,
            page=row.page,
            newest_at=row.newest_at,
        )

    @repeated
    async def move(self, place: Place, *, due_in_seconds: float) -> bool:
        """See EventLists.move."""
        async with connected(self._engine) as connection:
            moved = await connection.execute(
                _MOVE,
                {
                    "provider": place.provider,
                    "lease_token": place.lease_token,
                    "read_until": place.read_until,
                    "page": place.page,
                    "newest_at": place.newest_at,
                    "due_in_seconds": due_in_seconds,
                },
            )
            is_ours = moved.one_or_none() is not None
            await connection.commit()
        return is_ours

    async def known(self, provider: str, event_ids: Collection[str]) -> set[str]:
        """See EventLists.known."""
        asked = {"provider": provider, "event_ids": list(event_ids)}
        async with connected(self._engine) as connection:
            return {row.event_id for row in await connection.execute(_KNOWN, asked)}
