"""The recoveries on PostgreSQL. The process that works on one holds a lock of its session, and
writes the progress over that very session: where the session is lost, the work ends."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import orjson
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.payments.base.statements import text_with
from services.payments.model.operator import Operator
from services.payments.operators.accepting import DATABASE
from services.payments.operators.domain import Action
from services.payments.operators.store.actions import log_action
from services.payments.operators.store.finding import LOCK
from services.payments.recovery.course import (
    DatabaseStanding,
    RecoveredPayment,
    Recovery,
    RecoveryState,
)
from services.payments.recovery.ports import Explained, Fate
from services.payments.recovery.recovering import Report
from services.shared.db import autocommitted, connected
from services.shared.ids import new_id
from services.shared.rollback import repeated

_BEGIN = text(
    """
    INSERT INTO recoveries (id, operator, reason, credential_id, address, request_id)
    VALUES (:id, :operator, :reason, :credential_id, :address, :request_id)
    ON CONFLICT (state) WHERE state = 'RUNNING' DO NOTHING
    RETURNING id
    """
)
_COLUMNS = """id, operator, reason, credential_id, address, request_id, started_at, listed_at,
           state, ended_at, failure, explained"""
_RUNNING = text(f"SELECT {_COLUMNS} FROM recoveries WHERE state = 'RUNNING'")
_NEWEST = text(f"SELECT {_COLUMNS} FROM recoveries ORDER BY id DESC LIMIT 1")
_FATES = text(
    "SELECT fate, count(*) AS payments FROM recovered_payments "
    "WHERE recovery_id = :id GROUP BY fate"
)
_MARK = text(
    """
    SELECT finding, found_at, compared_at, accepted_at, accepted_by, accept_reason
      FROM database_mark
    """
)
_PAYMENTS = text(
    """
    SELECT name, fate, stories FROM recovered_payments
     WHERE recovery_id = (SELECT id FROM recoveries ORDER BY id DESC LIMIT 1)
       AND name > :after AND (CAST(:fate AS text) IS NULL OR fate = :fate)
     ORDER BY name LIMIT :limit
    """
)
_TAKE = text(f"SELECT pg_try_advisory_lock({LOCK})")
# A machine that is gone says nothing: its session, and so its lock, ends without it.
_NOTICE_LOSS = text(
    """
    SELECT set_config('tcp_keepalives_idle', '10', false),
           set_config('tcp_keepalives_interval', '5', false),
           set_config('tcp_keepalives_count', '3', false)
    """
)
# A payment that another process has decided keeps its fate until it is decided again.
_FOUND = text(
    """
    WITH found AS (
        INSERT INTO recovered_payments (recovery_id, name, stories)
        SELECT :id, f.key, f.value FROM jsonb_each(CAST(:payments AS jsonb)) AS f
        ON CONFLICT (recovery_id, name) DO UPDATE SET stories = EXCLUDED.stories
    )
    UPDATE recoveries SET listed_at = now() WHERE id = :id
    """
)
_DECIDED = text(
    """
    UPDATE recovered_payments SET fate = :fate, stories = CAST(:stories AS jsonb)
     WHERE recovery_id = :id AND name = :name
    """
)
# One without a fate was decided by a process that died before it could say so. Then nothing of it
# is lost any more, and the log of actions says whether it was held.
_EXPLAINED = text_with(
    """
    WITH decided AS (
        UPDATE recovered_payments p
           SET fate = CASE WHEN p.name = ANY(:made_again) THEN 'MADE_AGAIN'
                           WHEN EXISTS (SELECT FROM operator_actions a
                                         WHERE a.subject = p.name AND a.action = :place_hold
                                           AND a.refusal = '' AND a.acted_at >= r.started_at)
                           THEN 'HELD' ELSE 'GOES_ON' END
          FROM recoveries r
         WHERE r.id = :id AND p.recovery_id = r.id AND p.fate = ''
    )
    UPDATE recoveries SET explained = CAST(:explained AS jsonb) WHERE id = :id
    """,
    place_hold=Action.PLACE_HOLD,
)
_END = text(
    """
    UPDATE recoveries SET state = :state, ended_at = now(), failure = :failure
     WHERE id = :id AND state = 'RUNNING'
    """
)


class PostgresRecoveries:
    """The port Recoveries on PostgreSQL."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._single = autocommitted(engine)

    @repeated
    async def standing(self) -> DatabaseStanding:
        """See Recoveries.standing."""
        async with connected(self._single) as connection:
            mark = (await connection.execute(_MARK)).one()
            row = (await connection.execute(_NEWEST)).one_or_none()
            fates: Mapping[str, int] = {}
            if row is not None:
                counted = await connection.execute(_FATES, {"id": row.id})
                fates = {one.fate: one.payments for one in counted}
        recovery = None if row is None else _recovery_of(row, fates)
        return DatabaseStanding(**mark._asdict(), recovery=recovery)

    @repeated
    async def begin(self, operator: Operator) -> None:
        """See Recoveries.begin."""
        values = {
            "id": new_id(),
            "operator": operator.name,
            "reason": operator.note,
            "credential_id": operator.credential_id,
            "address": operator.address,
            "request_id": operator.request_id,
        }
        async with connected(self._engine) as connection:
            if (await connection.execute(_BEGIN, values)).one_or_none() is not None:
                await log_action(connection, operator, Action.START_RECOVERY, DATABASE)
                await connection.commit()

    @repeated
    async def payments(
        self, *, fate: Fate | None, after: str | None, limit: int
    ) -> Sequence[RecoveredPayment]:
        """See Recoveries.payments."""
        asked = {"fate": fate, "after": after or "", "limit": limit}
        async with connected(self._single) as connection:
            return [
                RecoveredPayment(
                    name=row.name, fate=Fate(row.fate) if row.fate else None, stories=row.stories
                )
                for row in await connection.execute(_PAYMENTS, asked)
            ]

    @asynccontextmanager
    async def taken(self) -> AsyncIterator["PostgresCourse | None"]:
        """See Recoveries.taken."""
        async with connected(self._single) as connection:
            is_running = (await connection.execute(_RUNNING)).first() is not None
            if not is_running or not (await connection.execute(_TAKE)).scalar_one():
                yield None
                return
            try:
                await connection.execute(_NOTICE_LOSS)
                # It may have ended before this process had the lock.
                row = (await connection.execute(_RUNNING)).one_or_none()
                yield None if row is None else PostgresCourse(connection, row)
            finally:
                # The lock ends with the session.
                await connection.invalidate()


class PostgresCourse:
    """The port Course on the session that has the lock."""

    def __init__(self, connection: AsyncConnection, row: Row[Any]) -> None:
        self._connection = connection
        self._id = row.id
        self.operator = _operator_of(row)

    async def found(self, payments: Mapping[str, Sequence[str]]) -> None:
        """See Kept.found."""
        await self._write(_FOUND, payments=orjson.dumps(payments).decode())

    async def decided(self, name: str, report: Report) -> None:
        """See Kept.decided."""
        for fate, payments in report.by_fate.items():
            if name in payments:
                stories = orjson.dumps(payments[name]).decode()
                await self._write(_DECIDED, name=name, fate=fate, stories=stories)

    async def explained(self, explained: Explained) -> None:
        """See Kept.explained."""
        accounts = [[*account, balance] for account, balance in explained.balances.items()]
        fields = {"transaction_ids": explained.transaction_ids, "accounts": accounts}
        made_again = [*explained.transaction_ids]
        await self._write(
            _EXPLAINED, made_again=made_again, explained=orjson.dumps(fields).decode()
        )

    async def end(self, state: RecoveryState, failure: str = "") -> None:
        """See Course.end."""
        await self._write(_END, state=state, failure=failure)

    async def _write(self, statement: Any, **values: Any) -> None:
        await self._connection.execute(statement, {"id": self._id, **values})


def _recovery_of(row: Row[Any], fates: Mapping[str, int]) -> Recovery:
    return Recovery(
        id=row.id,
        operator=_operator_of(row),
        state=RecoveryState(row.state),
        started_at=row.started_at,
        listed_at=row.listed_at,
        ended_at=row.ended_at,
        failure=row.failure,
        fates={Fate(fate): payments for fate, payments in fates.items() if fate},
        open=fates.get("", 0),
        explained=_explained_of(row.explained),
    )


def _operator_of(row: Row[Any]) -> Operator:
    return Operator(
        name=row.operator,
        note=row.reason,
        credential_id=row.credential_id,
        address=row.address,
        request_id=row.request_id,
    )


def _explained_of(fields: Any) -> Explained | None:
    if fields is None:
        return None
    return Explained(
        transaction_ids=tuple(fields["transaction_ids"]),
        balances={(account, currency): minor for account, currency, minor in fields["accounts"]},
    )
