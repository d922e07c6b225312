"""Payments in a database, taken as far as they go without their processes."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.base.convert import encode_refund
from services.payments.base.idempotency import Created
from services.payments.engine.decisions.decider import Decider
from services.payments.engine.store.work import PostgresWork
from services.payments.model.answer import Answer, Outcome
from services.payments.model.payment import Payment
from services.payments.orders.refunds import RefundOrder, Refunds
from services.payments.orders.store.payments import PostgresPayments
from services.shared.money import Money
from tests.makers import CAPABILITIES, make_new_payment
from tests.questions import past_questions

DECIDER = Decider(CAPABILITIES, spread=lambda: 0.5)
SUCCEEDED = Answer(outcome=Outcome.SUCCEEDED, provider_reference="x_1")


async def create(engine: AsyncEngine, **changes: Any) -> Payment:
    new = make_new_payment(**changes)
    await PostgresPayments(engine).create([new])
    return new.payment


async def carry(
    engine: AsyncEngine, answer: Answer = SUCCEEDED, *, work: PostgresWork | None = None
) -> None:
    """Takes every payment that is due as far as it goes, with this answer to each of its steps."""
    store = work or PostgresWork(engine)
    while True:
        async with store.begin() as transaction:
            claimed = await transaction.claim("test", limit=10, lease_seconds=30)
            plans = [DECIDER.plan(item) for item in claimed]
            await transaction.write([plan.change for plan in plans])
            await transaction.commit()
        if not plans:
            return
        async with store.begin() as transaction:
            asked = [past_questions(DECIDER, plan).work for plan in plans if plan.call]
            sent = await transaction.mark_sent(asked)
            now, _ = await transaction.untouched([], lease_seconds=0)
            await transaction.write([DECIDER.settle(item, answer, now) for item in sent])
            await transaction.commit()


async def settle(engine: AsyncEngine, payment: Payment, answer: Answer) -> None:
    async with PostgresWork(engine).begin() as transaction:
        work = await transaction.claim_one(payment.merchant_id, payment.id)
        await transaction.write([DECIDER.settle(work, answer, work.claimed_at)])
        await transaction.commit()


async def refund(
    engine: AsyncEngine, payment: Payment, amount: Money | None, *, key: str = ""
) -> Created:
    order = RefundOrder(
        merchant_id=payment.merchant_id,
        transaction_id=payment.transaction_id,
        idempotency_key=key or str(amount),
        fingerprint=b"part",
        amount=amount,
        ends_payout=True,
    )
    return await Refunds(PostgresWork(engine), PostgresPayments(engine), encode_refund).create(
        order
    )
