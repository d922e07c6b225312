"""Refunds in the database: those of a payment add up, with and without its fees, also where many
ask at once; and those from before they were rows of their own become rows."""

import asyncio
import os
import subprocess
import sys
from dataclasses import replace

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.audit.checks import PostgresAudit
from services.payments.base.convert import encode_refund
from services.payments.engine.decisions.facts import Call
from services.payments.engine.store.work import PostgresWork
from services.payments.model.answer import Answer, Outcome
from services.payments.model.attempt import Step
from services.payments.model.operator import Operator
from services.payments.model.payment import Failure, Payment, PaymentBusy, RefundTooLarge
from services.payments.model.quote import RefundFees
from services.payments.operators.decisions import end_hold
from services.payments.orders.refunds import Refunds, RetryOrder
from services.payments.orders.store.payments import PostgresPayments
from services.shared.errors import DomainError
from services.shared.money import Money
from tests.conftest import ROOT, Database
from tests.database.payments.engine.carried import DECIDER, carry, create, refund, settle
from tests.makers import make_event
from tests.poison import rows, run

BLOCKED = Failure(code="payout_blocked", message="blocked")
REFUSED = Answer(outcome=Outcome.FAILED, failure=BLOCKED)
NOT_GIVEN = Answer(outcome=Outcome.FAILED, failure=Failure(code="refund_declined", message="no"))
CAME_BACK = Answer(outcome=Outcome.FAILED, failure=Failure(code="card_declined", message="no"))
_REFUNDS = """
    SELECT payment_id, number, amount_minor, currency, requested_by, provider, status,
           provider_reference, failure_code FROM refunds ORDER BY payment_id, number
"""


async def _returned(engine: AsyncEngine, fees: RefundFees = RefundFees.RETURNED) -> Payment:
    payment = await create(engine, refund_fees=fees)
    await carry(engine)
    await settle(engine, payment, REFUSED)
    return payment


async def _broken(engine: AsyncEngine) -> list[object]:
    return [*(await PostgresAudit(engine, overdue_seconds=60).report()).broken]


async def test_kept_fees_stay_ours_and_the_parts_add_up_to_the_rest(engine: AsyncEngine) -> None:
    payment = await _returned(engine, RefundFees.KEPT)
    net = payment.terms.net
    assert payment.terms.fee.amount_minor > 0

    with pytest.raises(RefundTooLarge) as refused:
        await refund(engine, payment, net + Money(1, "USD"))
    assert refused.value.metadata == {"refundable_usd": str(net)}
    for part in (Money(1, "USD"), Money(1999, "USD")):
        await refund(engine, payment, part)
        await carry(engine)
    await refund(engine, payment, None, key="the rest")
    await carry(engine)

    found = await rows(engine, "SELECT state, refunded_minor FROM payments")
    assert found == [("REFUNDED", net.amount_minor)]
    assert await rows(engine, "SELECT sum(amount_minor) FROM refunds") == [(net.amount_minor,)]
    left = await rows(
        engine, "SELECT account, balance_minor FROM balances WHERE balance_minor <> 0 ORDER BY 1"
    )
    assert abs(dict(left)["revenue:fees:USD"]) == payment.terms.fee.amount_minor
    assert await _broken(engine) == []


@pytest.mark.parametrize("together", [6, 24])
async def test_parts_that_are_asked_for_at_once_are_taken_in_turn(
    engine: AsyncEngine, together: int
) -> None:
    payment = await _returned(engine)
    part = Money(payment.terms.amount.amount_minor // 5, "USD")
    waiting = [str(number) for number in range(together)]
    ends: list[str] = []

    async def ask(key: str) -> str:
        try:
            await refund(engine, payment, part, key=key)
        except PaymentBusy:
            return "busy"
        except DomainError as refused:
            return refused.reason
        return "taken"

    while waiting:
        answers = await asyncio.gather(*(ask(key) for key in waiting))
        assert answers.count("taken") <= 1
        await carry(engine)
        ended = [(k, a) for k, a in zip(waiting, answers, strict=True) if a != "busy"]
        ends += [answer for _, answer in ended]
        waiting = [key for key in waiting if key not in {k for k, _ in ended}]

    assert ends.count("taken") == 5
    assert {*ends} <= {"taken", "REFUND_TOO_LARGE", "PAYMENT_NOT_REFUNDABLE"}
    assert await rows(engine, "SELECT state FROM payments") == [("REFUNDED",)]
    assert await _broken(engine) == []


async def _reversed(engine: AsyncEngine, payment: Payment, number: int) -> None:
    """The onramp says in an event, and when it is asked, that this attempt came back."""
    async with PostgresWork(engine).begin() as transaction:
        work = await transaction.claim_one(payment.merchant_id, payment.id)
        tried = [a for a in (work.attempt, *work.earlier) if a is not None]
        back = next(a for a in tried if (a.step, a.number) == (Step.REFUND, number))
        event = make_event(back, Outcome.FAILED, signed=True)
        plan = DECIDER.plan(replace(work, inbox=(event,)))
        assert (plan.call, plan.work.attempt) == (Call.LOOK_UP, back)
        await transaction.write([DECIDER.settle(plan.work, CAME_BACK, work.claimed_at)])
        await transaction.commit()


async def _release(engine: AsyncEngine, payment: Payment) -> None:
    async with PostgresWork(engine).begin() as transaction:
        work = await transaction.claim_one(payment.merchant_id, payment.id)
        await transaction.write([end_hold(work, Operator(name="ada"))])
        await transaction.commit()


async def _retry(engine: AsyncEngine, payment: Payment, number: int) -> None:
    known = await PostgresPayments(engine).get(payment.merchant_id, payment.id)
    order = RetryOrder(
        merchant_id=payment.merchant_id,
        refund_id=known.refunds[number - 1].refund_id,
        idempotency_key=f"retry {number}",
        fingerprint=b"retry",
    )
    await Refunds(PostgresWork(engine), PostgresPayments(engine), encode_refund).retry(order)


@pytest.mark.parametrize("fees", list(RefundFees))
@pytest.mark.parametrize("back", [(1,), (2,), (1, 2), (2, 1)])
async def test_refunds_that_came_back_are_paid_again_and_the_payer_has_it_all_once(
    engine: AsyncEngine, fees: RefundFees, back: tuple[int, ...]
) -> None:
    payment = await _returned(engine, fees)
    await refund(engine, payment, Money(4000, "USD"))
    await carry(engine)
    await refund(engine, payment, None)
    await carry(engine)
    whole = await rows(engine, "SELECT state, refunded_minor FROM payments")

    for number in back:
        await _reversed(engine, payment, number)
        assert await _broken(engine) == []
    sums = await rows(
        engine,
        "SELECT refunded_minor, (SELECT coalesce(sum(amount_minor), 0) "
        "FROM refunds WHERE status = 'SUCCEEDED') FROM payments",
    )
    assert sums[0][0] == sums[0][1]
    held = await rows(engine, "SELECT state, hold_reason FROM payments")
    assert held == [("PARTLY_REFUNDED", "refund_reversed")]
    await _release(engine, payment)
    await carry(engine)
    assert await _broken(engine) == []
    for number in back:
        await _retry(engine, payment, number)
        await carry(engine)
        assert await _broken(engine) == []

    assert await rows(engine, "SELECT state, refunded_minor FROM payments") == whole
    assert await rows(engine, "SELECT DISTINCT status FROM refunds") == [("SUCCEEDED",)]
    left = await rows(
        engine,
        "SELECT account FROM balances "
        "WHERE balance_minor <> 0 AND account ~ '^(suspense|payments)'",
    )
    assert left == []


async def _there_again(engine: AsyncEngine, payment: Payment, number: int) -> None:
    """The onramp says in an event, and when it is asked, that this attempt has succeeded."""
    async with PostgresWork(engine).begin() as transaction:
        work = await transaction.claim_one(payment.merchant_id, payment.id)
        tried = [a for a in (work.attempt, *work.earlier) if a is not None]
        late = next(a for a in tried if (a.step, a.number) == (Step.REFUND, number))
        event = make_event(late, Outcome.SUCCEEDED, signed=True)
        plan = DECIDER.plan(replace(work, inbox=(event,)))
        assert plan.call is Call.LOOK_UP
        given = Answer(outcome=Outcome.SUCCEEDED, amount=late.amount)
        await transaction.write([DECIDER.settle(plan.work, given, work.claimed_at)])
        await transaction.commit()


async def _look_up(engine: AsyncEngine) -> None:
    """A worker asks about what is due, and the provider says that it succeeded."""
    async with PostgresWork(engine).begin() as transaction:
        (work,) = await transaction.claim("test", limit=10, lease_seconds=30)
        plan = DECIDER.plan(work)
        assert plan.call is Call.LOOK_UP
        given = Answer(outcome=Outcome.SUCCEEDED)
        await transaction.write([DECIDER.settle(plan.work, given, work.claimed_at)])
        await transaction.commit()


@pytest.mark.parametrize("parts", [(None,), (4000, None), (4000, 1000)])
@pytest.mark.parametrize("number", [1, 2])
async def test_a_refund_that_came_back_and_is_there_again_counts_after_its_release(
    engine: AsyncEngine, parts: tuple[int | None, ...], number: int
) -> None:
    payment = await _returned(engine)
    for part in parts:
        await refund(engine, payment, Money(part, "USD") if part else None)
        await carry(engine)
    number = min(number, len(parts))
    whole = await rows(engine, "SELECT state, refunded_minor FROM payments")

    await _reversed(engine, payment, number)
    await _there_again(engine, payment, number)
    held = await rows(engine, "SELECT state, hold_reason FROM payments")
    assert held == [("PARTLY_REFUNDED", "late_success")]
    assert await _broken(engine) == []
    await _release(engine, payment)
    await _look_up(engine)
    await carry(engine)

    assert await rows(engine, "SELECT state, refunded_minor FROM payments") == whole
    assert await rows(engine, "SELECT DISTINCT status FROM refunds") == [("SUCCEEDED",)]
    assert await rows(engine, "SELECT hold_reason FROM payments") == [(None,)]
    left = "SELECT 1 FROM balances WHERE balance_minor <> 0 AND account LIKE 'suspense%'"
    assert await rows(engine, left) == []
    assert await _broken(engine) == []


async def test_one_that_is_there_again_after_another_was_paid_stays_on_suspense(
    engine: AsyncEngine,
) -> None:
    payment = await _returned(engine)
    await refund(engine, payment, None)
    await carry(engine)
    await _reversed(engine, payment, 1)
    await _release(engine, payment)
    await _retry(engine, payment, 1)
    await carry(engine)
    await _there_again(engine, payment, 1)
    await _release(engine, payment)
    await carry(engine)

    assert await rows(engine, "SELECT state, hold_reason FROM payments") == [("REFUNDED", None)]
    left = "SELECT balance_minor FROM balances WHERE account LIKE 'suspense%'"
    assert [abs(row[0]) for row in await rows(engine, left)] == [payment.terms.amount.amount_minor]
    assert await _broken(engine) == []


async def test_refunds_from_before_they_were_rows_become_rows(
    engine: AsyncEngine, database: Database
) -> None:
    whole, parts, failed, asked = [await _returned(engine) for _ in range(4)]
    await refund(engine, whole, None, key="whole")
    await refund(engine, parts, Money(700, "USD"), key="first")
    await carry(engine)
    await refund(engine, parts, None, key="second")
    await carry(engine)
    await refund(engine, failed, None, key="failed")
    await carry(engine, NOT_GIVEN)
    await refund(engine, asked, None, key="asked")
    before = await rows(engine, _REFUNDS)
    assert [row[6] for row in before].count("SUCCEEDED") == 3
    assert await _broken(engine) == []

    for direction in (("downgrade", "0016"), ("upgrade", "head")):
        done = await asyncio.to_thread(_alembic, database, *direction)
        assert done.returncode == 0, done.stderr

    assert await rows(engine, _REFUNDS) == before
    assert await _broken(engine) == []
    await carry(engine)
    assert await _broken(engine) == []


async def test_payment_in_parts_from_before_states_that_it_waits(
    engine: AsyncEngine, database: Database
) -> None:
    payment = await _returned(engine)
    await refund(engine, payment, Money(700, "USD"))
    await carry(engine)
    await run(engine, "UPDATE payments SET state = 'REFUNDING'")

    for direction in (("downgrade", "0016"), ("upgrade", "head")):
        done = await asyncio.to_thread(_alembic, database, *direction)
        assert done.returncode == 0, done.stderr
    await carry(engine)

    assert await rows(engine, "SELECT state FROM payments") == [("PARTLY_REFUNDED",)]


def _alembic(database: Database, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "alembic", *words],
        cwd=ROOT,
        env={**os.environ, "MIGRATION_DATABASE_URL": database.owner_url},
        capture_output=True,
        text=True,
        check=False,
    )
