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
from services.payments.engine.quarantine import Patience
from services.payments.model.attempt import AttemptState
from services.payments.model.operator import Operator
from services.payments.model.payment import SETTLED, PaymentBusy, PaymentOnHold, State
from services.payments.operators.decisions import place_hold
from services.payments.operators.domain import Action, PaymentNotHoldable
from services.payments.operators.store.operations import PostgresOperatorTransaction
from services.payments.recovery.ports import KnownPayment, LostOperation, PaymentNotHeld
from services.payments.webhooks_out.notification import EncodeEvent
from services.payments.webhooks_out.store.outbox_writer import OutboxWriter
from services.shared.db import connected
from services.shared.ids import Prefix, encode_id

_KNOWN = text(
    """
    SELECT p.id, p.merchant_id, p.state, p.offramp, count(a.number) AS payouts
      FROM payments p LEFT JOIN attempts a
        ON a.merchant_id = p.merchant_id AND a.payment_id = p.id AND a.step = 'payout'
     WHERE p.id = ANY(:payment_ids)
     GROUP BY p.merchant_id, p.id
    """
)
_OPEN_AT = text("SELECT id FROM payments WHERE offramp = :provider ORDER BY id DESC LIMIT 1000")
# As the worker marks it before a send: whoever has it next looks it up before anything else.
_SENT = text(
    """
    UPDATE attempts
       SET state = 'SENT', sent_at = least(CAST(:made_at AS timestamptz), now()),
           last_sent_at = now(), leaves_until = now(),
           sends = greatest(sends, 1), provider_reference = :provider_reference, updated_at = now()
     WHERE merchant_id = :merchant_id AND payment_id = :payment_id AND key = :key
       AND state = 'INTENDED'
    """
)


class _Transaction(PostgresOperatorTransaction):
    async def note_sent(self, payment: KnownPayment, lost: LostOperation) -> bool:
        """Whether the attempt has been intended, and counts as sent from here on."""
        named = {
            "merchant_id": payment.merchant_id,
            "payment_id": payment.id,
            "key": lost.listed.key,
            "provider_reference": lost.listed.provider_reference,
            "made_at": lost.listed.created_at,
        }
        return (await self._connection.execute(_SENT, named)).rowcount == 1


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
            return {
                row.id: KnownPayment(
                    id=row.id,
                    merchant_id=row.merchant_id,
                    offramp=row.offramp,
                    payouts=row.payouts,
                    is_over=State(row.state) in SETTLED,
                )
                for row in await connection.execute(_KNOWN, asked)
            }

    async def open_at(self, provider: str) -> Sequence[str]:
        """See LostPayments.open_at."""
        async with connected(self._engine) as connection:
            found = await connection.execute(_OPEN_AT, {"provider": provider})
            return [encode_id(Prefix.PAYMENT, row.id) for row in found]

    async def adopt(self, payment: KnownPayment, lost: LostOperation) -> bool:
        """See LostPayments.adopt."""
        async with self._begin() as transaction:
            try:
                work = await transaction.claim_one(payment.merchant_id, payment.id)
            except PaymentBusy:
                return False
            plan = self._decider.plan(work)
            intended = plan.work.attempt
            if intended is None or intended.state is not AttemptState.INTENDED:
                return False
            if (intended.key, intended.provider) != (lost.listed.key, lost.provider):
                return False
            change = replace(plan.change, keeps_lease=False, due_in=timedelta(0))
            if not await transaction.write([change]):
                return False
            if not await transaction.note_sent(payment, lost):
                return False
            await transaction.commit()
        return True

    async def hold(self, payment: KnownPayment, operator: Operator, words: str) -> None:
        """See LostPayments.hold."""
        async with self._begin() as transaction:
            try:
                work = await transaction.claim_one(payment.merchant_id, payment.id)
                change = place_hold(work, operator)
            except PaymentOnHold:
                return
            except (PaymentBusy, PaymentNotHoldable) as refusal:
                raise PaymentNotHeld(refusal.message) from None
            if not await transaction.write([change]):
                raise PaymentNotHeld("somebody else has changed it meanwhile")
            await transaction.log(
                operator,
                Action.PLACE_HOLD,
                payment.transaction_id,
                merchant_id=payment.merchant_id,
                provider_answer=words,
            )
            await transaction.commit()

    @asynccontextmanager
    async def _begin(self) -> AsyncIterator[_Transaction]:
        async with connected(self._engine) as connection:
            yield _Transaction(connection, self._outbox, Patience(), self._unreadable)
