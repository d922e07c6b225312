"""A lost payment is made again beside no other of the same request, and not before every offramp of
its route has said whether it paid."""

from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.model.attempt import Step
from services.payments.operators.decisions import end_hold
from services.payments.orders.store.payments import PostgresPayments
from tests.database.payments.recovery.drill import (
    ADA,
    DECLINED,
    PAID,
    SILENT,
    Drill,
    make_lost,
    recovering,
)
from tests.makers import CAPABILITIES
from tests.poison import run

COLLECTED = {("stripe", Step.COLLECTION, 1): PAID}


async def test_a_payment_whose_request_has_come_again_is_not_made_beside_the_second(
    engine: AsyncEngine,
) -> None:
    drill = Drill(engine, make_lost(), COLLECTED)
    again = make_lost(created_at=drill.payment.created_at)
    assert again.key == drill.new.key
    await PostgresPayments(engine).create([again])

    reports = [await drill.recover() for _ in range(2)]

    for report in reports:
        assert not report.is_accepted
        assert any("come again" in line for line in report.unknown[drill.payment.transaction_id])
    second = await PostgresPayments(engine).get(again.key[0], again.payment.id)
    assert (second.state, second.hold_reason) == ("CREATED", "recovered")
    assert await drill.answer() is not None
    await drill.assert_all_holds()


async def test_a_declined_payment_is_made_beside_the_one_that_came_again(
    engine: AsyncEngine,
) -> None:
    drill = Drill(engine, make_lost(), {("stripe", Step.COLLECTION, 1): DECLINED})
    again = make_lost(created_at=drill.payment.created_at)
    await PostgresPayments(engine).create([again])

    report = await drill.recover()

    assert report.is_accepted
    assert (await drill.read()).state == "FAILED"
    second = await PostgresPayments(engine).get(again.key[0], again.payment.id)
    assert second.hold_reason is None


async def test_a_charged_payment_is_made_beside_one_that_came_again_and_is_over(
    engine: AsyncEngine,
) -> None:
    drill = Drill(engine, make_lost(), COLLECTED)
    again = make_lost(created_at=drill.payment.created_at)
    await PostgresPayments(engine).create([again])
    await run(engine, f"UPDATE payments SET state = 'CANCELLED' WHERE id = '{again.payment.id}'")

    report = await drill.recover()

    assert report.is_accepted
    assert set(report.rebuilt) == {drill.payment.transaction_id}


async def test_an_offramp_that_is_no_longer_in_the_deployment_is_not_asked(
    engine: AsyncEngine,
) -> None:
    drill = Drill(engine, make_lost(), COLLECTED)
    gone = drill.payment.route.offramps[-1]
    declared = {name: one for name, one in CAPABILITIES.items() if name != gone}

    report = await recovering([drill], declared).recover(ADA)

    assert report.is_accepted


async def test_a_payout_that_no_list_has_is_found_by_its_key(engine: AsyncEngine) -> None:
    drill = Drill(engine, make_lost(), COLLECTED)
    drill.providers.answers[drill.key(Step.PAYOUT)] = PAID

    report = await drill.recover()

    assert report.is_accepted
    assert (await drill.attempts())["payout-1"][:2] == ("FAILED", "succeeded_late")
    await drill.change(lambda work: end_hold(work, ADA))
    assert await drill.carry() == []
    assert (await drill.read()).state == "COMPLETED"
    await drill.assert_all_holds()


async def test_a_payment_is_not_made_while_an_offramp_does_not_say_whether_it_paid(
    engine: AsyncEngine,
) -> None:
    drill = Drill(engine, make_lost(), COLLECTED)
    drill.providers.answers[drill.key(Step.PAYOUT)] = SILENT

    report = await drill.recover()

    assert not report.is_accepted
    assert any("no answer" in line for line in report.unknown[drill.payment.transaction_id])
