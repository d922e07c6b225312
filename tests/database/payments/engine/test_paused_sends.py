"""Under a pause with WAIT an attempt that was never sent waits, however its worker came to it, and
goes on when the pause ends; an attempt that may be alive is not touched, and deadlines hold."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.engine.overdue import OverduePayment
from services.payments.engine.store.work import PostgresWork
from services.payments.model.answer import Answer, Outcome
from services.payments.model.operator import Operator
from services.payments.model.pause import PauseKind, UnderWay
from services.payments.model.payment import Failure, Payment
from services.payments.model.progress import expected_times
from services.payments.operators.pausing import PauseOrder, Pausing
from services.payments.operators.policy import USUAL
from services.payments.operators.store.operations import PostgresOperations
from services.payments.operators.store.pauses import PostgresPauses
from services.payments.orders.store.payments import PostgresPayments
from services.shared.corridors import load_corridors
from tests.conftest import ROOT
from tests.database.payments.engine.carried import DECIDER, carry, create, refund, settle
from tests.fakes import AlwaysCorridors
from tests.makers import CAPABILITIES
from tests.poison import rows, run
from tests.questions import past_questions

CORRIDORS = load_corridors(ROOT / "deploy" / "corridors", live=False)
ADA = Operator(name="ada", note="maintenance")
LOST = Answer(outcome=Outcome.UNKNOWN)
CAME_BACK = Answer(
    outcome=Outcome.FAILED, failure=Failure(code="payout_blocked", message="blocked")
)


def _pausing(engine: AsyncEngine) -> Pausing:
    return Pausing(
        PostgresOperations(engine), PostgresPauses(engine), AlwaysCorridors(CORRIDORS), USUAL
    )


async def _pause(
    engine: AsyncEngine,
    name: str,
    kind: PauseKind = PauseKind.CORRIDOR,
    under_way: UnderWay = UnderWay.WAIT,
) -> None:
    order = PauseOrder(
        kind=kind, name=name, under_way=under_way, ends_at=datetime.now(UTC) + timedelta(hours=1)
    )
    await _pausing(engine).pause(ADA, order)


async def _step(engine: AsyncEngine, answer: Answer | None = None) -> tuple[int, int, int]:
    """One turn of a worker: how many it has claimed, marked as sent, and let rest."""
    async with PostgresWork(engine).begin() as transaction:
        claimed = await transaction.claim("test", limit=10, lease_seconds=30)
        plans = [DECIDER.plan(item) for item in claimed]
        await transaction.write([plan.change for plan in plans if not plan.change.is_nothing])
        await transaction.commit()
    async with PostgresWork(engine).begin() as transaction:
        sending = [past_questions(DECIDER, plan).work for plan in plans if plan.call]
        sent = await transaction.mark_sent(sending)
        resting = await transaction.rest_while_paused(sending)
        await transaction.commit()
    if answer is not None:
        async with PostgresWork(engine).begin() as transaction:
            now, _ = await transaction.untouched([], lease_seconds=0)
            await transaction.write([DECIDER.settle(item, answer, now) for item in sent])
            await transaction.commit()
    return len(claimed), len(sent), resting


async def _due_now(engine: AsyncEngine) -> None:
    await run(engine, "UPDATE payments SET due_at = now() WHERE due_at IS NOT NULL")


async def _attempts(engine: AsyncEngine) -> list[tuple[Any, ...]]:
    return await rows(engine, "SELECT step, state, sends FROM attempts ORDER BY step, number")


async def _state(engine: AsyncEngine, payment: Payment) -> str:
    found = await PostgresPayments(engine).get(payment.merchant_id, payment.id)
    return found.state


@pytest.mark.parametrize("kind", list(PauseKind))
async def test_an_attempt_that_was_never_sent_waits_until_the_resume(
    engine: AsyncEngine, kind: PauseKind
) -> None:
    payment = await create(engine)
    name = payment.corridor_id if kind is PauseKind.CORRIDOR else payment.onramp
    await _pause(engine, name, kind)

    assert await _step(engine) == (1, 0, 1)
    # It is free for others meanwhile, and is looked at again soon.
    assert await rows(
        engine,
        "SELECT lease_until, due_at BETWEEN now() AND now() + interval '31 s' FROM payments",
    ) == [(None, True)]
    assert await _attempts(engine) == [("collection", "INTENDED", 0)]
    await _due_now(engine)
    assert await _step(engine) == (1, 0, 1)

    await _pausing(engine).resume(ADA, kind, name)
    await _due_now(engine)

    assert await _step(engine) == (1, 1, 0)
    assert await _attempts(engine) == [("collection", "SENT", 1)]


@pytest.mark.parametrize(
    ("kind", "name", "under_way"),
    [
        (PauseKind.CORRIDOR, "us-ng", UnderWay.FINISH),
        (PauseKind.PROVIDER, "stripe", UnderWay.FINISH),
        (PauseKind.CORRIDOR, "us-in", UnderWay.WAIT),
        (PauseKind.PROVIDER, "wise", UnderWay.WAIT),
    ],
)
async def test_any_other_pause_lets_what_is_under_way_go_on(
    engine: AsyncEngine, kind: PauseKind, name: str, under_way: UnderWay
) -> None:
    payment = await create(engine)
    assert (payment.corridor_id, payment.onramp) == ("us-ng", "stripe")
    assert payment.offramp != "wise"
    await _pause(engine, name, kind, under_way)

    assert await _step(engine) == (1, 1, 0)


async def test_a_payout_waits_where_the_money_was_collected_before_the_pause(
    engine: AsyncEngine,
) -> None:
    payment = await create(engine)
    succeeded = Answer(outcome=Outcome.SUCCEEDED, provider_reference="x_1")
    assert await _step(engine, succeeded) == (1, 1, 0)
    await _pause(engine, payment.offramp, PauseKind.PROVIDER)

    assert await _step(engine) == (1, 0, 1)
    assert await _attempts(engine) == [
        ("collection", "SUCCEEDED", 1),
        ("payout", "INTENDED", 0),
    ]


async def test_an_attempt_that_may_be_alive_is_sent_again_under_its_key(
    engine: AsyncEngine,
) -> None:
    payment = await create(engine)
    assert await _step(engine, LOST) == (1, 1, 0)
    await _pause(engine, payment.onramp, PauseKind.PROVIDER)

    await _due_now(engine)
    async with PostgresWork(engine).begin() as transaction:
        work = await transaction.claim("test", limit=1, lease_seconds=30)
        await transaction.mark_sent(work)
        assert await transaction.rest_while_paused(work) == 0
        await transaction.commit()

    assert await _attempts(engine) == [("collection", "UNKNOWN", 2)]


@pytest.mark.parametrize(
    ("kind", "waits"), [(PauseKind.CORRIDOR, False), (PauseKind.PROVIDER, True)]
)
async def test_a_refund_waits_for_its_provider_and_not_for_its_corridor(
    engine: AsyncEngine, kind: PauseKind, waits: bool
) -> None:
    payment = await create(engine)
    await carry(engine)
    await settle(engine, payment, CAME_BACK)
    await refund(engine, payment, None)
    name = payment.corridor_id if kind is PauseKind.CORRIDOR else payment.onramp
    await _pause(engine, name, kind)

    await _due_now(engine)
    assert await _step(engine) == ((1, 0, 1) if waits else (1, 1, 0))


async def test_the_offer_of_a_payment_that_waits_expires_as_ever(engine: AsyncEngine) -> None:
    payment = await create(engine)
    await _pause(engine, payment.corridor_id)
    assert await _step(engine) == (1, 0, 1)
    await run(
        engine,
        "UPDATE payments SET quote_expires_at = now() - interval '1 day', due_at = now()",
    )

    assert (await _step(engine))[1:] == (0, 0)
    assert await _state(engine, payment) == "EXPIRED"


async def test_the_list_of_overdue_payments_shows_the_end_of_the_pause(
    engine: AsyncEngine,
) -> None:
    payment = await create(engine)
    await _pause(engine, payment.corridor_id)
    await _pause(engine, payment.onramp, PauseKind.PROVIDER)
    await _step(engine)
    await run(engine, "UPDATE payments SET created_at = created_at - interval '1 day'")
    await run(engine, "ALTER TABLE payment_events DISABLE TRIGGER USER")
    await run(engine, "UPDATE payment_events SET occurred_at = occurred_at - interval '1 day'")

    (late,) = await PostgresOperations(engine).overdue(
        expected_times(CAPABILITIES), merchant_id=None, waiting=False, after=None, limit=10
    )

    assert isinstance(late, OverduePayment)
    ends = await rows(engine, "SELECT max(ends_at) FROM pauses")
    assert ends == [(late.paused_until,)]
    for kind, name in ((PauseKind.CORRIDOR, payment.corridor_id), (PauseKind.PROVIDER, "stripe")):
        await _pausing(engine).resume(ADA, kind, name)
    (late,) = await PostgresOperations(engine).overdue(
        expected_times(CAPABILITIES), merchant_id=None, waiting=False, after=None, limit=10
    )
    assert isinstance(late, OverduePayment)
    assert late.paused_until is None
