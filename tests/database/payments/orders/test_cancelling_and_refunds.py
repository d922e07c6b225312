"""Cancel and refund on a real database: once for a key, never against a worker, and carried out."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.base.convert import encode_refund
from services.payments.base.idempotency import Created, IdempotencyKeyReused
from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.facts import Call, Work
from services.payments.engine.store.work import PostgresWork
from services.payments.model.answer import Answer, Outcome
from services.payments.model.attempt import AttemptState
from services.payments.model.payment import (
    Failure,
    Payment,
    PaymentBusy,
    PaymentNotCancellable,
    PaymentNotFound,
    RefundTooLarge,
    State,
)
from services.payments.orders.cancelling import Cancelling
from services.payments.orders.refunds import RefundOrder, Refunds
from services.payments.orders.store.payments import PostgresPayments
from services.shared.money import Money
from tests.makers import CAPABILITIES, NOW, make_new_payment, make_trail
from tests.questions import past_questions

DECIDER = Decider(CAPABILITIES, spread=lambda: 0.0)
SUCCEEDED = Answer(outcome=Outcome.SUCCEEDED, provider_reference="x_1")
RETURNED = Answer(outcome=Outcome.FAILED, failure=Failure(code="payout_blocked", message="blocked"))


@pytest.fixture
def cancelling(engine: AsyncEngine) -> Cancelling:
    return Cancelling(PostgresWork(engine))


@pytest.fixture
def refunds(engine: AsyncEngine) -> Refunds:
    return Refunds(PostgresWork(engine), PostgresPayments(engine), encode_refund)


async def _created(engine: AsyncEngine) -> Payment:
    new = make_new_payment()
    await PostgresPayments(engine).create([new])
    return new.payment


async def _now(engine: AsyncEngine, payment: Payment) -> Payment:
    return await PostgresPayments(engine).get(payment.merchant_id, payment.id)


async def _step(engine: AsyncEngine, answer: Answer = SUCCEEDED) -> Sequence[Work]:
    """One round of a worker: everything that is due is claimed, sent, and given this answer."""
    store = PostgresWork(engine)
    async with store.begin() as transaction:
        claimed = await transaction.claim("test", limit=10, lease_seconds=30)
        plans = [DECIDER.plan(work) for work in claimed]
        await transaction.write([plan.change for plan in plans])
        await transaction.commit()
    asked = [past_questions(DECIDER, plan).work for plan in plans if plan.call is not None]
    async with store.begin() as transaction:
        sent = {work.payment.id: work for work in await transaction.mark_sent(asked)}
        now, _ = await transaction.untouched([], lease_seconds=0)
        changes = [DECIDER.settle(sent.get(work.payment.id, work), answer, now) for work in asked]
        await transaction.write(changes)
        await transaction.commit()
    return asked


async def _completed_and_returned(engine: AsyncEngine) -> Payment:
    payment = await _created(engine)
    await _step(engine)
    await _step(engine)
    assert (await _now(engine, payment)).state is State.COMPLETED
    store = PostgresWork(engine)
    async with store.begin() as transaction:
        work = await transaction.claim_one(payment.merchant_id, payment.id)
        await transaction.write([DECIDER.settle(work, RETURNED, work.claimed_at)])
        await transaction.commit()
    return await _now(engine, payment)


def _order(payment: Payment, key: str = "", cents: int | None = None) -> RefundOrder:
    return RefundOrder(
        merchant_id=payment.merchant_id,
        transaction_id=payment.transaction_id,
        idempotency_key=key or uuid4().hex,
        fingerprint=f"refund-{cents}".encode(),
        amount=None if cents is None else Money(cents, "USD"),
        ends_payout=True,
    )


async def _count(engine: AsyncEngine, statement: str) -> int:
    async with engine.connect() as connection:
        return int((await connection.execute(text(statement))).scalar_one())


async def test_a_new_payment_is_cancelled_at_once(
    engine: AsyncEngine, cancelling: Cancelling
) -> None:
    payment = await _created(engine)

    cancelled = await cancelling.cancel(payment.merchant_id, payment.transaction_id)

    assert cancelled.state is State.CANCELLED
    assert (await _now(engine, payment)).state is State.CANCELLED
    assert await _step(engine) == []


async def test_a_second_cancel_changes_nothing(engine: AsyncEngine, cancelling: Cancelling) -> None:
    payment = await _created(engine)
    await cancelling.cancel(payment.merchant_id, payment.transaction_id)

    again = await cancelling.cancel(payment.merchant_id, payment.transaction_id)

    assert again.state is State.CANCELLED
    assert again.version == 2


async def test_a_cancel_during_the_collection_gives_back_what_it_brings(
    engine: AsyncEngine, cancelling: Cancelling
) -> None:
    payment = await _created(engine)
    store = PostgresWork(engine)
    async with store.begin() as transaction:
        (work,) = await transaction.claim("worker", limit=1, lease_seconds=30)
        plan = DECIDER.plan(work)
        await transaction.write([plan.change])
        await transaction.commit()
    async with store.begin() as transaction:
        (sent,) = await transaction.mark_sent([plan.work])
        await transaction.commit()

    requested = await cancelling.cancel(payment.merchant_id, payment.transaction_id)
    async with store.begin() as transaction:
        now, _ = await transaction.untouched([], lease_seconds=0)
        change = DECIDER.settle(sent, SUCCEEDED, now)
        assert payment.id in await transaction.write([change])
        await transaction.commit()
    # The worker did not know of the request; the payment is due at once, and the next one does.
    assert [work.attempt and work.attempt.step for work in await _step(engine)] == []
    await _step(engine)

    assert requested.state is State.COLLECTING
    assert requested.cancel_requested_at is not None
    ended = await _now(engine, payment)
    assert (ended.state, ended.refunded) == (State.REFUNDED, payment.terms.amount)


async def test_a_payout_under_way_cannot_be_cancelled(
    engine: AsyncEngine, cancelling: Cancelling
) -> None:
    payment = await _created(engine)
    await _step(engine)
    await _step(engine, Answer(outcome=Outcome.PENDING, provider_reference="po_1"))

    with pytest.raises(PaymentNotCancellable):
        await cancelling.cancel(payment.merchant_id, payment.transaction_id)
    assert (await _now(engine, payment)).cancel_requested_at is None


async def test_another_merchants_payment_is_unknown(
    engine: AsyncEngine, cancelling: Cancelling, refunds: Refunds
) -> None:
    payment = await _created(engine)

    with pytest.raises(PaymentNotFound):
        await cancelling.cancel("somebody", payment.transaction_id)
    with pytest.raises(PaymentNotFound):
        await refunds.create(replace(_order(payment), merchant_id="somebody"))


async def test_a_refund_in_parts_is_carried_out_and_the_rest_waits(
    engine: AsyncEngine, refunds: Refunds
) -> None:
    payment = await _completed_and_returned(engine)

    await refunds.create(_order(payment, cents=2_500))
    await _step(engine)
    partly = await _now(engine, payment)
    assert (partly.state, str(partly.refunded)) == (State.PARTLY_REFUNDED, "25.00")
    assert await _step(engine) == []
    await refunds.create(_order(payment))
    await _step(engine)

    assert (await _now(engine, payment)).state is State.REFUNDED
    assert await _count(engine, "SELECT count(*) FROM attempts WHERE step = 'refund'") == 2


async def test_a_refund_is_made_once_for_its_key(engine: AsyncEngine, refunds: Refunds) -> None:
    payment = await _completed_and_returned(engine)
    order = _order(payment, key="refund-1", cents=2_500)

    refunded = await asyncio.gather(*(refunds.create(order) for _ in range(5)))
    with pytest.raises(IdempotencyKeyReused):
        await refunds.create(_order(payment, key="refund-1", cents=2_600))

    assert sorted(answer.replayed for answer in refunded) == [False, True, True, True, True]
    assert len({answer.response for answer in refunded}) == 1
    assert await _count(engine, "SELECT count(*) FROM attempts WHERE step = 'refund'") == 1


async def test_refunds_that_come_together_never_exceed_the_payment(
    engine: AsyncEngine, refunds: Refunds
) -> None:
    payment = await _completed_and_returned(engine)
    orders = [_order(payment, cents=6_000) for _ in range(4)]

    results = await asyncio.gather(
        *(refunds.create(order) for order in orders), return_exceptions=True
    )
    await _step(engine)

    assert sum(isinstance(result, Created) for result in results) == 1
    with pytest.raises(RefundTooLarge):
        await refunds.create(_order(payment, cents=6_000))
    assert str((await _now(engine, payment)).refunded) == "60.00"


async def test_a_payment_that_a_worker_has_is_not_refunded_meanwhile(
    engine: AsyncEngine, refunds: Refunds
) -> None:
    payment = await _completed_and_returned(engine)
    await refunds.create(_order(payment, cents=1_000))
    store = PostgresWork(engine)
    async with store.begin() as transaction:
        (work,) = await transaction.claim("worker", limit=1, lease_seconds=30)
        assert work.attempt is not None
        assert work.attempt.state is AttemptState.INTENDED
        await transaction.commit()

    with pytest.raises(PaymentBusy):
        await refunds.create(_order(payment, cents=1_000))


async def test_a_new_rate_brings_its_own_quote(engine: AsyncEngine) -> None:
    new = make_new_payment(quote_expires_at=NOW)
    late_but_due = replace(new.payment, state=State.FUNDED)
    await PostgresPayments(engine).create([replace(new, payment=late_but_due)])
    store = PostgresWork(engine)
    async with store.begin() as transaction:
        (work,) = await transaction.claim("test", limit=1, lease_seconds=30)
        assert DECIDER.plan(work).call is Call.PRICE
        change = DECIDER.price(work, make_trail("1520.00"), work.claimed_at)
        assert await transaction.write([change])
        await transaction.commit()

    priced = await _now(engine, new.payment)
    assert priced.state is State.CONVERTED
    assert str(priced.terms.mid_rate) == "1520.00"
    _, quotes = await PostgresPayments(engine).quotes([("sandbox", priced.quote_id)])
    (quote,) = quotes.values()
    assert quote.payment_id == new.payment.id
    assert quote.terms.payout == priced.terms.payout
    assert quote.fee_schedule_version == new.quote.fee_schedule_version
