"""Claims count a failure before they look at what may be to blame, so that a payment that kills its
worker is found; and they take the count back from everybody else."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.engine.claims import Claims
from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.facts import Plan, Work
from services.payments.engine.quarantine import Patience
from services.payments.engine.store.work import PostgresWork
from services.payments.model.payment import Payment
from services.payments.orders.store.payments import PostgresPayments
from services.shared.errors import Unavailable
from tests.logs import logged
from tests.makers import CAPABILITIES, make_new_payment
from tests.poison import SOON, claims, rows, run


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Errors are logged as services do it; drawn for a terminal, they would take seconds."""
    with logged():
        yield


class Dies(BaseException):
    """Stands for the death of the process: nothing of ours catches it."""


class Trips(Decider):
    """A decider that breaks down over one payment, in one way."""

    def __init__(self, poison: UUID, error: BaseException) -> None:
        super().__init__(CAPABILITIES, spread=lambda: 0.0)
        self._poison, self._error = poison, error

    def plan(self, work: Work) -> Plan:
        if work.payment.id == self._poison:
            raise self._error
        return super().plan(work)


async def _create(engine: AsyncEngine, count: int) -> list[Payment]:
    new = [make_new_payment() for _ in range(count)]
    await PostgresPayments(engine).create(new)
    return [item.payment for item in new]


async def test_a_payment_that_kills_every_worker_is_set_aside(engine: AsyncEngine) -> None:
    payments = await _create(engine, 5)
    poison = payments[2].id
    deaths = 0
    # Each comes back at once: the one that kills before the others, and these in turn.
    all_due = (
        "UPDATE payments SET lease_until = now() - interval '1 s', due_at = now() - interval '1 s' "
        "* CASE id WHEN :poison THEN 2 ELSE 1.0 / (1 + lease_token) END WHERE due_at IS NOT NULL"
    )

    for _ in range(40):
        worker = claims(engine, Trips(poison, Dies()))
        try:
            await worker.take(16)
            await worker.take_failed()
        except Dies:
            deaths += 1
        await run(engine, all_due, poison=poison)

    held = "SELECT id, step_failures, last_error FROM payments WHERE hold_reason = 'step_failed'"
    words = "the worker did not come back from this step"
    assert await rows(engine, held) == [(poison, 5, words)]
    assert deaths == 5
    innocent = "SELECT count(*) FROM payments WHERE state = 'COLLECTING' AND hold_reason IS NULL"
    assert await rows(engine, innocent) == [(4,)]


async def test_a_worker_that_dies_of_one_has_counted_only_the_batch_it_could_not_separate(
    engine: AsyncEngine,
) -> None:
    payments = await _create(engine, 3)
    with pytest.raises(Dies):
        await claims(engine, Trips(payments[1].id, Dies())).take(16)
    await run(engine, "UPDATE payments SET lease_until = now() - interval '1 s'")

    worker = claims(engine)
    assert (await worker.take(16))[1] == 0
    alone = [len((await worker.take_failed())[0]) for _ in range(4)]

    assert alone == [1, 1, 1, 0]


async def test_a_database_that_goes_away_counts_against_nobody(engine: AsyncEngine) -> None:
    await _create(engine, 3)

    class Away(PostgresWork):
        gone = False

        @asynccontextmanager
        async def begin(self) -> AsyncIterator[Any]:
            async with super().begin() as transaction:
                if self.gone:
                    raise Unavailable
                yield transaction
                self.gone = True

    store = Away(engine, SOON)
    worker = Claims(
        store,
        Decider(CAPABILITIES, spread=lambda: 0.0),
        owner="test",
        lease_seconds=30,
        poll_seconds=0,
    )
    with pytest.raises(Unavailable):
        await worker.take(16)
    counted = "SELECT DISTINCT step_failures, lease_until IS NULL FROM payments"
    assert await rows(engine, counted) == [(1, False)]

    store.gone = False
    with pytest.raises(Unavailable):
        await worker.take(16)

    assert await rows(engine, counted) == [(0, True)]


async def test_a_failed_step_rests_longer_each_time(engine: AsyncEngine) -> None:
    (payment,) = await _create(engine, 1)
    store = PostgresWork(engine, patience=Patience(first_rest=timedelta(seconds=100)))
    worker = Claims(
        store, Trips(payment.id, RuntimeError()), owner="t", lease_seconds=30, poll_seconds=0
    )
    await worker.take(16)
    rest = "SELECT extract(epoch FROM due_at - now())::int FROM payments"
    rests: list[tuple[Any, ...]] = []
    for _ in range(4):
        rests += await rows(engine, rest)
        await run(engine, "UPDATE payments SET due_at = now()")
        await worker.take_failed()

    assert [round(rest, -2) for (rest,) in rests] == [100, 400, 1600, 6400]
    held = "SELECT hold_reason, step_failures FROM payments"
    assert await rows(engine, held) == [("step_failed", 5)]
