"""The worker asks how a disputed charge stands before the book follows: the answer is posted, and
without one nothing leaves, and the question is counted."""

import asyncio
from dataclasses import replace
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.audit.checks import PostgresAudit
from services.payments.engine.decisions.decider import Decider
from services.payments.engine.store.work import PostgresWork
from services.payments.engine.worker import Worker
from services.payments.mesh.ports import ProviderEvent
from services.payments.model.answer import Answer, Outcome
from services.payments.model.dispute import DisputeReport
from services.payments.webhooks_in.ports import Arrival
from services.payments.webhooks_in.store.inbox import PostgresInbox
from services.shared.errors import Unavailable
from services.shared.money import Money
from tests.database.payments.engine.carried import carry, create
from tests.fakes import FixedRates, ScriptedProviders
from tests.makers import CAPABILITIES
from tests.poison import rows
from tests.polling import until
from tests.unit.payments.model.test_dispute import REINSTATED, WITHDRAWN

ASKED = {**CAPABILITIES, "stripe": replace(CAPABILITIES["stripe"], looks_up_disputes=True)}
LIE = replace(WITHDRAWN, withdrawn=Money(10_001, "USD"))
INBOX = "SELECT state, asked, asked_since IS NOT NULL FROM webhook_inbox"
LOST = "SELECT coalesce(sum(balance_minor), 0)::int FROM balances WHERE account = 'chargebacks:USD'"


async def _receive(engine: AsyncEngine, report: DisputeReport) -> None:
    event = ProviderEvent(
        provider="stripe",
        event_id=uuid4().hex,
        event_type="charge.dispute.updated",
        transaction_id="",
        step=None,
        answer=Answer(outcome=Outcome.UNKNOWN, actor="provider:stripe", signed=True),
        collection_reference="x_1",
        dispute=report,
    )
    arrival = Arrival(event=event, payment_id=None, body=b"{}", keep_unmatched=True)
    await PostgresInbox(engine).receive([arrival])


def _worker(engine: AsyncEngine, providers: ScriptedProviders) -> Worker:
    return Worker(
        owner=uuid4().hex,
        store=PostgresWork(engine),
        providers=providers,
        rates=FixedRates(),
        decider=Decider(ASKED, spread=lambda: 0.0),
        claim_max=16,
        under_way_max=64,
        lease_seconds=30,
        poll_seconds=0.1,
    )


async def _work_until(engine: AsyncEngine, providers: ScriptedProviders, wanted: object) -> None:
    worker, stopping = _worker(engine, providers), asyncio.Event()
    task = asyncio.create_task(worker.run(stopping))
    await until(lambda: rows(engine, INBOX), lambda found: found == wanted)
    stopping.set()
    worker.wake()
    await task


async def test_the_answer_is_posted_and_not_the_event(engine: AsyncEngine) -> None:
    await create(engine)
    await carry(engine)
    providers = ScriptedProviders()
    providers.claim_answers["du_1"] = WITHDRAWN
    await _receive(engine, LIE)

    await _work_until(engine, providers, [("APPLIED", 0, False)])

    assert providers.claims_asked == [("stripe", "du_1")]
    assert await rows(engine, LOST) == [(10_000,)]
    providers.claim_answers["du_1"] = REINSTATED
    await _receive(engine, LIE)
    await _work_until(engine, providers, [("APPLIED", 0, False)] * 2)
    assert await rows(engine, LOST) == [(0,)]
    assert (await PostgresAudit(engine, overdue_seconds=60).report()).broken == []


async def test_without_an_answer_nothing_leaves_and_the_question_is_counted(
    engine: AsyncEngine,
) -> None:
    await create(engine)
    await carry(engine)
    providers = ScriptedProviders()
    providers.claim_answers["du_1"] = Unavailable("away")
    await _receive(engine, LIE)

    await _work_until(engine, providers, [("PENDING", 1, True)])
    await _work_until(engine, providers, [("PENDING", 2, True)])

    assert await rows(engine, LOST) == [(0,)]
    assert providers.executed == []
    providers.claim_answers["du_1"] = WITHDRAWN
    await _work_until(engine, providers, [("APPLIED", 2, True)])
    assert await rows(engine, LOST) == [(10_000,)]
