"""The cancel window on a real database: kept with the payment, in no alarm, and ended either by a
cancel or by the payout."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.audit.checks import PostgresAudit
from services.payments.audit.watch import PostgresWatch
from services.payments.engine.decisions.decider import Decider
from services.payments.engine.store.work import PostgresWork
from services.payments.model.payment import Payment, PaymentNotCancellable, State
from services.payments.model.progress import expected_times
from services.payments.model.quote import RefundFees
from services.payments.orders.cancelling import Cancelling
from services.payments.orders.store.payments import PostgresPayments
from tests.database.payments.engine.carried import carry, create
from tests.makers import CAPABILITIES, CONDITIONS, make_new_payment, make_quote
from tests.poison import rows, run

DECIDER = Decider(CAPABILITIES, spread=lambda: 0.0)
WINDOW = timedelta(minutes=30)
ROUTE = replace(CONDITIONS.route, cancel_window=WINDOW)
END_OF_WINDOW = "UPDATE payments SET cancellable_until = now(), due_at = now()"


async def _collected(engine: AsyncEngine) -> Payment:
    payment = await create(engine, route=ROUTE, refund_fees=RefundFees.KEPT)
    await carry(engine)
    return await _now(engine, payment)


async def _now(engine: AsyncEngine, payment: Payment) -> Payment:
    return await PostgresPayments(engine).get(payment.merchant_id, payment.id)


async def _broken(engine: AsyncEngine) -> Sequence[str]:
    report = await PostgresAudit(engine, overdue_seconds=60).report()
    return [finding.invariant for finding in report.broken]


async def test_a_quote_and_its_payment_keep_the_window(engine: AsyncEngine) -> None:
    quote = make_quote(conditions=replace(CONDITIONS, route=ROUTE))
    new = make_new_payment(quote=quote, route=ROUTE)
    store = PostgresPayments(engine)
    await store.create([new])

    (kept,) = (await store.quotes([(new.key[0], quote.id)]))[1].values()

    assert kept.conditions is not None
    assert kept.conditions.route.cancel_window == WINDOW
    assert (await _now(engine, new.payment)).route.cancel_window == WINDOW


async def test_rows_from_before_the_window_have_none(engine: AsyncEngine) -> None:
    payment = await create(engine)

    (kept,) = await rows(engine, "SELECT route ? 'cancel_window_seconds' FROM payments")

    assert kept == (False,)
    assert (await _now(engine, payment)).route.cancel_window == timedelta(0)


async def test_it_rests_in_its_window_and_is_then_paid_out(engine: AsyncEngine) -> None:
    payment = await _collected(engine)

    assert payment.state is State.CONVERTED
    assert payment.cancellable_until is not None
    assert payment.cancellable_until - payment.updated_at <= WINDOW
    assert await _broken(engine) == []

    await run(engine, END_OF_WINDOW)
    await carry(engine)

    assert (await _now(engine, payment)).state is State.COMPLETED
    assert await _broken(engine) == []


async def test_a_cancel_within_the_window_refunds_the_fees_too(engine: AsyncEngine) -> None:
    payment = await _collected(engine)

    await Cancelling(PostgresWork(engine)).cancel(payment.merchant_id, payment.transaction_id)
    await carry(engine)

    ended = await _now(engine, payment)
    assert (ended.state, ended.refunded) == (State.REFUNDED, ended.terms.amount)
    assert await _broken(engine) == []


async def test_once_the_payout_is_intended_a_cancel_is_refused(engine: AsyncEngine) -> None:
    payment = await _collected(engine)
    await run(engine, END_OF_WINDOW)
    async with PostgresWork(engine).begin() as transaction:
        (work,) = await transaction.claim("test", limit=1, lease_seconds=30)
        await transaction.write([DECIDER.plan(work).change])
        await transaction.commit()

    with pytest.raises(PaymentNotCancellable):
        await Cancelling(PostgresWork(engine)).cancel(payment.merchant_id, payment.transaction_id)


async def test_of_a_cancel_and_the_payout_at_the_end_of_the_window_exactly_one_happens(
    engine: AsyncEngine,
) -> None:
    for _ in range(8):
        payment = await _collected(engine)
        await run(engine, f"{END_OF_WINDOW} WHERE state = 'CONVERTED'")
        cancel = Cancelling(PostgresWork(engine)).cancel(
            payment.merchant_id, payment.transaction_id
        )

        answer, _ = await asyncio.gather(cancel, carry(engine), return_exceptions=True)
        await carry(engine)

        ended = await _now(engine, payment)
        if isinstance(answer, PaymentNotCancellable):
            assert (ended.state, ended.refunds) == (State.COMPLETED, ())
        else:
            assert isinstance(answer, Payment)
            assert ended.state is State.REFUNDED
        paid = "SELECT count(*) FROM attempts WHERE step = 'payout' AND payment_id = :id"
        ((payouts,),) = await rows(engine, paid.replace(":id", f"'{payment.id}'"))
        assert payouts == (ended.state is State.COMPLETED)
    assert await _broken(engine) == []


async def test_a_claim_that_is_lost_before_its_commit_leaves_the_payment_cancellable(
    engine: AsyncEngine,
) -> None:
    payment = await _collected(engine)
    await run(engine, END_OF_WINDOW)
    async with PostgresWork(engine).begin() as transaction:
        (work,) = await transaction.claim("test", limit=1, lease_seconds=30)
        await transaction.write([DECIDER.plan(work).change])

    await Cancelling(PostgresWork(engine)).cancel(payment.merchant_id, payment.transaction_id)
    await carry(engine)

    assert (await _now(engine, payment)).state is State.REFUNDED


async def test_it_is_overdue_only_after_its_window(engine: AsyncEngine) -> None:
    await _collected(engine)
    # Of a payment that has just come to its state, the time that is usual is over.
    expected = [replace(one, within=-timedelta(days=1)) for one in expected_times(CAPABILITIES)]

    async def overdue() -> int:
        sight = await PostgresWatch(engine, expected).look()
        return sum(one.payments for one in sight.overdue)

    await run(engine, "UPDATE payments SET cancellable_until = now() + interval '2 days'")
    assert await overdue() == 0
    await run(engine, "UPDATE payments SET cancellable_until = now()")
    assert await overdue() == 1
