"""A mark says until when its request may leave, whatever the lease."""

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.facts import Work
from services.payments.engine.store.work import PostgresWork
from services.payments.orders.store.payments import PostgresPayments
from tests.makers import CAPABILITIES, make_new_payment

DECIDER = Decider(CAPABILITIES, spread=lambda: 0.5)


async def _marked(engine: AsyncEngine, *, lease_seconds: float = 30) -> Work:
    """Claims the one payment that is due, and marks its attempt as sent."""
    async with PostgresWork(engine).begin() as transaction:
        claimed = await transaction.claim("test", limit=1, lease_seconds=lease_seconds)
        plans = [DECIDER.plan(work) for work in claimed]
        await transaction.write([plan.change for plan in plans if not plan.change.is_nothing])
        (sent,) = await transaction.mark_sent([plan.work for plan in plans])
        await transaction.commit()
    return sent


async def _scalar(engine: AsyncEngine, query: str) -> Any:
    async with engine.connect() as connection:
        return (await connection.execute(text(query))).scalar_one()


@pytest.fixture
async def created(engine: AsyncEngine) -> AsyncEngine:
    """The engine of a database with one payment that is due."""
    await PostgresPayments(engine).create([make_new_payment()])
    return engine


@pytest.mark.parametrize(("lease_seconds", "within"), [(1, 1), (11, 11), (30, 12), (600, 12)])
async def test_a_mark_says_until_when_the_request_may_leave(
    created: AsyncEngine, lease_seconds: int, within: int
) -> None:
    """One call at most, and never longer than the lease lasts, so that whoever takes the payment
    over knows by when the worker before it cannot have sent any more."""
    sent = await _marked(created, lease_seconds=lease_seconds)

    leaves_within = "extract(epoch FROM leaves_until - last_sent_at)"
    assert within - 1 < await _scalar(created, f"SELECT {leaves_within} FROM attempts") <= within
    leased = "SELECT leaves_until <= lease_until FROM attempts JOIN payments ON id = payment_id"
    assert await _scalar(created, leased)
    assert sent.attempt is not None
    assert sent.attempt.leaves_until == await _scalar(created, "SELECT leaves_until FROM attempts")


async def test_a_later_mark_never_shortens_the_time_of_an_earlier_one(created: AsyncEngine) -> None:
    await _marked(created)
    later = "UPDATE attempts SET leaves_until = now() + interval '1 h'"
    over = "UPDATE payments SET lease_until = now() - interval '1 s'"
    async with created.begin() as connection:
        await connection.execute(text(later))
        await connection.execute(text(over))

    await _marked(created)
    kept = "SELECT leaves_until > now() + interval '50 min' FROM attempts"
    assert await _scalar(created, kept)


async def test_a_worker_that_states_no_limit_gets_the_longest(created: AsyncEngine) -> None:
    """The version before marks so, while the workers are exchanged."""
    await _marked(created)
    async with created.begin() as connection:
        await connection.execute(text("UPDATE attempts SET last_sent_at = now()"))

    within = "SELECT extract(epoch FROM leaves_until - last_sent_at) FROM attempts"
    assert await _scalar(created, within) == 600
