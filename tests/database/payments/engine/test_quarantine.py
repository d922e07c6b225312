"""A failure on our side strikes one payment or event alone, is counted, and sets it aside in the
end: rows that cannot be read, decisions that raise, refused changes, payments that kill the
worker."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.facts import Change, Plan, Work
from services.payments.engine.store.work import PostgresWork
from services.payments.engine.worker import Worker
from services.payments.model.answer import Answer
from services.payments.model.payment import Payment, State
from services.payments.orders.store.payments import PostgresPayments
from tests.fakes import FixedRates, ScriptedProviders
from tests.logs import logged
from tests.makers import CAPABILITIES, make_new_payment
from tests.poison import SOON, bring, rows, run
from tests.polling import until


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Errors are logged as services do it; drawn for a terminal, they would take seconds."""
    with logged():
        yield


class Choosy(Decider):
    """A decider that breaks down over one payment."""

    def __init__(self, poison: UUID, *, plans: bool = False, settles: bool = False) -> None:
        super().__init__(CAPABILITIES, spread=lambda: 0.0)
        self._poison, self._plans, self._settles = poison, plans, settles

    def plan(self, work: Work) -> Plan:
        if self._plans and work.payment.id == self._poison:
            raise RuntimeError("the account of Ada Lovelace")
        return super().plan(work)

    def settle(self, work: Work, answer: Answer, now: Any) -> Change:
        if self._settles and work.payment.id == self._poison:
            raise RuntimeError("the account of Ada Lovelace")
        return super().settle(work, answer, now)


@asynccontextmanager
async def _working(engine: AsyncEngine, decider: Decider | None = None) -> AsyncIterator[None]:
    worker = Worker(
        owner=uuid4().hex,
        store=PostgresWork(engine, patience=SOON),
        providers=ScriptedProviders(),
        rates=FixedRates(),
        decider=decider or Decider(CAPABILITIES, spread=lambda: 0.0),
        claim_max=16,
        under_way_max=64,
        lease_seconds=30,
        poll_seconds=0.01,
    )
    stopping = asyncio.Event()
    task = asyncio.create_task(worker.run(stopping))
    yield
    stopping.set()
    worker.wake()
    await task


async def _create(engine: AsyncEngine, count: int) -> list[Payment]:
    new = [make_new_payment() for _ in range(count)]
    await PostgresPayments(engine).create(new)
    return [item.payment for item in new]


async def _completed(engine: AsyncEngine, count: int) -> None:
    query = "SELECT count(*) FROM payments WHERE state = 'COMPLETED'"
    await until(lambda: rows(engine, query), lambda found: found == [(count,)])


async def _set_aside(engine: AsyncEngine, poison: UUID) -> tuple[Any, ...]:
    """Waits until it is; gives how often it failed, the error, and its last event."""
    query = """
        SELECT hold_reason, step_failures, last_error, cause, actor, evidence->>'attempts'
          FROM payments p JOIN payment_events e ON e.payment_id = p.id AND e.sequence = p.version
         WHERE id = :id
    """
    found = await until(
        lambda: rows(engine, query, id=poison), lambda found: found[0][0] == "step_failed"
    )
    return found[0][1:]


async def test_a_row_that_cannot_be_read_is_set_aside_and_twenty_others_complete(
    engine: AsyncEngine,
) -> None:
    payments = await _create(engine, 21)
    poison = payments[10].id
    await run(engine, "UPDATE payments SET route = '{}' WHERE id = :id", id=poison)

    async with _working(engine):
        await _completed(engine, 20)
        attempts, error, cause, actor, counted = await _set_aside(engine, poison)

    assert (attempts, cause, actor, counted) == (5, "held_step_failed", "worker", "5")
    assert error.startswith("KeyError in payments.base.condition_rows.")


async def test_an_attempt_that_cannot_be_read_fails_alone(engine: AsyncEngine) -> None:
    payments = await _create(engine, 21)
    poison = payments[10]
    await run(
        engine,
        "UPDATE payments SET state = 'COLLECTING' WHERE id = :id",
        """
        INSERT INTO attempts (merchant_id, payment_id, step, number, provider, key, amount_minor,
               currency, state, provider_reference, inconclusive_count)
        VALUES ('sandbox', :id, 'collection', 1, 'stripe', 'k', 1, 'USD', 'NONSENSE', '', 0)
        """,
        id=poison.id,
    )

    async with _working(engine):
        await _completed(engine, 20)
        _, error, *_ = await _set_aside(engine, poison.id)

    assert error.startswith("ValueError in payments.base.attempt_rows.read_attempt")


@pytest.mark.parametrize("broken", ["plans", "settles"])
async def test_a_decision_that_raises_fails_alone_and_its_words_are_not_kept(
    engine: AsyncEngine, broken: str
) -> None:
    payments = await _create(engine, 21)
    poison = payments[10].id

    async with _working(engine, Choosy(poison, **{broken: True})):
        await _completed(engine, 20)
        attempts, error, *_ = await _set_aside(engine, poison)

    assert attempts == 5
    assert error.startswith("RuntimeError in payments.engine.")
    assert "Ada" not in error


async def test_a_change_that_the_database_refuses_fails_alone(
    engine: AsyncEngine,
) -> None:
    payments = await _create(engine, 21)
    poison = payments[10].id
    await run(
        engine,
        """
        INSERT INTO payment_events (merchant_id, payment_id, sequence, from_state, to_state, actor,
               cause, evidence, trace_id)
        VALUES ('sandbox', :id, 2, 'CREATED', 'CREATED', 'test', 'test', '{}', '')
        """,
        id=poison,
    )

    async with _working(engine):
        await _completed(engine, 20)
        _, error, *_ = await _set_aside(engine, poison)

    assert error == "DatabaseMistake: UniqueViolationError SQLSTATE 23505 payment_events_pkey"


async def test_a_result_that_the_database_refuses_fails_alone(engine: AsyncEngine) -> None:
    payments = await _create(engine, 21)
    poison = payments[10].id
    await run(
        engine,
        f"ALTER TABLE postings ADD CONSTRAINT no_luck CHECK (payment_id <> '{poison}')",
    )

    async with _working(engine):
        await _completed(engine, 20)
        _, error, *_ = await _set_aside(engine, poison)

    assert error == "DatabaseMistake: CheckViolationError SQLSTATE 23514 no_luck"
    assert await rows(engine, "SELECT state FROM attempts WHERE payment_id = :id", id=poison) == [
        ("SENT",)
    ]


INBOX = "SELECT event_id, state, failures, set_aside_at IS NOT NULL FROM webhook_inbox ORDER BY 1"


async def test_an_event_that_cannot_be_read_is_set_aside_and_its_payment_goes_on(
    engine: AsyncEngine,
) -> None:
    (payment,) = await _create(engine, 1)
    await bring(engine, payment.id, "bad")
    await bring(engine, payment.id, "good")
    await run(engine, "UPDATE webhook_inbox SET answer = '{\"outcome\": 7}' WHERE event_id='bad'")

    async with _working(engine):
        await _completed(engine, 1)
        inbox = await until(lambda: rows(engine, INBOX), lambda found: found[0][1] == "SET_ASIDE")

    assert inbox[0][1:] == ("SET_ASIDE", 5, True)
    assert inbox[1][1] in ("APPLIED", "IGNORED")
    assert await rows(engine, "SELECT step_failures FROM payments") == [(0,)]


class FailsWithEvents(Decider):
    """A decider that breaks down over one event."""

    def __init__(self) -> None:
        super().__init__(CAPABILITIES, spread=lambda: 0.0)

    def plan(self, work: Work) -> Plan:
        if any(event.event_id == "bad" for event in work.inbox):
            raise RuntimeError
        return super().plan(work)


async def test_an_event_whose_application_raises_is_set_aside_and_the_other_is_applied(
    engine: AsyncEngine,
) -> None:
    (payment,) = await _create(engine, 1)
    await bring(engine, payment.id, "bad")
    await bring(engine, payment.id, "good")

    async with _working(engine, FailsWithEvents()):
        await _completed(engine, 1)
        inbox = await until(lambda: rows(engine, INBOX), lambda found: found[0][1] == "SET_ASIDE")

    assert inbox[0][1:] == ("SET_ASIDE", 5, True)
    assert inbox[1][1] in ("APPLIED", "IGNORED")


async def test_success_resets_the_count(engine: AsyncEngine) -> None:
    (payment,) = await _create(engine, 1)
    await run(engine, "UPDATE payments SET step_failures = 4, last_error = 'x'")

    async with _working(engine):
        await _completed(engine, 1)

    assert await rows(engine, "SELECT step_failures, last_error FROM payments") == [(0, None)]
    assert (await PostgresPayments(engine).get("sandbox", payment.id)).state is State.COMPLETED
