"""The worker over a real database and scripted providers: it finishes payments, asks before it
repeats, and a stop loses nothing."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.base import wake
from services.payments.base.wake import Alarm
from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.facts import Change, Plan, Work
from services.payments.engine.store.work import PostgresWork
from services.payments.engine.worker import Worker
from services.payments.mesh.ports import ProviderCall
from services.payments.model.answer import Answer, Outcome
from services.payments.model.attempt import Step
from services.payments.model.payment import Failure, Payment, Status
from services.payments.model.quote import Route
from services.payments.orders.store.payments import PostgresPayments
from tests.conftest import Database
from tests.fakes import FixedRates, ScriptedProviders
from tests.makers import CAPABILITIES, make_new_payment
from tests.polling import until

UNKNOWN = Answer(outcome=Outcome.UNKNOWN)
ABSENT = Answer(outcome=Outcome.ABSENT)
NOT_SENT = Answer(outcome=Outcome.NOT_SENT, failure=Failure(code="down", message="down"))
REFUSED = Answer(outcome=Outcome.FAILED, failure=Failure(code="payout_blocked", message="blocked"))


def _worker(
    engine: AsyncEngine,
    providers: ScriptedProviders,
    *,
    lease_seconds: float = 30,
    claim_max: int = 16,
    under_way_max: int = 64,
    decider: Decider | None = None,
) -> Worker:
    return Worker(
        owner=uuid4().hex,
        store=PostgresWork(engine),
        providers=providers,
        rates=FixedRates(),
        decider=decider or Decider(CAPABILITIES, spread=lambda: 0.0),
        claim_max=claim_max,
        under_way_max=under_way_max,
        lease_seconds=lease_seconds,
        poll_seconds=0.1,
    )


@asynccontextmanager
async def _running(worker: Worker) -> AsyncIterator[None]:
    stopping = asyncio.Event()
    task = asyncio.create_task(worker.run(stopping))
    yield
    stopping.set()
    worker.wake()
    await task


async def _create(engine: AsyncEngine, count: int = 1, **changes: Any) -> list[Payment]:
    new = [make_new_payment(**changes) for _ in range(count)]
    await PostgresPayments(engine).create(new)
    return [item.payment for item in new]


async def _wait(engine: AsyncEngine, payments: Sequence[Payment], status: Status) -> None:
    store = PostgresPayments(engine)

    async def look() -> set[Status]:
        return {(await store.get("sandbox", payment.id)).status for payment in payments}

    await until(look, lambda statuses: statuses == {status})


async def _scalar(engine: AsyncEngine, query: str) -> object:
    async with engine.connect() as connection:
        return (await connection.execute(text(query))).scalar_one()


async def test_many_payments_complete_each_sent_once(engine: AsyncEngine) -> None:
    payments = await _create(engine, 50)
    providers = ScriptedProviders()

    async with _running(_worker(engine, providers)):
        await _wait(engine, payments, Status.COMPLETED)

    assert len(providers.executed) == len(set(providers.executed)) == 100
    assert providers.looked_up == []


async def test_a_payout_follows_its_collection_without_another_claim(engine: AsyncEngine) -> None:
    payments = await _create(engine, 5)
    providers = ScriptedProviders()

    async with _running(_worker(engine, providers)):
        await _wait(engine, payments, Status.COMPLETED)

    assert len(providers.executed) == 10
    assert await _scalar(engine, "SELECT max(lease_token) FROM payments") == 1


async def test_following_payouts_are_sent_in_no_larger_parts_than_a_claim(
    engine: AsyncEngine,
) -> None:
    payments = await _create(engine, 5)
    sizes, all_asked = list[int](), asyncio.Barrier(len(payments))

    class AnswersAtOnce(ScriptedProviders):
        async def execute(self, calls: Sequence[ProviderCall]) -> AsyncIterator[tuple[str, Answer]]:
            sizes.append(len(calls))
            if calls[0].attempt.step is Step.COLLECTION:
                await all_asked.wait()
            async for answer in super().execute(calls):
                yield answer

    async with _running(_worker(engine, AnswersAtOnce(), claim_max=1)):
        await _wait(engine, payments, Status.COMPLETED)

    assert sizes == [1] * 10
    assert await _scalar(engine, "SELECT max(lease_token) FROM payments") == 1


async def test_a_payout_that_cannot_follow_is_recorded_and_planned_alone(
    engine: AsyncEngine,
) -> None:
    payments = await _create(engine)

    class Stumbles(Decider):
        def follow(self, work: Work, change: Change) -> Plan | None:
            raise RuntimeError("stumbled")

    worker = _worker(engine, ScriptedProviders(), decider=Stumbles(CAPABILITIES, lambda: 0.0))
    async with _running(worker):
        await _wait(engine, payments, Status.COMPLETED)

    assert await _scalar(engine, "SELECT max(step_failures) FROM payments") == 0


async def test_two_workers_share_the_work_and_send_nothing_twice(engine: AsyncEngine) -> None:
    payments = await _create(engine, 60)
    providers = ScriptedProviders()

    async with _running(_worker(engine, providers)), _running(_worker(engine, providers)):
        await _wait(engine, payments, Status.COMPLETED)

    assert len(providers.executed) == len(set(providers.executed)) == 120


async def test_an_unknown_outcome_is_looked_up_before_anything_else(engine: AsyncEngine) -> None:
    payments = await _create(engine)
    providers = ScriptedProviders()
    providers.execute_answers[Step.PAYOUT] = UNKNOWN

    async with _running(_worker(engine, providers)):
        await _wait(engine, payments, Status.COMPLETED)

    payout = f"{payments[0].transaction_id}-payout-1"
    assert providers.executed.count(payout) == 1
    assert providers.looked_up == [payout]


async def test_a_request_that_the_provider_never_got_is_sent_again_under_the_same_key(
    engine: AsyncEngine,
) -> None:
    payments = await _create(engine)
    payout = f"{payments[0].transaction_id}-payout-1"

    class LosesTheFirst(ScriptedProviders):
        async def execute(self, calls: Sequence[ProviderCall]) -> AsyncIterator[tuple[str, Answer]]:
            lost = payout in {call.attempt.key for call in calls} and payout not in self.executed
            async for key, answer in super().execute(calls):
                yield key, UNKNOWN if lost and key == payout else answer

    providers = LosesTheFirst()
    providers.look_up_answers[Step.PAYOUT] = ABSENT

    async with _running(_worker(engine, providers)):
        await _wait(engine, payments, Status.COMPLETED)

    assert providers.executed.count(payout) == 2
    assert await _scalar(engine, "SELECT count(*) FROM attempts WHERE step = 'payout'") == 1


async def test_a_stuck_workers_payment_is_finished_by_another_and_its_late_answer_dropped(
    engine: AsyncEngine,
) -> None:
    payments = await _create(engine)
    started, woken, providers = asyncio.Event(), asyncio.Event(), ScriptedProviders()

    class Hangs(ScriptedProviders):
        async def execute(self, calls: Sequence[ProviderCall]) -> AsyncIterator[tuple[str, Answer]]:
            started.set()
            await woken.wait()
            for call in calls:
                yield call.attempt.key, UNKNOWN

    stuck = _worker(engine, Hangs(), lease_seconds=0.5, under_way_max=1)
    async with _running(stuck):
        await started.wait()
        async with _running(_worker(engine, providers)):
            await _wait(engine, payments, Status.COMPLETED)
        woken.set()

    assert await _scalar(engine, "SELECT state FROM payments") == "COMPLETED"
    assert providers.looked_up == [f"{payments[0].transaction_id}-collection-1"]


async def test_an_amount_that_differs_holds_the_payment(engine: AsyncEngine) -> None:
    payments = await _create(engine)
    providers = ScriptedProviders()
    wrong = replace(payments[0].terms.amount, amount_minor=9_999)
    providers.execute_answers[Step.COLLECTION] = Answer(outcome=Outcome.SUCCEEDED, amount=wrong)

    async with _running(_worker(engine, providers)):
        await _wait(engine, payments, Status.ON_HOLD)

    assert await _scalar(engine, "SELECT hold_reason FROM payments") == "amount_mismatch"
    # The charge is on suspense, as the provider has it, and the payment counts none of it.
    posted = "SELECT string_agg(debit || ' ' || credit || ' ' || amount_minor, ', ') FROM postings"
    assert await _scalar(engine, posted) == "onramp:stripe:USD suspense:stripe:USD 9999"


async def test_a_stop_finishes_what_is_under_way(engine: AsyncEngine) -> None:
    await _create(engine)
    entered, leave = asyncio.Event(), asyncio.Event()

    class Slow(ScriptedProviders):
        async def execute(self, calls: Sequence[ProviderCall]) -> AsyncIterator[tuple[str, Answer]]:
            entered.set()
            await leave.wait()
            async for answer in super().execute(calls):
                yield answer

    stopping = asyncio.Event()
    worker = _worker(engine, Slow())
    task = asyncio.create_task(worker.run(stopping))
    await entered.wait()
    stopping.set()
    worker.wake()
    leave.set()
    await task

    assert await _scalar(engine, "SELECT state FROM payments") == "CONVERTED"
    assert await _scalar(engine, "SELECT lease_owner FROM payments") is None


async def test_a_creation_rings_the_alarm_and_so_does_every_reconnect(
    engine: AsyncEngine, database: Database
) -> None:
    rings: asyncio.Queue[None] = asyncio.Queue()
    alarm = Alarm(lambda: database.url, {wake.PAYMENTS: lambda: rings.put_nowait(None)})

    async with alarm.listening():
        await rings.get()
        await _create(engine)
        await rings.get()
        async with engine.begin() as connection:
            await connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE application_name = 'caravel-alarm' AND datname = current_database()"
                )
            )
        await rings.get()


async def test_a_refused_payout_is_paid_by_the_next_offramp(engine: AsyncEngine) -> None:
    route = Route(onramps=("stripe",), offramps=("local_wallet", "bank"))
    (payment,) = await _create(engine, route=route)

    class WalletRefuses(ScriptedProviders):
        async def execute(self, calls: Sequence[ProviderCall]) -> AsyncIterator[tuple[str, Answer]]:
            by_wallet = {c.attempt.key for c in calls if c.attempt.provider == "local_wallet"}
            async for key, answer in super().execute(calls):
                yield key, REFUSED if key in by_wallet else answer

    providers = WalletRefuses()
    async with _running(_worker(engine, providers)):
        await _wait(engine, [payment], Status.COMPLETED)

    done = await PostgresPayments(engine).get("sandbox", payment.id)
    assert done.offramp == "bank"
    states = "SELECT string_agg(provider || ' ' || state, ', ' ORDER BY number) FROM attempts"
    paid = await _scalar(engine, f"{states} WHERE step = 'payout'")
    assert paid == "local_wallet FAILED, bank SUCCEEDED"
    account = "SELECT debit || ' ' || credit FROM postings WHERE cause = 'paid_out'"
    assert await _scalar(engine, account) == "payments:NGN offramp:bank:NGN"


async def test_an_attempt_that_was_never_sent_is_sent_once_the_provider_is_back(
    engine: AsyncEngine,
) -> None:
    (payment,) = await _create(engine)

    class DownAtFirst(ScriptedProviders):
        async def execute(self, calls: Sequence[ProviderCall]) -> AsyncIterator[tuple[str, Answer]]:
            async for key, answer in super().execute(calls):
                yield key, NOT_SENT if self.executed.count(key) < 3 else answer

    providers = DownAtFirst()
    async with _running(_worker(engine, providers)):
        await _wait(engine, [payment], Status.COMPLETED)

    assert providers.looked_up == []
    assert await _scalar(engine, "SELECT count(*) FROM attempts") == 2
    unsent = "SELECT count(*) FROM payment_events WHERE cause LIKE '%_not_sent'"
    assert await _scalar(engine, unsent) == 2


async def test_a_payout_that_nobody_takes_is_refunded_and_leaves_nothing(
    engine: AsyncEngine,
) -> None:
    (payment,) = await _create(engine)
    providers = ScriptedProviders()
    providers.execute_answers[Step.PAYOUT] = providers.look_up_answers[Step.PAYOUT] = REFUSED

    async with _running(_worker(engine, providers)):
        await _wait(engine, [payment], Status.REFUNDED)

    refunded = await PostgresPayments(engine).get("sandbox", payment.id)
    assert refunded.failure == REFUSED.failure
    assert refunded.collection_reference == f"ref-{payment.transaction_id}-collection-1"
    assert providers.executed[-1] == f"{payment.transaction_id}-refund-1"
    assert await _scalar(engine, "SELECT count(*) FROM balances WHERE balance_minor <> 0") == 0
