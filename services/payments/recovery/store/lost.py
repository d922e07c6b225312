"""Payments of which providers have more than the database, on PostgreSQL."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.base.unreadable_rows import UnreadableRows
from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.facts import Call, Change, Plan, Work
from services.payments.engine.quarantine import Patience
from services.payments.model.answer import Outcome
from services.payments.model.attempt import AttemptState, Step
from services.payments.model.operator import Operator
from services.payments.model.payment import PaymentBusy, PaymentUnreadable
from services.payments.operators.domain import Action
from services.payments.operators.store.operations import PostgresOperatorTransaction
from services.payments.recovery.ports import KnownPayment, LostOperation, PaymentNotHeld, Stated
from services.payments.webhooks_out.notification import EncodeEvent
from services.payments.webhooks_out.store.outbox_writer import OutboxWriter
from services.shared.db import connected
from services.shared.ids import Prefix, encode_id

_KNOWN = text("SELECT id, merchant_id FROM payments WHERE id = ANY(:payment_ids)")
# Those that go to an offramp, and those that went to it and have no id of it.
_OPEN_AT = text(
    """
    (SELECT id FROM payments WHERE offramp = :provider ORDER BY id DESC LIMIT 1000)
     UNION
    (SELECT payment_id FROM attempts
      WHERE provider = :provider AND NOT is_live AND provider_reference = ''
      ORDER BY created_at DESC LIMIT 1000)
    """
)
# As the worker marks it before a send: whoever has it next looks it up before anything else.
_SENT = text(
    """
    UPDATE attempts
       SET state = CASE state WHEN 'INTENDED' THEN 'SENT' ELSE state END,
           sent_at = least(CAST(:made_at AS timestamptz), now()),
           last_sent_at = now(), leaves_until = now(),
           sends = greatest(sends, 1), provider_reference = :provider_reference, updated_at = now()
     WHERE merchant_id = :merchant_id AND payment_id = :payment_id AND key = :key
       AND sent_at IS NULL AND state IN ('INTENDED', 'SENT', 'ACCEPTED', 'UNKNOWN')
    """
)


class _Transaction(PostgresOperatorTransaction):
    async def adopt(self, decider: Decider, payment: KnownPayment, one: Stated) -> bool:
        """Whether the engine would make this very attempt now, or has it open."""
        work = await self.claim_one(payment.merchant_id, payment.id)
        if work.attempt is None or work.attempt.key != one.operation.listed.key or _is_unsent(work):
            plan = decider.plan(as_begun(work, one))
            if not _is_for(plan, one):
                return False
            change = replace(plan.change, keeps_lease=False, due_in=timedelta(0))
            if not await self.write([change]) or not await self.note_sent(work, one.operation):
                return False
            work = await self.claim_one(payment.merchant_id, payment.id)
        if one.answer.outcome is not Outcome.SUCCEEDED:
            return True
        change = decider.settle(work, one.answer, work.claimed_at)
        return len(await self.write([replace(change, due_in=timedelta(0))])) == 1

    async def note_sent(self, work: Work, lost: LostOperation) -> bool:
        """Whether the attempt, of which nothing has left here, counts as sent from here on."""
        named = {
            "merchant_id": work.payment.merchant_id,
            "payment_id": work.payment.id,
            "key": lost.listed.key,
            "provider_reference": lost.listed.provider_reference,
            "made_at": lost.listed.created_at,
        }
        return (await self._connection.execute(_SENT, named)).rowcount == 1


def as_begun(work: Work, one: Stated) -> Work:
    """The work at a time at which the operation may have begun: a payout follows no rest of its
    payment, and no window."""
    payment = work.payment
    if one.operation.step is Step.PAYOUT and payment.cancellable_until is not None:
        until = min(payment.cancellable_until, work.claimed_at)
        payment = replace(payment, cancellable_until=until)
    return replace(work, payment=replace(payment, rests_until=None))


def _is_unsent(work: Work) -> bool:
    return work.attempt is not None and work.attempt.state is AttemptState.INTENDED


def _is_for(plan: Plan, one: Stated) -> bool:
    intended = plan.work.attempt
    if plan.call is not Call.SEND or intended is None or plan.work.to_send is not None:
        return False
    same = (intended.key, intended.provider) == (one.operation.listed.key, one.operation.provider)
    return same and intended.state is AttemptState.INTENDED


class PostgresLostPayments:
    """The port LostPayments on PostgreSQL."""

    def __init__(self, engine: AsyncEngine, encode_event: EncodeEvent, decider: Decider) -> None:
        self._engine = engine
        self._outbox = OutboxWriter(encode_event)
        self._unreadable = UnreadableRows(engine, None)
        self._decider = decider

    async def known(self, payment_ids: Collection[UUID]) -> Mapping[UUID, KnownPayment]:
        """See LostPayments.known."""
        asked = {"payment_ids": list(payment_ids)}
        async with connected(self._engine) as connection:
            found = await connection.execute(_KNOWN, asked)
            return {row.id: KnownPayment(id=row.id, merchant_id=row.merchant_id) for row in found}

    async def open_at(self, provider: str) -> Sequence[str]:
        """See LostPayments.open_at."""
        async with connected(self._engine) as connection:
            found = await connection.execute(_OPEN_AT, {"provider": provider})
            return [encode_id(Prefix.PAYMENT, row.id) for row in found]

    async def read(self, payment: KnownPayment) -> Work:
        """See LostPayments.read."""
        async with self._begin() as transaction:
            try:
                return await transaction.claim_one(payment.merchant_id, payment.id)
            except (PaymentBusy, PaymentUnreadable) as refusal:
                raise PaymentNotHeld(refusal.message) from None

    async def adopt(self, payment: KnownPayment, stated: Sequence[Stated]) -> bool:
        """See LostPayments.adopt."""
        async with self._begin() as transaction:
            for one in stated:
                try:
                    if not await transaction.adopt(self._decider, payment, one):
                        return False
                except PaymentBusy:
                    return False
            await transaction.commit()
        return True

    async def hold(
        self,
        work: Work,
        changes: Sequence[Change],
        operator: Operator,
        operations: Sequence[LostOperation],
    ) -> None:
        """See LostPayments.hold."""
        payment = work.payment
        async with self._begin() as transaction:
            try:
                now = await transaction.claim_one(payment.merchant_id, payment.id)
            except PaymentBusy as refusal:
                raise PaymentNotHeld(refusal.message) from None
            last = len(changes) - 1
            for at, change in enumerate(changes):
                leased = replace(change, lease_token=now.lease_token, keeps_lease=at < last)
                if not await transaction.write([leased]):
                    raise PaymentNotHeld("somebody else has changed it meanwhile")
            for one in operations:
                await transaction.note_sent(work, one)
            await transaction.log(
                operator,
                Action.PLACE_HOLD,
                payment.transaction_id,
                merchant_id=payment.merchant_id,
                provider_answer="; ".join(map(str, operations)),
            )
            await transaction.commit()

    @asynccontextmanager
    async def _begin(self) -> AsyncIterator[_Transaction]:
        async with connected(self._engine) as connection:
            yield _Transaction(connection, self._outbox, Patience(), self._unreadable)
