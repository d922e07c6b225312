"""The pauses on PostgreSQL: within the transaction of an operator, the list of all, and those in
force, as each replica of the service reads them again and again."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.payments.base import tables
from services.payments.base.columns import columns, given, names, parameters
from services.payments.base.statements import whens
from services.payments.engine.store.paused import pauses_of
from services.payments.model.attempt import Step
from services.payments.model.pause import Pause, PauseKind, UnderWay
from services.payments.model.progress import STEP_OF_STATE, STEPS
from services.payments.model.timing import LOOKS_AHEAD
from services.payments.operators.pause_ports import PaymentsThere, UnderWayThere
from services.payments.operators.pausing import PauseExists
from services.shared.db import autocommitted, connected
from services.shared.rollback import repeated

_TABLE = tables.pauses
_COLUMNS, _GIVEN = columns(_TABLE), given(_TABLE)
# One that has ended by itself makes room for the next one.
_CLOSE = text(
    """
    UPDATE pauses SET ended_at = ends_at
     WHERE kind = :kind AND name = :name AND ended_at IS NULL AND ends_at <= clock_timestamp()
    """
)
_OPEN_OF = text(
    f"""
    SELECT {_COLUMNS} FROM pauses
     WHERE kind = :kind AND name = :name AND ended_at IS NULL
     ORDER BY under_way FOR UPDATE
    """
)
_ADD = text(
    f"""
    INSERT INTO pauses ({names(_GIVEN)})
    VALUES ({parameters(_GIVEN)})
    ON CONFLICT (kind, name, under_way) WHERE ended_at IS NULL DO NOTHING
    RETURNING {_COLUMNS}
    """
)
_END = text(
    f"""
    UPDATE pauses
       SET ended_at = clock_timestamp(), ended_by = :ended_by, end_reason = :end_reason
     WHERE id = :id
    RETURNING {_COLUMNS}
    """
)
_NOW = text("SELECT clock_timestamp()")
# The time comes also where none is in force.
_OPEN = text(
    f"""
    SELECT clock.now, {columns(_TABLE, "s")}
      FROM (SELECT clock_timestamp() AS now) clock
      LEFT JOIN pauses s ON s.ended_at IS NULL AND (s.ends_at IS NULL OR s.ends_at > clock.now)
    """
)
_PAGE = text(
    f"""
    SELECT {_COLUMNS} FROM pauses
     WHERE (CAST(:before AS uuid) IS NULL OR id < :before)
       AND (NOT :in_force
            OR ended_at IS NULL AND (ends_at IS NULL OR ends_at > clock_timestamp()))
     ORDER BY id DESC LIMIT :limit
    """
)
# So many of all that are under way are looked at.
COUNTED_MAX = 50_000
# A funded payment is still to be converted; its next step is the payout all the same.
_NEXT = {state: STEP_OF_STATE.get(state, Step.PAYOUT) for state in STEPS}
# A payment without an attempt of its step has it next, and that was never sent.
_UNDER_WAY = text(
    f"""
    WITH looked AS MATERIALIZED (
        SELECT merchant_id, id, state, corridor_id, onramp, offramp,
               CASE state {whens(_NEXT)} END AS step
          FROM payments
         WHERE due_at < now() + make_interval(secs => :ahead) AND hold_reason IS NULL
           AND due_at IS DISTINCT FROM deadline_at AND state = ANY(:states)
         LIMIT :most
    ), work AS (
        SELECT p.state, p.corridor_id, p.step, coalesce(a.sent_at IS NOT NULL, false) AS is_sent,
               coalesce(a.provider, CASE p.step WHEN 'payout' THEN p.offramp ELSE p.onramp END, '')
                   AS provider
          FROM looked p
          LEFT JOIN attempts a ON a.merchant_id = p.merchant_id AND a.payment_id = p.id
           AND a.step = p.step AND a.is_live
    )
    SELECT looked.payments AS looked, kinds.state, kinds.step, kinds.provider, kinds.is_sent,
           kinds.waits, kinds.payments
      FROM (SELECT count(*) AS payments FROM looked) AS looked
      LEFT JOIN (
           SELECT w.state, w.step, w.provider, w.is_sent, w.waits, count(*) AS payments
             FROM (SELECT w.state, w.step, w.provider, w.is_sent,
                          NOT w.is_sent AND EXISTS (SELECT {pauses_of("w", "w")}) AS waits
                     FROM work w
                    WHERE CASE :kind WHEN 'PROVIDER' THEN w.provider ELSE w.corridor_id END = :name
                  ) AS w
            GROUP BY 1, 2, 3, 4, 5) AS kinds ON true
     ORDER BY state, step, provider, is_sent, waits
    """
)


class PauseRows:
    """The pauses, within a transaction. See the port of the same name."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def now(self) -> datetime:
        """See PauseRows.now."""
        now: datetime = (await self._connection.execute(_NOW)).scalar_one()
        return now

    async def under_way(self, kind: PauseKind, name: str) -> UnderWayThere:
        """See PauseRows.under_way."""
        wanted = {
            "kind": kind,
            "name": name,
            "ahead": LOOKS_AHEAD.total_seconds(),
            "states": [str(state) for state in STEPS],
            "most": COUNTED_MAX,
        }
        found = (await self._connection.execute(_UNDER_WAY, wanted)).all()
        kinds = [
            PaymentsThere(**{name: getattr(row, name) for name in _ALIKE})
            for row in found
            if row.state is not None
        ]
        return UnderWayThere(kinds=kinds, is_partial=found[0].looked >= COUNTED_MAX)

    async def open_of(self, kind: PauseKind, name: str) -> Sequence[Pause]:
        """See PauseRows.open_of."""
        which = {"kind": kind, "name": name}
        await self._connection.execute(_CLOSE, which)
        return [_read(row) for row in await self._connection.execute(_OPEN_OF, which)]

    async def add(self, pause: Pause) -> Pause:
        """See PauseRows.add."""
        values = {column.name: getattr(pause, column.name) for column in _GIVEN}
        row = (await self._connection.execute(_ADD, values)).one_or_none()
        if row is None:
            # Another operator was faster.
            raise PauseExists(name=pause.name)
        return _read(row)

    async def end(self, pause_id: UUID, *, by: str, reason: str) -> Pause:
        """See PauseRows.end."""
        values = {"id": pause_id, "ended_by": by, "end_reason": reason}
        return _read((await self._connection.execute(_END, values)).one())


_ALIKE = tuple(field.name for field in fields(PaymentsThere))


class PostgresPauses:
    """The port PauseStore on PostgreSQL."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._reader = autocommitted(engine)

    @repeated
    async def open(self) -> tuple[datetime, Sequence[Pause]]:
        """See PauseStore.open."""
        async with connected(self._reader) as connection:
            found = (await connection.execute(_OPEN)).all()
        return found[0].now, [_read(row) for row in found if row.id is not None]

    @repeated
    async def page(
        self, *, in_force: bool, before: UUID | None, limit: int
    ) -> tuple[datetime, Sequence[Pause]]:
        """See PauseStore.page."""
        wanted = {"in_force": in_force, "before": before, "limit": limit}
        async with connected(self._reader) as connection:
            now: datetime = (await connection.execute(_NOW)).scalar_one()
            return now, [_read(row) for row in await connection.execute(_PAGE, wanted)]


def _read(row: Row[Any]) -> Pause:
    return Pause(
        id=row.id,
        kind=PauseKind(row.kind),
        name=row.name,
        under_way=UnderWay(row.under_way),
        reason=row.reason,
        paused_by=row.paused_by,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        ended_at=row.ended_at,
        ended_by=row.ended_by,
        end_reason=row.end_reason,
    )
