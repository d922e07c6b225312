"""A payout that was refused and stays in its provider's list, as a transfer that nobody has funded:
it is no finding, its payment is recovered, and it is never paid beside another payout."""

from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.model.answer import Outcome
from services.payments.model.attempt import Step
from services.payments.recovery.store.marks import PostgresMarks
from tests.database.payments.recovery.drill import PAID, Drill, make_lost
from tests.database.payments.recovery.lists import begun
from tests.database.payments.recovery.restored import BLOCKED, ROUTE, UNFUNDED, Restored

WALLET = ("local_wallet", Step.PAYOUT)


async def failed_over(engine: AsyncEngine) -> Restored:
    """A payment that the second offramp has paid, as the first one's balance did not."""
    world = Restored(engine)
    world.outcomes[WALLET] = [(Outcome.REFUSED, BLOCKED)]
    await world.create()
    await world.carry()
    paid = {one.attempt.provider for one in world.live(Step.PAYOUT)}
    assert (str((await world.read()).state), paid) == ("COMPLETED", {"bank"})
    return world


async def test_it_is_no_finding_once_another_offramp_has_paid(engine: AsyncEngine) -> None:
    world = await failed_over(engine)

    standing = await begun(engine, world.lists("local_wallet"))

    assert not standing.is_older
    assert (await PostgresMarks(engine).read()).finding == ""


async def test_a_recovery_of_another_payment_knows_it_too(engine: AsyncEngine) -> None:
    world, other = await failed_over(engine), Restored(engine)
    await other.create()
    lost = f"{other.payment.transaction_id}-payout-1"
    collected = lost.replace("payout", "collection")
    await other.carry()
    world.book |= other.book
    await other.put_back(next(m for m in other.moments if collected not in m["attempts"]))

    report = await world.recover("local_wallet")

    assert report.is_accepted, report


async def test_a_payment_that_has_one_is_made_again(engine: AsyncEngine) -> None:
    lost = {
        ("stripe", Step.COLLECTION, 1): PAID,
        ("local_wallet", Step.PAYOUT, 1): replace(UNFUNDED, provider_reference="x_1"),
        ("bank", Step.PAYOUT, 2): replace(PAID, provider_reference="x_2"),
    }
    drill = Drill(engine, make_lost(route=ROUTE), lost)

    report = await drill.recover()

    assert report.is_accepted, report
    assert await drill.answer() is not None
    await drill.assert_all_holds()


async def test_it_is_never_paid_beside_the_payout_that_followed(engine: AsyncEngine) -> None:
    world = await failed_over(engine)
    for moment in world.moments:
        await world.put_back(moment)
        report = await world.recover("local_wallet")
        assert report.is_accepted, report
        await world.release()
        await world.time_passes()

        assert {one.attempt.provider for one in world.live(Step.PAYOUT)} == {"bank"}
        assert str((await world.read()).state) == "COMPLETED"
        assert await world.broken() == []
        assert await world.off_account() == []
        standing = await begun(engine, world.lists("local_wallet"))
        assert not standing.is_older


async def test_it_is_paid_once_where_nothing_followed(engine: AsyncEngine) -> None:
    world = Restored(engine)
    world.outcomes["local_wallet", Step.PAYOUT] = [(Outcome.REFUSED, BLOCKED)]
    await world.create(route=replace(ROUTE, offramps=("local_wallet",)))
    before = world.moments[0]
    await world.carry()
    await world.put_back(before)

    report = await world.recover()
    await world.carry()
    await world.release()

    assert report.is_accepted, report
    assert len(world.live(Step.PAYOUT)) <= 1
    assert await world.broken() == []
    assert await world.off_account() == []
