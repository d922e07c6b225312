"""A payer who is present, over the database: asked once, shown to the merchant and kept out of
every event; when the terms end the payment expires, and it is overdue only after that."""

from datetime import timedelta
from typing import Any

import orjson
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.base.convert import write_payment
from services.payments.engine.decisions.decider import Decider
from services.payments.engine.store.work import PostgresWork
from services.payments.model.answer import Answer, Outcome
from services.payments.model.payer import UNPAID, NextAction, PresentPayer
from services.payments.model.payment import Failure, Payment, State
from services.payments.model.progress import expected_times
from services.payments.operators.store.operations import PostgresOperations
from services.payments.orders.store.payments import PostgresPayments
from services.payments.webhooks_out.addresses import Targets
from services.payments.webhooks_out.convert import encode_event
from services.payments.webhooks_out.store.endpoints import PostgresEndpoints
from services.payments.webhooks_out.usecases import Endpoints
from tests.makers import CAPABILITIES, make_capabilities, make_new_payment
from tests.poison import rows, run

STRIPE = make_capabilities("stripe", definitive_failures=frozenset({"card_declined", *UNPAID}))
PROVIDERS = {**CAPABILITIES, "stripe": STRIPE}
DECIDER = Decider(PROVIDERS, spread=lambda: 0.0)
PAYER = PresentPayer(return_url="https://shop.example/back")
ACTION = NextAction(kind="redirect", client_secret="pi_1_secret_2", url="https://bank.example/3ds")
ASKED = Answer(outcome=Outcome.PENDING, provider_reference="pi_1", next_action=ACTION)
ACTED = Answer(outcome=Outcome.PENDING, provider_reference="pi_1")
AWAY = Answer(outcome=Outcome.FAILED, failure=Failure(code="requires_action", message="No."))


async def _create(engine: AsyncEngine, **changes: Any) -> Payment:
    new = make_new_payment(**{"payer": PAYER, **changes})
    await PostgresPayments(engine).create([new])
    return new.payment


async def _step(engine: AsyncEngine, answer: Answer) -> None:
    """Claims the payment, sends or looks up its collection, and has it answered like this."""
    await run(engine, "UPDATE payments SET due_at = now(), lease_until = NULL, rests_until = NULL")
    async with PostgresWork(engine, encode_event).begin() as transaction:
        claimed = await transaction.claim("test", limit=10, lease_seconds=30)
        plans = [DECIDER.plan(work) for work in claimed]
        await transaction.write([plan.change for plan in plans])
        work = [plan.work for plan in plans]
        if claimed[0].payment.state is State.CREATED:
            work = list(await transaction.mark_sent(work))
        now, _ = await transaction.untouched([], lease_seconds=0)
        assert await transaction.write([DECIDER.settle(one, answer, now) for one in work])
        await transaction.commit()


async def _stored(engine: AsyncEngine, payment: Payment) -> Payment:
    return await PostgresPayments(engine).get("sandbox", payment.id)


async def test_the_payer_and_the_action_are_kept_until_the_payer_has_acted(
    engine: AsyncEngine,
) -> None:
    payment = await _create(engine)

    await _step(engine, ASKED)
    asked = await _stored(engine, payment)
    await _step(engine, ACTED)
    acted = await _stored(engine, payment)

    assert (asked.payer, asked.next_action, asked.state) == (PAYER, ACTION, State.COLLECTING)
    assert write_payment(asked).next_action.client_secret == ACTION.client_secret
    assert (acted.payer, acted.next_action, acted.state) == (PAYER, None, State.COLLECTING)


async def test_off_session_neither_is_kept(engine: AsyncEngine) -> None:
    payment = await _create(engine, payer=None)

    await _step(engine, ASKED)

    stored = await _stored(engine, payment)
    assert (stored.payer, stored.next_action) == (None, None)
    ((payer, action),) = await rows(
        engine, "SELECT payer IS NULL, next_action IS NULL FROM payments"
    )
    assert (payer, action) == (True, True)


async def test_the_merchant_gets_one_event_without_the_secret(engine: AsyncEngine) -> None:
    await _create(engine)
    targets = Targets(loopback=True)
    await Endpoints(PostgresEndpoints(engine), targets).create("sandbox", "http://127.0.0.1:9/")

    await _step(engine, ASKED)
    await _step(engine, ASKED)

    ((body,),) = await rows(engine, "SELECT body FROM outbox")
    event = orjson.loads(body)
    assert event["type"] == "payment.payer_action_required"
    assert event["data"]["status"] == "PENDING"
    assert event["data"]["next_action"] == {"kind": "redirect"}
    kept = await rows(engine, "SELECT cause, evidence::text FROM payment_events")
    for secret in (ACTION.client_secret, ACTION.url):
        assert secret not in body.decode()
        assert secret not in str(kept)
    assert [cause for cause, _ in kept].count("payer_asked") == 1


@pytest.mark.parametrize(("cancelled", "state"), [(False, State.EXPIRED), (True, State.CANCELLED)])
async def test_a_payer_who_walks_away_leaves_nothing_behind(
    engine: AsyncEngine, cancelled: bool, state: State
) -> None:
    payment = await _create(engine)
    await _step(engine, ASKED)
    ended = "cancel_requested_at = now()" if cancelled else "quote_expires_at = '2026-01-01'"
    await run(engine, f"UPDATE payments SET {ended}")

    await _step(engine, AWAY)

    over = await _stored(engine, payment)
    assert (over.state, over.next_action) == (state, None)
    assert await rows(engine, "SELECT count(*) FROM postings") == [(0,)]


async def test_a_payment_that_waits_for_its_payer_is_overdue_only_after_its_terms(
    engine: AsyncEngine,
) -> None:
    await _create(engine)
    await _step(engine, ASKED)
    earlier = "- interval '2 hours'"
    await run(
        engine,
        f"UPDATE payments SET created_at = created_at {earlier}, due_at = now()",
        "ALTER TABLE payment_events DISABLE TRIGGER USER",
        f"UPDATE payment_events SET occurred_at = occurred_at {earlier}",
    )

    assert await _overdue(engine) == 0
    await run(engine, f"UPDATE payments SET quote_expires_at = now() {earlier}")
    assert await _overdue(engine) == 1
    # A time that cannot be read is no reason to wait.
    await run(engine, "UPDATE payments SET quote_expires_at = '2126-01-01', late_funds = '{}'")
    assert await _overdue(engine) == 1


async def _overdue(engine: AsyncEngine) -> int:
    times = expected_times({**PROVIDERS, "stripe": STRIPE})
    listed = await PostgresOperations(engine).overdue(
        times, merchant_id="sandbox", waiting=False, after=None, limit=10
    )
    return len(listed)


async def test_the_time_of_an_action_is_that_of_its_quote(engine: AsyncEngine) -> None:
    payment = await _create(engine)
    await _step(engine, ASKED)

    stored = await _stored(engine, payment)

    assert stored.payer_until == payment.quote_expires_at + timedelta(minutes=5)
