"""Money that has come back in the lost time is found: its webhook was acknowledged and is not sent
again, so that the providers are asked about each success once the database is accepted."""

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.engine.decisions.waiting import release
from services.payments.model.answer import Outcome
from services.payments.model.attempt import Step
from services.payments.model.holds import HoldReason
from services.payments.model.payment import State
from services.payments.operators.store import lost_returns
from services.payments.recovery.store.marks import PostgresMarks
from tests.database.payments.engine.carried import carry, create
from tests.database.payments.recovery.restored import BLOCKED, REFUSED, Act, Restored
from tests.poison import rows, run

_WAITING = "SELECT step, provider, event_type FROM webhook_inbox WHERE state = 'PENDING'"
_NO_STRIPE = "INSERT INTO event_lists (provider) VALUES ('stripe')"


async def _completed(engine: AsyncEngine) -> Restored:
    world = Restored(engine)
    await world.create()
    await world.carry()
    assert (await world.read()).state is State.COMPLETED
    return world


async def _accept(engine: AsyncEngine) -> None:
    await PostgresMarks(engine).accept(accepted_by="ada", reason="a drill")


async def _recover(world: Restored) -> None:
    assert (await world.recover()).is_accepted


async def _accept_by_hand(world: Restored) -> None:
    await _accept(world.engine)


@pytest.mark.parametrize("end", [_recover, _accept_by_hand])
async def test_a_payout_that_came_back_in_the_lost_time_is_returned(
    engine: AsyncEngine, end: Act
) -> None:
    world = await _completed(engine)
    before = world.moments[-1]
    await world.returned()
    assert (await world.read()).state is State.RETURNED
    await world.put_back(before)
    await end(world)
    await world.carry()
    assert (await world.read()).state is State.RETURNED
    assert not await world.off_account()
    assert not await world.broken()


async def test_a_part_of_a_refund_that_came_back_in_the_lost_time_waits_for_a_person(
    engine: AsyncEngine,
) -> None:
    world = Restored(engine)
    world.outcomes["local_wallet", Step.PAYOUT] = [(Outcome.FAILED, REFUSED)]
    await world.create()
    await world.carry()
    await world.refund_part()
    await world.carry()
    await world.refund()
    await world.carry()
    assert (await world.read()).state is State.REFUNDED
    first, _ = world.live(Step.REFUND)
    first.outcome, first.failure = Outcome.FAILED, BLOCKED
    await _accept(engine)
    await world.carry()
    assert (await world.read()).hold_reason == HoldReason.REFUND_REVERSED
    assert not await world.off_account()


async def test_a_collection_that_was_reversed_in_the_lost_time_waits_for_a_person(
    engine: AsyncEngine,
) -> None:
    world = await _completed(engine)
    (charged,) = world.live(Step.COLLECTION)
    charged.outcome, charged.failure = Outcome.FAILED, BLOCKED
    await _accept(engine)
    await run(engine, "UPDATE payments SET due_at = now() WHERE due_at IS NOT NULL")
    await world.carry()
    assert (await world.read()).hold_reason == HoldReason.COLLECTION_REVERSED


async def test_a_false_alarm_costs_a_question_and_changes_no_payment(engine: AsyncEngine) -> None:
    world = await _completed(engine)
    query = "SELECT (SELECT version FROM payments), (SELECT count(*) FROM payment_events)"
    before = await rows(engine, query)
    await _accept(engine)
    assert len(await rows(engine, _WAITING)) == 2
    await world.carry()
    assert (await world.read()).state is State.COMPLETED
    assert await rows(engine, query) == before
    assert not await rows(engine, _WAITING)
    assert not await rows(engine, "SELECT id FROM payments WHERE due_at IS NOT NULL")
    assert not await world.broken()


async def test_a_second_acceptance_adds_no_question_to_one_that_waits(engine: AsyncEngine) -> None:
    await _completed(engine)
    await _accept(engine)
    waiting = await rows(engine, _WAITING)
    await _accept(engine)
    assert await rows(engine, _WAITING) == waiting


async def test_a_provider_that_lists_its_events_is_read_and_not_asked(engine: AsyncEngine) -> None:
    await _completed(engine)
    await run(engine, _NO_STRIPE)
    await _accept(engine)
    assert await rows(engine, _WAITING) == [("payout", "local_wallet", lost_returns.DOUBT)]


async def test_a_success_from_long_before_the_last_comparison_stays_as_it_is(
    engine: AsyncEngine,
) -> None:
    world = await _completed(engine)
    await run(engine, "UPDATE attempts SET updated_at = now() - interval '31 days'")
    await _accept(engine)
    assert not await rows(engine, _WAITING)
    await run(
        engine,
        "UPDATE attempts SET updated_at = now() - interval '31 days'",
        "UPDATE database_mark SET compared_at = now() - interval '2 days'",
    )
    await _accept(engine)
    assert len(await rows(engine, _WAITING)) == 2
    await world.carry()
    assert not await world.broken()


async def test_a_payment_that_a_person_changes_meanwhile_is_still_asked_about(
    engine: AsyncEngine,
) -> None:
    world = await _completed(engine)
    await _accept(engine)
    await run(engine, "UPDATE payments SET due_at = now() + interval '1 hour'")
    await world.decide(release)
    assert (await rows(engine, "SELECT due_at <= now() FROM payments")) == [(True,)]


async def test_many_payments_are_asked_about_one_after_the_other(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = await _completed(engine)
    for _ in range(4):
        await create(engine, route=world.payment.route)
    await carry(engine)
    monkeypatch.setattr(lost_returns, "CHUNK", 2)
    await _accept(engine)
    seconds = "SELECT round(extract(epoch FROM due_at - accepted_at) / 0.2)::int"
    due = await rows(engine, f"{seconds} FROM payments, database_mark ORDER BY due_at")
    assert due == [(0,), (1,), (2,), (3,), (4,)]
