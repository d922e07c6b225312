"""The mark of the database, and the comparison with its attempts, on PostgreSQL. Payments are found
by the ids in the keys, so that no index is needed for this."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import TextClause, event, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.payments.mesh.ports import ListedOperation
from services.payments.model.answer import NEVER_LEFT, SUCCEEDED_LATE
from services.payments.model.attempt_key import parts_of
from services.payments.model.timing import COMPARE_SKEW
from services.payments.operators.store.finding import FindingRows
from services.payments.recovery.ports import Mark
from services.shared.db import connected
from services.shared.rollback import repeated

_COLUMNS = "mark, compared_at, accepted_at, finding"
_READ = text(f"SELECT {_COLUMNS} FROM database_mark")
_GROW = text(f"UPDATE database_mark SET mark = mark + 1 RETURNING {_COLUMNS}")
_COMPARED = text("UPDATE database_mark SET compared_at = now() WHERE finding = ''")
_FIND = text(
    """
    UPDATE database_mark SET finding = :finding, found_at = now()
     WHERE finding = '' AND (CAST(:below AS bigint) IS NULL OR mark < :below)
    """
)
# The newest attempts of the payments that go to an offramp; and those that are over without its id,
# whose payments may go to another by now.
_EXPECTED = text(
    """
    SELECT key FROM (
        SELECT a.key, a.created_at FROM (
            SELECT merchant_id, id FROM payments WHERE offramp = :provider
             ORDER BY id DESC LIMIT :limit
        ) p JOIN attempts a ON a.merchant_id = p.merchant_id AND a.payment_id = p.id
         WHERE a.provider = :provider
         UNION (
        SELECT key, created_at FROM attempts
         WHERE provider = :provider AND NOT is_live AND provider_reference = ''
         ORDER BY created_at DESC LIMIT :limit)
    ) AS newest ORDER BY created_at DESC LIMIT :limit
    """
)
# An attempt that a recovery has put on record is no newer than its provider says, or its payment.
_BY_KEY = text(
    f"""
    SELECT a.key, CASE WHEN a.state = 'FAILED' AND a.sent_at IS NULL
                        AND (a.provider_reference <> '' OR a.failure_code = '{SUCCEEDED_LATE}')
                       THEN p.created_at
                   ELSE least(a.created_at, a.sent_at) END AS created_at
      FROM payments p
      JOIN attempts a ON a.merchant_id = p.merchant_id AND a.payment_id = p.id
     WHERE p.id = ANY(:payment_ids) AND a.provider = :provider
       -- Nothing of these has left this database.
       AND a.state <> 'INTENDED' AND a.failure_code IS DISTINCT FROM :never_left
    """
)
_BY_REFERENCE = text(
    """
    SELECT provider_reference FROM attempts
     WHERE provider_reference = ANY(:references) AND provider_reference <> ''
       AND provider = :provider
    """
)
# So many keys go with a question.
EXPECTED_MAX = 1000


class PostgresMarks:
    """The port Marks on PostgreSQL."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    def watch(self, meet: Callable[[Callable[[], Mark]], None], admit: Callable[[], None]) -> None:
        """See Marks.watch."""

        def connect(connection: Any, _: object) -> None:
            try:
                meet(lambda: _mark_of(connection.run_async(_read)))
            except BaseException:
                # The pool forgets it without closing it.
                connection.driver_connection.terminate()
                raise

        event.listen(self._engine.sync_engine, "connect", connect)
        event.listen(self._engine.sync_engine, "checkout", lambda *_: admit())

    async def read(self) -> Mark:
        """See Marks.read."""
        return await self._mark(_READ)

    @repeated
    async def grow(self) -> Mark:
        """See Marks.grow."""
        return await self._mark(_GROW)

    @repeated
    async def note_compared(self) -> None:
        """See Marks.note_compared."""
        await self._write(_COMPARED)

    @repeated
    async def find(self, finding: str, *, below: int | None = None) -> None:
        """See Marks.find."""
        await self._write(_FIND, finding=finding, below=below)

    @repeated
    async def find_unknown(
        self, finding: str, provider: str, listed: Sequence[ListedOperation]
    ) -> bool:
        """See Marks.find_unknown."""
        async with connected(self._engine) as connection:
            if not await _unknown(connection, provider, listed):
                return False
            await connection.execute(_FIND, {"finding": finding, "below": None})
            await connection.commit()
        return True

    @repeated
    async def accept(self, *, accepted_by: str, reason: str) -> None:
        """See Marks.accept."""
        async with connected(self._engine) as connection:
            await FindingRows(connection).accept(accepted_by=accepted_by, reason=reason)
            await connection.commit()

    async def expected_keys(self, provider: str) -> Sequence[str]:
        """See Marks.expected_keys."""
        asked = {"provider": provider, "limit": EXPECTED_MAX}
        async with connected(self._engine) as connection:
            return [row.key for row in await connection.execute(_EXPECTED, asked)]

    async def unknown(
        self, provider: str, listed: Sequence[ListedOperation]
    ) -> Sequence[ListedOperation]:
        """See Marks.unknown."""
        if not listed:
            return ()
        async with connected(self._engine) as connection:
            return await _unknown(connection, provider, listed)

    async def _mark(self, statement: TextClause) -> Mark:
        async with connected(self._engine) as connection:
            row = (await connection.execute(statement)).one()._asdict()
            await connection.commit()
        return _mark_of(row)

    async def _write(self, statement: TextClause, **values: str | int | None) -> None:
        async with connected(self._engine) as connection:
            await connection.execute(statement, values)
            await connection.commit()


async def _unknown(
    connection: AsyncConnection, provider: str, listed: Sequence[ListedOperation]
) -> Sequence[ListedOperation]:
    ids = {parts_of(one.key).payment_id for one in listed if one.key}
    references = [one.provider_reference for one in listed if not one.key]
    asked = {"payment_ids": [*filter(None, ids)], "provider": provider, "never_left": NEVER_LEFT}
    rows = await connection.execute(_BY_KEY, asked)
    begun = {row.key: row.created_at for row in rows}
    by_reference = {"references": references, "provider": provider}
    found = await connection.execute(_BY_REFERENCE, by_reference) if references else ()
    known = {row.provider_reference for row in found}
    return [
        one
        for one in listed
        if (one.key not in begun if one.key else one.provider_reference not in known)
        # Our own try began later than the provider has it: it was another's, of a lost time.
        or (one.key and one.created_at and one.created_at + COMPARE_SKEW < begun[one.key])
    ]


async def _read(driver: Any) -> Any:
    return await driver.fetchrow(str(_READ))


def _mark_of(row: Mapping[str, Any]) -> Mark:
    return Mark(
        number=row["mark"],
        compared_at=row["compared_at"],
        accepted_at=row["accepted_at"],
        finding=row["finding"],
    )
