"""Where a payment waits for a person it has a deadline from the same transaction on, keeps it, and
is due at it where its money then goes back to the payer."""

from datetime import timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.audit.checks import PostgresAudit
from services.payments.engine.store.work import PostgresWork
from services.payments.model.answer import Answer, Outcome
from services.payments.model.operator import Operator
from services.payments.model.payment import Failure, Payment
from services.payments.model.timing import DEADLINES, Waiting
from services.payments.operators.decisions import end_hold
from services.shared.money import Money
from tests.database.payments.engine.carried import carry, create, refund, settle
from tests.poison import rows, run, set_aside_step

REFUSED = Answer(outcome=Outcome.FAILED, failure=Failure(code="payout_blocked", message="blocked"))
UNFIT = Answer(outcome=Outcome.SUCCEEDED, amount=Money(1, "USD"))
_WAITS = """
    SELECT state, extract(epoch FROM deadline_at - waiting_since)::int,
           due_at IS NOT DISTINCT FROM deadline_at, due_at IS NULL FROM payments
"""


async def _returned(engine: AsyncEngine) -> Payment:
    payment = await create(engine)
    await carry(engine)
    await settle(engine, payment, REFUSED)
    return payment


def _seconds(waiting: Waiting) -> int:
    return int(DEADLINES[waiting].total_seconds())


async def _waits(engine: AsyncEngine) -> tuple[Any, ...]:
    ((state, seconds, due_then, never_due),) = await rows(engine, _WAITS)
    return state, seconds, due_then, never_due


async def test_a_returned_payout_is_due_at_its_deadline_and_then_refunded(
    engine: AsyncEngine,
) -> None:
    await _returned(engine)
    assert await _waits(engine) == ("RETURNED", _seconds(Waiting.RETURNED), True, False)

    await run(engine, "UPDATE payments SET deadline_at = now(), due_at = now()")
    await carry(engine)

    assert await _waits(engine) == ("REFUNDED", None, True, True)
    assert [*(await PostgresAudit(engine, overdue_seconds=60).report()).broken] == []


async def test_the_rest_of_a_refund_in_parts_has_a_deadline_of_its_own(
    engine: AsyncEngine,
) -> None:
    payment = await _returned(engine)
    await run(engine, "UPDATE payments SET deadline_at = deadline_at - interval '9 days'")

    await refund(engine, payment, Money(100, "USD"))
    assert (await _waits(engine))[:2] == ("REFUNDING", None)
    await carry(engine)
    waits = await _waits(engine)
    assert waits == ("PARTLY_REFUNDED", _seconds(Waiting.PARTLY_REFUNDED), True, False)

    await run(engine, "UPDATE payments SET deadline_at = now(), due_at = now()")
    await carry(engine)

    found = await rows(engine, "SELECT state, refunded_minor FROM payments")
    assert found == [("REFUNDED", 10_000)]


async def test_being_looked_at_meanwhile_neither_renews_nor_loses_the_deadline(
    engine: AsyncEngine,
) -> None:
    await _returned(engine)
    before = await rows(engine, "SELECT deadline_at, waiting_since FROM payments")

    await run(engine, "UPDATE payments SET due_at = now(), nudged = true")
    await carry(engine)

    assert await rows(engine, "SELECT deadline_at, waiting_since FROM payments") == before
    assert (await _waits(engine))[2]


async def test_a_hold_has_a_deadline_at_which_nothing_moves_by_itself(engine: AsyncEngine) -> None:
    payment = await create(engine)
    await carry(engine, UNFIT)
    assert await _waits(engine) == ("COLLECTING", _seconds(Waiting.ON_HOLD), False, True)

    await run(engine, "UPDATE payments SET deadline_at = now() - interval '1 day'")
    audit = PostgresAudit(engine, overdue_seconds=60)
    (waits,) = (await audit.report()).waiting
    assert (waits.waiting, waits.payments, waits.past_deadline) == ("ON_HOLD", 1, 1)

    async with PostgresWork(engine).begin() as transaction:
        work = await transaction.claim_one(payment.merchant_id, payment.id)
        await transaction.write([end_hold(work, Operator(name="ada"))])
        await transaction.commit()
    assert (await _waits(engine))[1] is None
    assert (await audit.report()).waiting == []


async def test_a_step_that_is_set_aside_has_the_deadline_of_a_hold(engine: AsyncEngine) -> None:
    payment = await create(engine)

    await set_aside_step(engine, payment.id)

    assert (await _waits(engine))[1] == _seconds(Waiting.ON_HOLD)
    assert DEADLINES[Waiting.ON_HOLD] == timedelta(days=3)
