"""The audit finds nothing where all is well, and each invariant catches the very damage it is there
for: a check that cannot fail proves nothing."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.audit.checks import INVARIANTS, LOCK, PostgresAudit
from services.payments.audit.parts import WHOLE_ONLY
from services.payments.audit.prices import EXPLAINED
from services.payments.audit.report import Accounts, Report
from services.payments.audit.verify import render
from services.payments.base.convert import encode_refund
from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.waiting import release
from services.payments.engine.store.work import PostgresWork
from services.payments.model.answer import Answer, Outcome
from services.payments.model.attempt import Step
from services.payments.model.fixed_payout import agree_payout, smallest_net_minor
from services.payments.model.ledger import collection_postings, exchange_postings
from services.payments.model.payment import ExchangeRule, Failure, Payment
from services.payments.model.quote import (
    agree_terms,
)
from services.payments.orders.refunds import RefundOrder, Refunds
from services.payments.orders.store.payments import PostgresPayments
from services.shared.ids import encode_id
from services.shared.money import Money, exponent
from tests.conftest import Database
from tests.database.payments.audit.damage import DAMAGE, UNSEEN_BY_PARTS
from tests.makers import (
    CAPABILITIES,
    CONDITIONS,
    FEES,
    asked_about_payouts,
    make_new_payment,
    make_quote,
    make_trail,
)
from tests.poison import rows

DECIDER = Decider(CAPABILITIES, spread=lambda: 0.5)
SUCCEEDED = Answer(outcome=Outcome.SUCCEEDED, provider_reference="x_1")
PENDING = Answer(outcome=Outcome.PENDING, provider_reference="x_1")
REFUSED = Answer(outcome=Outcome.FAILED, failure=Failure(code="payout_blocked", message="blocked"))


LATER = timedelta(minutes=5)
TOO_LITTLE = Answer(outcome=Outcome.SUCCEEDED, amount=Money(1, "USD"))


async def _create(engine: AsyncEngine) -> Payment:
    new = make_new_payment()
    await PostgresPayments(engine).create([new])
    return new.payment


async def _carry(engine: AsyncEngine, **answers: Answer) -> None:
    """Takes every payment as far as it goes, with these answers to its steps, or success."""
    while True:
        async with PostgresWork(engine).begin() as transaction:
            claimed = await transaction.claim("test", limit=10, lease_seconds=30)
            plans = [DECIDER.plan(work) for work in claimed]
            await transaction.write([plan.change for plan in plans])
            await transaction.commit()
        asking = [asked_about_payouts(DECIDER, p, REFUSED).work for p in plans if p.call]
        if not plans:
            return
        async with PostgresWork(engine).begin() as transaction:
            sent = await transaction.mark_sent(asking)
            now, _ = await transaction.untouched([], lease_seconds=0)
            changes = [
                DECIDER.settle(work, answers.get(work.attempt.step, SUCCEEDED), now)
                for work in sent
                if work.attempt
            ]
            await transaction.write(changes)
            await transaction.commit()


async def _run(database: Database, statements: str) -> None:
    administrator = await asyncpg.connect(database.superuser_url)
    # Only a superuser gets past foreign keys, and only like this.
    await administrator.execute(f"SET session_replication_role = replica; {statements}")
    await administrator.close()


@pytest.fixture
async def books(engine: AsyncEngine) -> AsyncEngine:
    """A database with payments that are completed, refunded, refunded in part after their return,
    failed, held for two reasons, being paid out, and just created."""
    for answers in (
        {},
        {Step.PAYOUT: REFUSED},
        {Step.COLLECTION: REFUSED},
        {Step.COLLECTION: TOO_LITTLE},
        {Step.PAYOUT: REFUSED, Step.REFUND: REFUSED},
        {Step.PAYOUT: PENDING},
    ):
        await _create(engine)
        await _carry(engine, **answers)
    await _return_and_refund_a_part(engine)
    await _create(engine)
    return engine


async def _settle(engine: AsyncEngine, payment: Payment, answer: Answer) -> None:
    """Takes an answer about the payment's present attempt for what it is."""
    async with PostgresWork(engine).begin() as transaction:
        work = await transaction.claim_one(payment.merchant_id, payment.id)
        await transaction.write([DECIDER.settle(work, answer, work.claimed_at)])
        await transaction.commit()


async def _return_and_refund_a_part(engine: AsyncEngine) -> None:
    """A payment that is paid out, comes back, and goes back to its payer for 30 of 100 dollars."""
    payment = await _create(engine)
    await _carry(engine)
    await _settle(engine, payment, REFUSED)
    await Refunds(PostgresWork(engine), PostgresPayments(engine), encode_refund).create(
        RefundOrder(
            merchant_id=payment.merchant_id,
            transaction_id=payment.transaction_id,
            idempotency_key="part",
            fingerprint=b"part",
            amount=Money(3_000, "USD"),
            ends_payout=True,
        )
    )
    await _carry(engine)


async def _report(engine: AsyncEngine) -> Report:
    # Only new sessions see a change of the database itself.
    await engine.dispose()
    return await PostgresAudit(engine, overdue_seconds=60).report()


def test_every_invariant_has_a_damage_that_proves_it() -> None:
    assert {broken[0] for _, broken in DAMAGE} == {*INVARIANTS, EXPLAINED}


async def test_sound_books_have_no_finding(books: AsyncEngine) -> None:
    assert [*(await _report(books)).broken] == []


async def test_a_payment_that_was_exchanged_by_the_first_rule_is_verified_and_unwound_by_it(
    engine: AsyncEngine, database: Database
) -> None:
    payment = await _create(engine)
    await _carry(engine, payout=PENDING)
    await _run(database, "TRUNCATE postings, balances; UPDATE payments SET exchange_rule = 1")
    first = replace(payment, exchange_rule=ExchangeRule.SOLD_AT_MIDDLE)
    posted = (*collection_postings(first), *exchange_postings(first))
    async with PostgresWork(engine).begin() as transaction:
        work = await transaction.claim_one(payment.merchant_id, payment.id)
        await transaction.write([replace(release(work, due_in=LATER), postings=posted)])
        await transaction.commit()

    assert payment.terms.payout.currency == "NGN"
    assert [*(await _report(engine)).broken] == []
    await _settle(engine, payment, REFUSED)
    await _carry(engine)

    assert await rows(engine, "SELECT state FROM payments") == [("REFUNDED",)]
    left = "SELECT account, balance_minor FROM balances WHERE balance_minor <> 0"
    assert await rows(engine, left) == []
    assert [*(await _report(engine)).broken] == []


async def test_an_exchange_of_the_second_rule_has_no_rounding(
    books: AsyncEngine, database: Database
) -> None:
    assert await rows(books, "SELECT * FROM balances WHERE account LIKE 'fx:rounding%'") == []

    await _run(database, "UPDATE payments SET exchange_rule = 1 WHERE state = 'COMPLETED'")

    (finding,) = (await _report(books)).broken
    assert finding.invariant == "an exchange has both its legs by the rule it was posted by"


async def _create_in_whole_units(engine: AsyncEngine, decimals: int | None) -> None:
    terms = agree_terms(Money(10_000, "USD"), "TZS", FEES, make_trail("2503.777"), decimals)
    route = replace(CONDITIONS.route, payout_decimals=decimals)
    conditions = replace(CONDITIONS, route=route)
    quote = make_quote(terms=terms, trail=make_trail("2503.777"), conditions=conditions)
    await PostgresPayments(engine).create([make_new_payment(quote=quote, route=route)])
    await _carry(engine)


@pytest.mark.parametrize(("decimals", "step"), [(0, 100), (1, 10), (2, 1), (None, 1)])
async def test_a_payout_is_recomputed_to_the_decimals_of_its_route(
    engine: AsyncEngine, database: Database, decimals: int | None, step: int
) -> None:
    await _create_in_whole_units(engine, decimals)
    assert [*(await _report(engine)).broken] == []

    for off in {step, step // 2 or 1}:
        changed = f"UPDATE payments SET payout_minor = payout_minor + {off}"
        await _run(database, changed)
        found = {finding.invariant for finding in (await _report(engine)).broken}
        assert "a payment's terms add up" in found
        await _run(database, changed.replace("+", "-"))
    assert [*(await _report(engine)).broken] == []


async def _create_with_fixed_payout(engine: AsyncEngine, payout: Money, mid: str) -> None:
    trail, decimals = make_trail(mid), exponent(payout.currency)
    net = Money(smallest_net_minor(payout, trail.rate, decimals), "USD")
    route = replace(CONDITIONS.route, payout_decimals=decimals)
    conditions = replace(CONDITIONS, route=route)
    terms = agree_payout(net, payout, FEES, trail)
    quote = make_quote(terms=terms, trail=trail, conditions=conditions)
    await PostgresPayments(engine).create([make_new_payment(quote=quote, route=route)])


@pytest.mark.parametrize(
    ("payout", "mid"),
    [
        (Money(14_845_339, "NGN"), "1530.25"),
        (Money(14_846_860, "NGN"), "1530.25"),
        (Money(14_487, "JPY"), "149.317"),
        (Money(29_779, "KWD"), "0.30695"),
        (Money(9_000, "EUR"), "0.92"),
        (Money(2_500_001, "VND"), "25310"),
    ],
)
async def test_a_fixed_payout_is_recomputed_from_its_own_side(
    engine: AsyncEngine, database: Database, payout: Money, mid: str
) -> None:
    await _create_with_fixed_payout(engine, payout, mid)
    await _carry(engine)
    assert await rows(engine, "SELECT state, fixed_side FROM payments") == [
        ("COMPLETED", "destination")
    ]
    assert [*(await _report(engine)).broken] == []
    left = "SELECT account FROM balances WHERE account LIKE 'fx:rounding%'"
    assert await rows(engine, left) == []

    # A cent more or less of the net, and the other side: each is found.
    for changed in (
        "amount_minor = amount_minor + 1, net_minor = net_minor + 1",
        "amount_minor = amount_minor - 1, net_minor = net_minor - 1",
    ):
        await _run(database, f"UPDATE payments SET {changed}")
        found = {finding.invariant for finding in (await _report(engine)).broken}
        assert "a payment's terms add up" in found
        back = changed.replace("+", "%").replace("-", "+").replace("%", "-")
        await _run(database, f"UPDATE payments SET {back}")
    assert [*(await _report(engine)).broken] == []


async def test_the_fixed_side_of_a_payment_is_that_of_its_quote(
    engine: AsyncEngine, database: Database
) -> None:
    await _create_with_fixed_payout(engine, Money(14_845_339, "NGN"), "1530.25")
    await _run(database, "UPDATE payments SET fixed_side = 'source'")
    found = {finding.invariant for finding in (await _report(engine)).broken}
    assert found == {"a payment's terms are those of its quote", "a payment's terms add up"}


async def test_an_empty_database_has_no_finding(engine: AsyncEngine) -> None:
    report = await _report(engine)

    assert [*report.broken] == []
    assert "All hold." in render(report, Accounts())


@pytest.mark.parametrize(("statements", "broken"), DAMAGE, ids=[broken[0] for _, broken in DAMAGE])
async def test_damage_is_found_by_what_it_breaks_and_nothing_else(
    books: AsyncEngine, database: Database, statements: str, broken: tuple[str, ...]
) -> None:
    await _run(database, statements)

    report = await _report(books)

    assert {finding.invariant for finding in report.broken} == set(broken)
    assert f"{len(broken)} of {len(INVARIANTS) + 5} do not hold." in render(report, Accounts())

    part = await PostgresAudit(books, overdue_seconds=60, part_size=5).report_part_unless_running()

    assert part
    seen = set() if statements in UNSEEN_BY_PARTS else set(broken) - WHOLE_ONLY
    assert {finding.invariant for finding in part.broken} == seen


async def test_parts_come_by_every_payment_in_turn(books: AsyncEngine, database: Database) -> None:
    await _run(
        database,
        "UPDATE payments SET version = 99 "
        "WHERE id = (SELECT id FROM payments ORDER BY id OFFSET 2 LIMIT 1)",
    )
    audit = PostgresAudit(books, overdue_seconds=60, part_size=1)

    ((count,),) = await rows(books, "SELECT count(*) FROM payments")
    reports = [await audit.report_part_unless_running() for _ in range(count + 1)]

    # Two payments a part: the newest, and one after the other. Then everything.
    found = [number for number, report in enumerate(reports) if report and report.broken]
    assert found == [2, count]
    asked = [len(report.findings) for report in reports if report]
    # Beside them, whether figures can be computed, quotes explained, overrides and adjustments were
    # agreed on, and rows read.
    assert asked == [len(INVARIANTS) - len(WHOLE_ONLY) + 5] * count + [len(INVARIANTS) + 5]


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

    shown = render(await audit.report(), await audit.accounts()).splitlines()

    # Five payments have collected 100 dollars each; one was refunded, and another for 30 dollars.
    # A sixth was charged one cent in place of them, which lies on suspense.
    onramp = shown.index(next(line for line in shown if "onramp:stripe:USD" in line))
    assert shown[onramp].split()[-2:] == ["370.01", "USD"]
    assert shown[onramp + 1].split() == ["collection_to_suspense", "1", "0.01", "USD"]
    assert shown[onramp + 2].split() == ["funds_collected", "5", "500.00", "USD"]
    assert shown[onramp + 3].split() == ["refunded", "2", "-130.00", "USD"]
    suspense = shown.index(next(line for line in shown if "suspense:stripe:USD" in line))
    assert shown[suspense].split()[-2:] == ["-0.01", "USD"]
    ((held,),) = await rows(books, "SELECT id FROM payments WHERE hold_reason = 'amount_mismatch'")
    wanted = [encode_id("pay", held), "amount_mismatch", "-0.01", "USD"]
    assert shown[suspense + 1].split() == wanted
    assert any("fx:position:NGN" in line for line in shown)
    assert any(line.startswith("  1 held: amount_mismatch, the oldest for ") for line in shown)
    assert any(line.startswith("  1 held: refund_failed, the oldest for ") for line in shown)
    assert "  1 set aside: inbox" in shown
    assert max(map(len, shown)) <= 100


async def test_one_audit_runs_at_a_time_and_verify_waits_for_none(
    books: AsyncEngine, database: Database
) -> None:
    audit = PostgresAudit(books, overdue_seconds=60)

    async with other_audit(database):
        assert await audit.report_part_unless_running() is None
        assert (await audit.report()).findings

    assert await audit.report_part_unless_running() is not None


@asynccontextmanager
async def other_audit(database: Database) -> AsyncIterator[None]:
    """Another process in the middle of its audit."""
    other = await asyncpg.connect(database.url)
    async with other.transaction():
        await other.execute(f"SELECT pg_advisory_xact_lock({LOCK})")
        yield
    await other.close()
