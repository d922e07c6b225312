"""A payout's intent is written with what its collection came to, where nothing has happened to the
payment since it was claimed and its lease lasts."""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.facts import Plan, Work
from services.payments.engine.store.work import PostgresWork
from services.payments.model.answer import Answer, Outcome
from services.payments.model.payment import Failure
from services.payments.orders.store.payments import PostgresPayments
from tests.makers import CAPABILITIES, make_new_payment

DECIDER = Decider(CAPABILITIES, spread=lambda: 0.0)
SUCCEEDED = Answer(outcome=Outcome.SUCCEEDED, provider_reference="x_1")
NO_BALANCE = Answer(
    outcome=Outcome.FAILED, failure=Failure(code="insufficient_balance", message="empty")
)


async def _collecting(engine: AsyncEngine, count: int = 1) -> list[Work]:
    """New payments, claimed and marked as sent."""
    await PostgresPayments(engine).create([make_new_payment() for _ in range(count)])
    async with PostgresWork(engine).begin() as transaction:
        claimed = await transaction.claim("test", limit=count, lease_seconds=30)
        plans = [DECIDER.plan(work) for work in claimed]
        await transaction.write([plan.change for plan in plans])
        marked = await transaction.mark_sent([plan.work for plan in plans])
        await transaction.commit()
    return list(marked)


async def _follow(engine: AsyncEngine, work: Work, *, commit: bool = True) -> Plan:
    """Records that the collection has succeeded, and the intent of the payout."""
    async with PostgresWork(engine).begin() as transaction:
        now, _ = await transaction.untouched([work], lease_seconds=15)
        plan = DECIDER.follow(work, DECIDER.settle(work, SUCCEEDED, now))
        assert plan is not None
        assert list(await transaction.write([plan.change])) == [work.payment.id]
        if commit:
            await transaction.commit()
    return plan


async def _untouched(engine: AsyncEngine, work: Sequence[Work], lease_seconds: float) -> int:
    async with PostgresWork(engine).begin() as transaction:
        _, untouched = await transaction.untouched(work, lease_seconds=lease_seconds)
        return len(untouched)


async def _scalar(engine: AsyncEngine, query: str) -> object:
    async with engine.connect() as connection:
        return (await connection.execute(text(query))).scalar_one()


ATTEMPTS = "SELECT string_agg(step || ' ' || state, ', ' ORDER BY step) FROM attempts"


async def test_a_following_intent_is_written_with_the_change_before_it(engine: AsyncEngine) -> None:
    (work,) = await _collecting(engine)

    await _follow(engine, work)

    assert await _scalar(engine, ATTEMPTS) == "collection SUCCEEDED, payout INTENDED"
    assert await _scalar(engine, "SELECT state FROM payments") == "PAYING_OUT"
    assert await _scalar(engine, "SELECT lease_until > now() FROM payments")
    posted = "SELECT to_state FROM payment_events WHERE sequence = (SELECT max(sequence)"
    assert await _scalar(engine, f"{posted} FROM postings)") == "CONVERTED"


async def test_a_payout_that_follows_is_marked_before_its_first_send(engine: AsyncEngine) -> None:
    (work,) = await _collecting(engine)
    plan = await _follow(engine, work)

    async with PostgresWork(engine).begin() as transaction:
        (payout,) = await transaction.mark_sent([plan.work])
        await transaction.commit()

    assert payout.first_send
    assert await _scalar(engine, ATTEMPTS) == "collection SUCCEEDED, payout SENT"


async def test_without_a_commit_neither_is_there(engine: AsyncEngine) -> None:
    (work,) = await _collecting(engine)

    await _follow(engine, work, commit=False)

    assert await _scalar(engine, ATTEMPTS) == "collection SENT"


async def test_an_overtaken_worker_writes_neither(engine: AsyncEngine) -> None:
    (work,) = await _collecting(engine)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE payments SET lease_token = lease_token + 1"))

    async with PostgresWork(engine).begin() as transaction:
        now, untouched = await transaction.untouched([work], lease_seconds=15)
        plan = DECIDER.follow(work, DECIDER.settle(work, SUCCEEDED, now))
        assert plan is not None
        assert not await transaction.write([plan.change])
        await transaction.commit()

    assert not untouched
    assert await _scalar(engine, ATTEMPTS) == "collection SENT"


async def test_a_payment_is_untouched_where_no_change_came_and_its_lease_lasts(
    engine: AsyncEngine,
) -> None:
    notified, requested, fenced, left = await _collecting(engine, 4)
    async with engine.begin() as connection:
        notify = text("UPDATE payments SET nudged = true WHERE id = :id")
        await connection.execute(notify, {"id": notified.payment.id})
    async with PostgresWork(engine).begin() as transaction:
        await transaction.request_cancel(requested.payment)
        await transaction.commit()
    work = [notified, requested, replace(fenced, lease_token=0), left]

    assert await _untouched(engine, work, lease_seconds=15) == 1
    assert await _untouched(engine, [left], lease_seconds=15) == 1
    assert await _untouched(engine, [left], lease_seconds=40) == 0


async def test_no_wake_up_shortens_the_rest_of_a_payment(
    engine: AsyncEngine,
) -> None:
    plan = await _follow(engine, (await _collecting(engine))[0])
    async with PostgresWork(engine).begin() as transaction:
        (work,) = await transaction.mark_sent([plan.work])
        now, _ = await transaction.untouched([], lease_seconds=0)
        await transaction.write([DECIDER.settle(work, NO_BALANCE, now)])
        await transaction.commit()
    rests_until = await _scalar(engine, "SELECT rests_until FROM payments WHERE due_at > now()")
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE payments SET due_at = now(), nudged = true"))

    async with PostgresWork(engine).begin() as transaction:
        (woken,) = await transaction.claim("test", limit=1, lease_seconds=30)
        await transaction.write([DECIDER.plan(woken).change])
        await transaction.commit()

    assert await _scalar(engine, ATTEMPTS) == "collection SUCCEEDED, payout FAILED"
    left = "SELECT rests_until FROM payments WHERE due_at = rests_until AND lease_until IS NULL"
    assert await _scalar(engine, left) == rests_until
