"""A refund from a time that the database has lost is counted after the release of its payment; the
request for it, which its client repeats under a key that nobody knows any more, is answered with
that refund, and gives nothing back a second time."""

from dataclasses import replace

import pytest
from caravel.payments.v1 import refunds_pb2
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.base.convert import encode_refund
from services.payments.base.idempotency import Created
from services.payments.engine.store.work import PostgresWork
from services.payments.model.answer import Answer
from services.payments.model.attempt import Step
from services.payments.model.payment import PaymentOnHold
from services.payments.operators.decisions import end_hold
from services.payments.orders.refunds import RefundOrder, Refunds
from services.payments.orders.store.payments import PostgresPayments
from services.shared.money import Money
from tests.database.payments.recovery.drill import ADA, PAID, Drill, make_lost

Known = dict[tuple[str, Step, int], Answer]
PART = Money(2_500, "USD")
COLLECTED: Known = {("stripe", Step.COLLECTION, 1): PAID}
IN_PART = {**COLLECTED, ("stripe", Step.REFUND, 1): replace(PAID, amount=PART)}
WHOLE = {**COLLECTED, ("stripe", Step.REFUND, 1): PAID}


async def _ask(drill: Drill, amount: Money | None, key: str = "refund-1") -> Created:
    """A merchant asks for a refund."""
    store = PostgresWork(drill.engine)
    return await Refunds(store, PostgresPayments(drill.engine), encode_refund).create(
        RefundOrder(
            merchant_id=drill.new.key[0],
            transaction_id=drill.payment.transaction_id,
            idempotency_key=key,
            fingerprint=f"{amount}".encode(),
            amount=amount,
            reason="damaged",
            ends_payout=True,
        )
    )


async def _released(drill: Drill) -> None:
    await drill.recover()
    await drill.change(lambda work: end_hold(work, ADA))
    await drill.carry()


@pytest.mark.parametrize(("known", "amount"), [(IN_PART, PART), (WHOLE, None)])
async def test_a_repeated_request_is_answered_with_its_refund_and_sends_nothing(
    engine: AsyncEngine, known: Known, amount: Money | None
) -> None:
    drill = Drill(engine, make_lost(), known)
    await _released(drill)
    [made] = (await drill.read()).refunds

    answers = [await _ask(drill, amount) for _ in range(2)]

    shown = refunds_pb2.Refund.FromString(answers[0].response)
    assert (shown.refund_id, shown.requested_by, shown.reason) == (
        *(made.refund_id, "merchant", "damaged"),
    )
    assert answers[1] == replace(answers[0], replayed=True)
    assert await drill.carry() == []
    assert len((await drill.read()).refunds) == 1
    await drill.assert_all_holds()


async def test_a_request_before_the_refund_is_confirmed_is_answered_with_it(
    engine: AsyncEngine,
) -> None:
    drill = Drill(engine, make_lost(), IN_PART)
    await drill.recover()
    await drill.change(lambda work: end_hold(work, ADA))

    answered = refunds_pb2.Refund.FromString((await _ask(drill, PART)).response)

    assert answered.status == refunds_pb2.Refund.PENDING
    assert await drill.carry() == []
    [made] = (await drill.read()).refunds
    assert (made.refund_id, made.status) == (answered.refund_id, "SUCCEEDED")
    await drill.assert_all_holds()


async def test_each_refund_answers_one_request(engine: AsyncEngine) -> None:
    drill = Drill(engine, make_lost(), IN_PART)
    await _released(drill)
    await _ask(drill, PART)

    await _ask(drill, PART, key="refund-2")

    assert await drill.carry() == [drill.key(Step.REFUND, 2)]
    assert (await drill.read()).refunded == PART + PART
    await drill.assert_all_holds()


async def test_a_request_for_another_amount_is_one_of_its_own(engine: AsyncEngine) -> None:
    drill = Drill(engine, make_lost(), IN_PART)
    await _released(drill)

    await _ask(drill, Money(1_000, "USD"))

    assert await drill.carry() == [drill.key(Step.REFUND, 2)]


async def test_nothing_is_answered_before_the_release(engine: AsyncEngine) -> None:
    drill = Drill(engine, make_lost(), IN_PART)
    await drill.recover()

    with pytest.raises(PaymentOnHold):
        await _ask(drill, PART)
