"""The lists of operators, and the transaction in which a verb changes a payment, the inbox or the
outbox and adds to the log of actions."""

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.base import tables, wake
from services.payments.base.sources import ACTIONS, DISPUTES
from services.payments.base.statements import text_with
from services.payments.base.unreadable import UnreadableRow, fetch_each, read_each
from services.payments.base.unreadable_rows import UnreadableRows, end_of_payment
from services.payments.engine.decisions.facts import Work
from services.payments.engine.overdue import OverduePayment, UnreadableOverdue
from services.payments.engine.quarantine import Patience
from services.payments.engine.store.overdue import list_overdue
from services.payments.engine.store.work import PostgresWorkTransaction
from services.payments.model.attempt import Attempt
from services.payments.model.dispute import NO_DEADLINE, OPEN, OpenDispute
from services.payments.model.holds import HoldReason
from services.payments.model.operator import (
    ActionFilter,
    Operator,
    OperatorAction,
    UnreadableAction,
)
from services.payments.model.payment import Payment, PaymentNotFound
from services.payments.model.progress import ExpectedTime
from services.payments.model.timing import Waiting
from services.payments.operators.domain import Action, DeadLetter, LetterFilter, LetterKey
from services.payments.operators.store.actions import log_action, log_refusal
from services.payments.operators.store.adjustments import AdjustmentRows
from services.payments.operators.store.dead_letters import discard, list_letters, requeue
from services.payments.operators.store.effects import read_effect
from services.payments.operators.store.finding import FindingRows
from services.payments.operators.store.overrides import OverrideRows
from services.payments.operators.store.pauses import PauseRows
from services.payments.operators.store.proposals import ProposalRows
from services.payments.operators.verbs.ports import Effect
from services.payments.webhooks_out.notification import EncodeEvent
from services.payments.webhooks_out.store.outbox_writer import OutboxWriter, without_encoder
from services.shared.db import autocommitted, connected
from services.shared.ids import Prefix, encode_id
from services.shared.rollback import repeated

_IS_SET_ASIDE = text_with(
    "SELECT 1 FROM payments WHERE id = :id AND hold_reason = :step_failed",
    step_failed=HoldReason.STEP_FAILED,
)
_OWNER = text("SELECT merchant_id FROM payments WHERE id = :id")
_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtextextended(:reference, 8))")
_KNOWN_AS = text(
    """
    SELECT key FROM attempts
     WHERE provider_reference = :reference AND provider_reference <> ''
       AND provider = :provider AND step = :step AND key <> :key
     ORDER BY created_at DESC LIMIT 1
    """
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
    async def dead_letters(self, wanted: LetterFilter, *, limit: int) -> Sequence[DeadLetter]:
        """See Operations.dead_letters."""
        async with connected(self._engine) as connection:
            return await list_letters(connection, self._unreadable, wanted, limit)

    @repeated
    async def overdue(
        self,
        expected: Sequence[ExpectedTime],
        *,
        merchant_id: str | None,
        waiting: bool,
        waiting_for: Collection[Waiting] = (),
        after: tuple[datetime, UUID] | None,
        limit: int,
    ) -> Sequence[OverduePayment | UnreadableOverdue]:
        """See Operations.overdue."""
        async with connected(self._engine) as connection:
            late = await list_overdue(
                connection,
                expected,
                merchant_id,
                waiting=waiting,
                waiting_for=waiting_for,
                after=after,
                limit=limit,
            )
        self._unreadable.note(row[1] for row in late if isinstance(row, tuple))
        return [row[0] if isinstance(row, tuple) else row for row in late]

    @repeated
    async def disputes(
        self, *, merchant_id: str | None, after: tuple[datetime, UUID] | None, limit: int
    ) -> Sequence[OpenDispute]:
        """See Operations.disputes."""
        table = tables.disputes
        due = func.coalesce(table.c.respond_by, NO_DEADLINE).label("due")
        query = select(table, due).where(table.c.status.in_(sorted(OPEN)))
        if merchant_id is not None:
            query = query.where(table.c.merchant_id == merchant_id)
        if after is not None:
            query = query.where(tuple_(due, table.c.id) > tuple_(*after))
        query = query.order_by(due, table.c.id).limit(limit)
        async with connected(self._reader) as connection:
            found = (await connection.execute(query)).all()
        readable, unreadable = read_each(DISPUTES, found)
        self._unreadable.note(unreadable)
        read = {row.id: dispute for row, dispute in readable}
        return [
            OpenDispute(
                merchant_id=row.merchant_id, id=row.id, due=row.due, dispute=read.get(row.id)
            )
            for row in found
        ]

    @repeated
    async def actions(
        self, wanted: ActionFilter, *, before: UUID | None, limit: int
    ) -> Sequence[OperatorAction | UnreadableAction]:
        """See Operations.actions."""
        column = tables.operator_actions.c
        compare = (
            (wanted.merchant_id, column.merchant_id.__eq__),
            (wanted.operator, column.operator.__eq__),
            (wanted.action, column.action.__eq__),
            (wanted.subject, column.subject.__eq__),
            (wanted.acted_after, column.acted_at.__ge__),
            (wanted.acted_before, column.acted_at.__lt__),
            (before, column.id.__lt__),
        )
        conditions = [holds(value) for value, holds in compare if value is not None]
        query = select(tables.operator_actions).where(*conditions)
        query = query.order_by(column.id.desc()).limit(limit)
        page = await fetch_each(self._reader, ACTIONS, query)
        self._unreadable.note(row for row in page if isinstance(row, UnreadableRow))
        return [
            UnreadableAction(id=UUID(row.values[1])) if isinstance(row, UnreadableRow) else row
            for row in page
        ]

    @repeated
    async def note_refusal(
        self, operator: Operator, action: str, subject: str, refusal: str, provider_answer: str = ""
    ) -> bool:
        """See Operations.note_refusal."""
        async with connected(self._engine) as connection:
            kept = await log_refusal(
                connection,
                operator,
                action,
                subject,
                refusal=refusal,
                provider_answer=provider_answer,
            )
            await connection.commit()
        return kept


class PostgresOperatorTransaction(PostgresWorkTransaction):
    """The port OperatorTransaction on one connection."""

    @property
    def proposals(self) -> ProposalRows:
        """See OperatorTransaction.proposals."""
        return ProposalRows(self._connection)

    @property
    def overrides(self) -> OverrideRows:
        """See OperatorTransaction.overrides."""
        return OverrideRows(self._connection)

    @property
    def pauses(self) -> PauseRows:
        """See OperatorTransaction.pauses."""
        return PauseRows(self._connection)

    @property
    def adjustments(self) -> AdjustmentRows:
        """See OperatorTransaction.adjustments."""
        return AdjustmentRows(self._connection)

    @property
    def finding(self) -> FindingRows:
        """See OperatorTransaction.finding."""
        return FindingRows(self._connection)

    async def is_set_aside(self, payment_id: UUID) -> bool:
        """See OperatorTransaction.is_set_aside."""
        wanted = {"id": payment_id}
        return (await self._connection.execute(_IS_SET_ASIDE, wanted)).first() is not None

    async def owner(self, payment_id: UUID) -> str:
        """See OperatorTransaction.owner."""
        found = await self._connection.execute(_OWNER, {"id": payment_id})
        merchant_id: str | None = found.scalar_one_or_none()
        if merchant_id is None:
            raise PaymentNotFound(transaction_id=encode_id(Prefix.PAYMENT, payment_id))
        return merchant_id

    async def claim_one(self, merchant_id: str, payment_id: UUID) -> Work:
        """See OperatorTransaction.claim_one; ends the entries of the rows that it has read."""
        work = await super().claim_one(merchant_id, payment_id)
        await end_of_payment(self._connection, merchant_id, payment_id)
        return work

    async def known_as(self, attempt: Attempt, reference: str) -> str:
        """See OperatorTransaction.known_as."""
        await self._connection.execute(_ONE_AT_A_TIME, {"reference": reference})
        wanted = {
            "reference": reference,
            "provider": attempt.provider,
            "step": attempt.step,
            "key": attempt.key,
        }
        return (await self._connection.execute(_KNOWN_AS, wanted)).scalar_one_or_none() or ""

    async def effect(self, before: Payment) -> Effect:
        """See OperatorTransaction.effect."""
        after, _ = await self.lock(before.merchant_id, before.id)
        return await read_effect(self._connection, before, after)

    async def requeue(self, key: LetterKey) -> bool:
        """See OperatorTransaction.requeue."""
        return await requeue(self._connection, self.notes, key)

    async def discard(self, key: LetterKey) -> bool:
        """See OperatorTransaction.discard."""
        return await discard(self._connection, key)

    async def log(
        self,
        operator: Operator,
        action: Action,
        subject: str,
        *,
        merchant_id: str = "",
        provider_answer: str = "",
    ) -> OperatorAction:
        """See OperatorTransaction.log."""
        return await log_action(
            self._connection,
            operator,
            action,
            subject,
            merchant_id=merchant_id,
            provider_answer=provider_answer,
        )

    async def commit(self) -> None:
        """See OperatorTransaction.commit."""
        await self._connection.execute(wake.PAYMENTS_DUE)
        await self._connection.execute(wake.MESSAGES_DUE)
        await super().commit()
