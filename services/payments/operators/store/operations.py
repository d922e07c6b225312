"""The lists of operators, and the transaction in which a verb changes a payment, the inbox or the
outbox and adds to the log of actions."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.base import tables, wake
from services.payments.base.columns import columns
from services.payments.base.sources import ACTIONS, DISPUTES
from services.payments.base.statements import text_with
from services.payments.base.unreadable import UnreadableRow, fetch_each, read_each
from services.payments.base.unreadable_rows import UnreadableRows, end_of_payment
from services.payments.engine.decisions.facts import Work
from services.payments.engine.overdue import OverduePayment, UnreadableOverdue
from services.payments.engine.quarantine import Patience
from services.payments.engine.store.overdue import list_overdue
from services.payments.engine.store.work import PostgresWorkTransaction
from services.payments.model.dispute import NO_DEADLINE, OPEN, OpenDispute
from services.payments.model.holds import HoldReason
from services.payments.model.operator import Operator, OperatorAction, UnreadableAction
from services.payments.model.progress import ExpectedTime
from services.payments.operators.domain import Action, DeadLetter, LetterKey
from services.payments.operators.ports import LetterFilter
from services.payments.operators.store.dead_letters import discard, list_letters, requeue
from services.payments.webhooks_out.notification import EncodeEvent
from services.payments.webhooks_out.store.outbox_writer import OutboxWriter, without_encoder
from services.shared.db import autocommitted, connected
from services.shared.ids import new_id
from services.shared.rollback import repeated

_ACTION = columns(tables.operator_actions)
_LOG = text(
    f"""
    INSERT INTO operator_actions (merchant_id, id, operator, action, subject, note)
    VALUES (:merchant_id, :id, :operator, :action, :subject, :note)
    RETURNING {_ACTION}
    """
)
_IS_SET_ASIDE = text_with(
    """
    SELECT 1 FROM payments
     WHERE merchant_id = :merchant_id AND id = :id AND hold_reason = :step_failed
    """,
    step_failed=HoldReason.STEP_FAILED,
)


class PostgresOperations:
    """The port Operations on PostgreSQL."""

    def __init__(
        self,
        engine: AsyncEngine,
        encode_event: EncodeEvent = without_encoder,
        decode_answer: Callable[[str, bytes], object] | None = None,
    ) -> None:
        """decode_answer raises for a stored answer that cannot be given again."""
        self._engine = engine
        self._reader = autocommitted(engine)
        self._outbox = OutboxWriter(encode_event)
        self._unreadable = UnreadableRows(engine, decode_answer)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator["PostgresOperatorTransaction"]:
        """See Operations.begin."""
        async with connected(self._engine) as connection:
            yield PostgresOperatorTransaction(
                connection, self._outbox, Patience(), self._unreadable
            )

    @repeated
    async def dead_letters(
        self, merchant_id: str, wanted: LetterFilter, *, limit: int
    ) -> Sequence[DeadLetter]:
        """See Operations.dead_letters."""
        async with connected(self._engine) as connection:
            return await list_letters(connection, self._unreadable, merchant_id, wanted, limit)

    @repeated
    async def overdue(
        self,
        merchant_id: str,
        expected: Sequence[ExpectedTime],
        *,
        waiting: bool,
        after: tuple[datetime, UUID] | None,
        limit: int,
    ) -> Sequence[OverduePayment | UnreadableOverdue]:
        """See Operations.overdue."""
        async with connected(self._engine) as connection:
            late = await list_overdue(
                connection, expected, merchant_id, waiting=waiting, after=after, limit=limit
            )
        self._unreadable.note(row[1] for row in late if isinstance(row, tuple))
        return [row[0] if isinstance(row, tuple) else row for row in late]

    @repeated
    async def disputes(
        self, merchant_id: str, *, after: tuple[datetime, UUID] | None, limit: int
    ) -> Sequence[OpenDispute]:
        """See Operations.disputes."""
        table = tables.disputes
        due = func.coalesce(table.c.respond_by, NO_DEADLINE).label("due")
        query = select(table, due).where(
            table.c.merchant_id == merchant_id, table.c.status.in_(sorted(OPEN))
        )
        if after is not None:
            query = query.where(tuple_(due, table.c.id) > tuple_(*after))
        query = query.order_by(due, table.c.id).limit(limit)
        async with connected(self._reader) as connection:
            found = (await connection.execute(query)).all()
        readable, unreadable = read_each(DISPUTES, found)
        self._unreadable.note(unreadable)
        read = {row.id: dispute for row, dispute in readable}
        return [OpenDispute(id=row.id, due=row.due, dispute=read.get(row.id)) for row in found]

    @repeated
    async def actions(
        self, merchant_id: str, *, before: UUID | None, limit: int
    ) -> Sequence[OperatorAction | UnreadableAction]:
        """See Operations.actions."""
        table = tables.operator_actions
        query = select(table).where(table.c.merchant_id == merchant_id)
        if before is not None:
            query = query.where(table.c.id < before)
        query = query.order_by(table.c.id.desc()).limit(limit)
        page = await fetch_each(self._reader, ACTIONS, query)
        self._unreadable.note(row for row in page if isinstance(row, UnreadableRow))
        return [
            UnreadableAction(id=UUID(row.values[1])) if isinstance(row, UnreadableRow) else row
            for row in page
        ]


class PostgresOperatorTransaction(PostgresWorkTransaction):
    """The port OperatorTransaction on one connection."""

    async def is_set_aside(self, merchant_id: str, payment_id: UUID) -> bool:
        """See OperatorTransaction.is_set_aside."""
        wanted = {"merchant_id": merchant_id, "id": payment_id}
        return (await self._connection.execute(_IS_SET_ASIDE, wanted)).first() is not None

    async def claim_one(self, merchant_id: str, payment_id: UUID) -> Work:
        """See OperatorTransaction.claim_one; ends the entries of the rows that it has read."""
        work = await super().claim_one(merchant_id, payment_id)
        await end_of_payment(self._connection, merchant_id, payment_id)
        return work

    async def requeue(self, merchant_id: str, key: LetterKey) -> bool:
        """See OperatorTransaction.requeue."""
        return await requeue(self._connection, self.notes, merchant_id, key)

    async def discard(self, merchant_id: str, key: LetterKey) -> bool:
        """See OperatorTransaction.discard."""
        return await discard(self._connection, merchant_id, key)

    async def log(
        self, merchant_id: str, operator: Operator, action: Action, subject: str
    ) -> OperatorAction:
        """See OperatorTransaction.log."""
        logged = await self._connection.execute(
            _LOG,
            {
                "merchant_id": merchant_id,
                "id": new_id(),
                "operator": operator.name,
                "action": action,
                "subject": subject,
                "note": operator.note,
            },
        )
        return ACTIONS.read(logged.one())

    async def commit(self) -> None:
        """See OperatorTransaction.commit."""
        await self._connection.execute(wake.PAYMENTS_DUE)
        await self._connection.execute(wake.MESSAGES_DUE)
        await super().commit()
