"""The audit finds nothing where all is well, and each invariant catches the very damage it is there
for: a check that cannot fail proves nothing."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.domain.attempt import Answer, Outcome, Step
from services.payments.domain.payment import Failure
from services.payments.steps import Decider
from services.payments.store import PostgresAudit, PostgresPayments, PostgresWork
from services.payments.store.audit import INVARIANTS, Report
from services.payments.store.audit.checks import LOCK
from services.payments.verify import render
from services.shared.money import Money
from tests.conftest import Database
from tests.database.payments.damage import DAMAGE
from tests.makers import CAPABILITIES, make_new_payment

DECIDER = Decider(CAPABILITIES, spread=lambda: 0.5)
SUCCEEDED = Answer(outcome=Outcome.SUCCEEDED, provider_reference="x_1")
PENDING = Answer(outcome=Outcome.PENDING, provider_reference="x_1")
REFUSED = Answer(
    outcome=Outcome.FAILED, failure=Failure(code="recipient_blocked", message="blocked")
)


TOO_LITTLE = Answer(outcome=Outcome.SUCCEEDED, amount=Money(1, "USD"))


async def _create(engine: AsyncEngine) -> None:
    await PostgresPayments(engine).create([make_new_payment()])


async def _carry(engine: AsyncEngine, **answers: Answer) -> None:
    """Takes every payment as far as it goes, with these answers to its steps, or success."""
    while True:
        async with PostgresWork(engine).begin() as transaction:
            claimed = await transaction.claim("test", limit=10, lease_seconds=30)
            plans = [DECIDER.plan(work) for work in claimed]
            await transaction.write([plan.change for plan in plans])
            await transaction.commit()
        asking = [plan.work for plan in plans if plan.call]
        if not plans:
            return
        async with PostgresWork(engine).begin() as transaction:
            sent = await transaction.mark_sent(asking)
            now = await transaction.now()
            changes = [
                DECIDER.settle(work, answers.get(work.attempt.step, SUCCEEDED), now)
                for work in sent
                if work.attempt
            ]
            await transaction.write(changes)
            await transaction.commit()


async def _run(database: Database, statements: str) -> None:
    owner = await asyncpg.connect(database.owner_url)
    # Only a superuser can get past the triggers, and only like this.
    await owner.execute(f"SET session_replication_role = replica; {statements}")
    await owner.close()


@pytest.fixture
async def books(engine: AsyncEngine, database: Database) -> AsyncEngine:
    """A database with payments that are completed, refunded, failed, held, being paid out, and just
    created."""
    for answers in (
        {},
        {Step.PAYOUT: REFUSED},
        {Step.COLLECTION: REFUSED},
        {Step.COLLECTION: TOO_LITTLE},
        {Step.PAYOUT: PENDING},
    ):
        await _create(engine)
        await _carry(engine, **answers)
    await _create(engine)
    await _run(
        database, "UPDATE payments SET refunded_minor = amount_minor WHERE state = 'REFUNDED'"
    )
    return engine


async def _report(engine: AsyncEngine) -> Report:
    # What was changed about the database is seen by new sessions.
    await engine.dispose()
    return await PostgresAudit(engine, overdue_seconds=60).report()


def test_every_invariant_has_a_damage_that_proves_it() -> None:
    assert {broken[0] for _, broken in DAMAGE} == set(INVARIANTS)


async def test_sound_books_have_no_finding(books: AsyncEngine) -> None:
    assert [*(await _report(books)).broken] == []


async def test_an_empty_database_has_no_finding(engine: AsyncEngine) -> None:
    report = await _report(engine)

    assert [*report.broken] == []
    assert "All hold." in render(report, [])


@pytest.mark.parametrize(("statements", "broken"), DAMAGE, ids=[broken[0] for _, broken in DAMAGE])
async def test_damage_is_found_by_what_it_breaks_and_nothing_else(
    books: AsyncEngine, database: Database, statements: str, broken: tuple[str, ...]
) -> None:
    await _run(database, statements)

    report = await _report(books)

    assert {finding.invariant for finding in report.broken} == set(broken)
    assert f"{len(broken)} of {len(INVARIANTS)} do not hold." in render(report, [])


async def test_accounts_are_explained_by_what_lies_on_them_and_people_by_what_waits(
    books: AsyncEngine, database: Database
) -> None:
    await _run(
        database,
        "INSERT INTO webhook_inbox (provider, event_id, event_type, answer, body, state, "
        "merchant_id, payment_id) SELECT 'x', 'e', 'paid', '{}', '', 'SET_ASIDE', merchant_id, id "
        "FROM payments LIMIT 1",
    )
    audit = PostgresAudit(books, overdue_seconds=60)

    shown = render(await audit.report(), await audit.flows()).splitlines()

    # Three payments have collected 100 dollars each, and one of them has been refunded.
    onramp = shown.index(next(line for line in shown if "onramp:stripe:USD" in line))
    assert shown[onramp].split()[-2:] == ["200.00", "USD"]
    assert shown[onramp + 1].split() == ["funds_collected", "3", "300.00", "USD"]
    assert shown[onramp + 2].split()[1:] == ["1", "-100.00", "USD"]
    assert any("fx:rounding:NGN" in line for line in shown)
    assert "  1 held: amount_mismatch, the oldest for 0 s" in shown
    assert "  1 set aside: inbox" in shown
    assert max(map(len, shown)) <= 100


async def test_one_audit_runs_at_a_time_and_verify_waits_for_none(
    books: AsyncEngine, database: Database
) -> None:
    audit = PostgresAudit(books, overdue_seconds=60)

    async with other_audit(database):
        assert await audit.report_unless_running() is None
        assert (await audit.report()).findings

    assert await audit.report_unless_running() is not None


@asynccontextmanager
async def other_audit(database: Database) -> AsyncIterator[None]:
    """Another process in the middle of its audit."""
    other = await asyncpg.connect(database.url)
    async with other.transaction():
        await other.execute(f"SELECT pg_advisory_xact_lock({LOCK})")
        yield
    await other.close()
