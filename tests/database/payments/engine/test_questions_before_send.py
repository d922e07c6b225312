"""The questions before money is sent again, on a real database: however many payouts there are and
however slow the answers, the send follows within the lease of its worker."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.engine.decisions.decider import Decider
from services.payments.engine.store.work import PostgresWork
from services.payments.engine.worker import Worker
from services.payments.mesh.ports import ProviderCall
from services.payments.model.answer import Answer, Outcome
from services.payments.model.attempt import Step
from services.payments.model.payment import Failure, Payment, State
from services.payments.model.timing import CALL, LEASE_SECONDS
from services.payments.orders.store.payments import PostgresPayments
from tests.database.payments.engine.carried import carry, create, refund, settle
from tests.fakes import FixedRates, ScriptedProviders
from tests.makers import CAPABILITIES
from tests.poison import run
from tests.polling import until

REFUSED = Answer(outcome=Outcome.FAILED, failure=Failure(code="payout_blocked", message="back"))
# More than a day of patience has rounds, with calls that carry far fewer.
PAYOUTS, CALL_MAX = 300, 16
_MORE = f"""
    INSERT INTO attempts (merchant_id, payment_id, step, number, provider, key, amount_minor,
           currency, state, provider_reference, sent_at, last_sent_at, leaves_until, sends,
           inconclusive_count, failure_code, failure_message)
    SELECT merchant_id, payment_id, step, n, provider, key || n, amount_minor, currency, state,
           provider_reference, sent_at, last_sent_at, leaves_until, sends, 0, failure_code,
           failure_message
      FROM attempts, generate_series(2, {PAYOUTS}) AS n WHERE step = 'payout'
"""


class _Slow(ScriptedProviders):
    """Calls that ask at once use up as much of the lease as one call may take."""

    def __init__(self, engine: AsyncEngine) -> None:
        super().__init__()
        self._engine = engine
        self.asked: list[int] = []
        self._under_way = 0

    async def look_up(self, calls: Sequence[ProviderCall]) -> AsyncIterator[tuple[str, Answer]]:
        self.asked.append(len(calls))
        self._under_way += 1
        seconds = CALL.total_seconds() if self._under_way == 1 else 0
        await run(
            self._engine,
            f"UPDATE payments SET lease_until = lease_until - interval '{seconds} seconds'",
        )
        async for answer in super().look_up(calls):
            yield answer
        self._under_way -= 1


async def _with_many_payouts(engine: AsyncEngine) -> Payment:
    payment = await create(engine)
    await carry(engine)
    await settle(engine, payment, REFUSED)
    await run(engine, _MORE)
    await refund(engine, payment, None)
    return payment


async def _works_until(
    engine: AsyncEngine,
    payment: Payment,
    providers: ScriptedProviders,
    is_there: Callable[[Payment], bool],
) -> None:
    worker = Worker(
        owner="test",
        store=PostgresWork(engine),
        providers=providers,
        rates=FixedRates(),
        decider=Decider(CAPABILITIES, spread=lambda: 0.0),
        claim_max=CALL_MAX,
        under_way_max=64,
        lease_seconds=LEASE_SECONDS,
        poll_seconds=0.1,
    )
    stopping = asyncio.Event()
    task = asyncio.create_task(worker.run(stopping))
    store = PostgresPayments(engine)
    await until(lambda: store.get(payment.merchant_id, payment.id), is_there)
    stopping.set()
    worker.wake()
    await task


async def test_slow_answers_about_many_payouts_do_not_outlast_the_lease(
    engine: AsyncEngine,
) -> None:
    payment = await _with_many_payouts(engine)
    providers = _Slow(engine)
    providers.look_up_answers[Step.PAYOUT] = REFUSED

    await _works_until(engine, payment, providers, lambda now: now.state is State.REFUNDED)

    # Each payout once, and the refund once.
    assert (sum(providers.asked), max(providers.asked)) == (PAYOUTS, CALL_MAX)
    assert len(set(providers.looked_up)) == PAYOUTS
    assert len(providers.executed) == 1


async def test_one_payout_of_many_that_was_paid_keeps_the_refund_back(engine: AsyncEngine) -> None:
    payment = await _with_many_payouts(engine)
    paid = f"{payment.transaction_id}-payout-1{PAYOUTS - 3}"

    class OneWasPaid(_Slow):
        def _answer(self, call: ProviderCall, answers: object) -> Answer:
            return Answer(outcome=Outcome.SUCCEEDED) if call.attempt.key == paid else REFUSED

    providers = OneWasPaid(engine)

    await _works_until(engine, payment, providers, lambda now: now.hold_reason == "late_success")

    assert providers.executed == []
