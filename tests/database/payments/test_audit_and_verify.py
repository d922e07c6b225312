"""The audit finds nothing where all is well, and each invariant catches the very damage it is there
for: a check that cannot fail proves nothing."""

from collections.abc import Sequence

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.domain.attempt import Answer, Outcome, Step
from services.payments.domain.payment import Failure
from services.payments.steps import Decider
from services.payments.store import PostgresAudit, PostgresPayments, PostgresWork
from services.payments.store.audit import INVARIANTS, Finding
from services.payments.verify import render
from services.shared.db import open_engine
from tests.conftest import Database
from tests.makers import CAPABILITIES, make_new_payment

DECIDER = Decider(CAPABILITIES, spread=lambda: 0.5)
SUCCEEDED = Answer(outcome=Outcome.SUCCEEDED, provider_reference="x_1")
REFUSED = Answer(
    outcome=Outcome.FAILED, failure=Failure(code="recipient_blocked", message="blocked")
)

DAMAGE = {
    "every balance is the sum of its postings": (
        "UPDATE balances SET balance_minor = balance_minor + 1 WHERE account = 'revenue:fees:USD'"
    ),
    "a settled payment has nothing left on its account": (
        "INSERT INTO postings SELECT merchant_id, id, 99, 0, 'payments:NGN', 'fx:rounding:NGN', "
        "'NGN', 5, 'planted', now() FROM payments WHERE state = 'COMPLETED'"
    ),
    "a history has no gap and ends where its payment stands": (
        "DELETE FROM payment_events WHERE sequence = 1"
    ),
    "every move is one that the table allows": (
        "UPDATE payment_events SET from_state = 'CREATED' WHERE to_state = 'COMPLETED'"
    ),
    "what is funded was collected, once": (
        "UPDATE attempts SET state = 'FAILED' WHERE step = 'collection'"
    ),
    "what is completed was paid out, once, and nothing else was": (
        "UPDATE attempts SET state = 'SUCCEEDED' WHERE step = 'payout'"
    ),
    "what is refunded was refunded, once, and nothing else was": (
        "UPDATE attempts SET state = 'UNKNOWN' WHERE step = 'refund'"
    ),
    "every payment has one idempotency key, and every key a payment": (
        "DELETE FROM idempotency_keys"
    ),
    "a payment and its quote name each other": "UPDATE quotes SET payment_id = NULL",
    "no payment that should go on has been forgotten": (
        "UPDATE payments SET due_at = NULL WHERE state = 'CREATED'"
    ),
}


async def _create(engine: AsyncEngine) -> None:
    await PostgresPayments(engine).create([make_new_payment()])


async def _carry(engine: AsyncEngine, payout: Answer) -> None:
    """Takes every payment as far as it goes, with this answer to its payout."""
    while True:
        async with PostgresWork(engine).begin() as transaction:
            claimed = await transaction.claim("test", limit=10, lease_seconds=30)
            plans = [DECIDER.plan(work) for work in claimed]
            await transaction.write([plan.change for plan in plans])
            await transaction.commit()
        if not plans:
            return
        async with PostgresWork(engine).begin() as transaction:
            sent = await transaction.mark_sent([plan.work for plan in plans])
            now = await transaction.now()
            answers = [
                payout if w.attempt and w.attempt.step is Step.PAYOUT else SUCCEEDED for w in sent
            ]
            settled = [DECIDER.settle(w, a, now) for w, a in zip(sent, answers, strict=True)]
            await transaction.write(settled)
            await transaction.commit()


@pytest.fixture
async def books(engine: AsyncEngine) -> AsyncEngine:
    """A database with a payment that is completed, one that is refunded, and one just created."""
    await _create(engine)
    await _carry(engine, SUCCEEDED)
    await _create(engine)
    await _carry(engine, REFUSED)
    await _create(engine)
    return engine


async def _findings(engine: AsyncEngine) -> Sequence[Finding]:
    return await PostgresAudit(engine, overdue_seconds=60).findings()


def test_every_invariant_has_a_damage_that_proves_it() -> None:
    assert set(DAMAGE) == set(INVARIANTS)


async def test_sound_books_have_no_finding(books: AsyncEngine) -> None:
    findings = await _findings(books)

    assert {finding.violations for finding in findings} == {0}
    assert "All hold." in render(findings)


async def test_an_empty_database_has_no_finding(engine: AsyncEngine) -> None:
    assert {finding.violations for finding in await _findings(engine)} == {0}


@pytest.mark.parametrize("invariant", DAMAGE)
async def test_damage_is_found_by_the_invariant_it_breaks(
    books: AsyncEngine, database: Database, invariant: str
) -> None:
    owner = open_engine(database.owner_url, pool_size=1, application="test")
    async with owner.begin() as connection:
        # Only a superuser can get past the triggers, and only like this.
        await connection.execute(text("SET LOCAL session_replication_role = replica"))
        await connection.execute(text(DAMAGE[invariant]))
    await owner.dispose()

    findings = await _findings(books)

    broken = {finding.invariant for finding in findings if finding.violations}
    assert invariant in broken
    assert "do not hold" in render(findings)
