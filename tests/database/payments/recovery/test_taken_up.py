"""A payment at any moment of its life, whose later operations the database has lost: after a
recovery, and after any next request, nothing is charged, paid or refunded twice, nothing is
refunded that was paid out, every minor unit stands on an account, and the books hold."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.model.answer import Outcome
from services.payments.model.attempt import Step
from services.payments.model.quote import RefundFees, Route
from services.shared.errors import DomainError
from tests.database.payments.recovery.restored import (
    BLOCKED,
    DECLINED,
    REFUSED,
    ROUTE,
    Act,
    Restored,
    tried,
)

WINDOWED = replace(ROUTE, cancel_window=timedelta(minutes=30))
FAILED, PENDING = Outcome.FAILED, Outcome.PENDING
WALLET, BANK = ("local_wallet", Step.PAYOUT), ("bank", Step.PAYOUT)


async def completion(world: Restored) -> None:
    await world.create()
    await world.carry()


async def failover(world: Restored) -> None:
    world.outcomes[WALLET] = [(FAILED, BLOCKED)]
    await completion(world)


async def failover_from_a_refusal(world: Restored) -> None:
    world.outcomes[WALLET] = [(Outcome.REFUSED, BLOCKED)]
    await completion(world)


async def refusal_without_a_failover(world: Restored) -> None:
    world.outcomes[WALLET] = [(Outcome.REFUSED, BLOCKED)]
    world.outcomes["bank", Step.PAYOUT] = [(FAILED, BLOCKED)]
    await completion(world)
    await world.time_passes()


async def no_rail(world: Restored) -> None:
    world.outcomes[BANK] = [(FAILED, BLOCKED)]
    await failover(world)
    await world.time_passes()


async def decline(world: Restored) -> None:
    world.outcomes["stripe", Step.COLLECTION] = [(FAILED, DECLINED)]
    await completion(world)


async def payout_on_its_way(world: Restored) -> None:
    world.outcomes[WALLET] = [(PENDING, None)]
    await completion(world)


async def correction(world: Restored) -> None:
    world.outcomes[WALLET] = [(FAILED, REFUSED)]
    await completion(world)
    await world.correct()
    await world.carry()


async def corrected_without_success(world: Restored) -> None:
    world.outcomes[WALLET] = [(FAILED, REFUSED), (FAILED, REFUSED)]
    await completion(world)
    await world.correct()
    await world.carry()
    await world.refund()
    await world.carry()


async def forced(world: Restored) -> None:
    world.outcomes[WALLET] = [(FAILED, REFUSED)]
    await completion(world)
    await world.force()
    await world.carry()


async def returned_and_refunded(world: Restored) -> None:
    await completion(world)
    await world.returned()
    await world.refund()
    await world.carry()


async def refunded_in_parts(world: Restored) -> None:
    await completion(world)
    await world.returned()
    for _ in range(2):
        await world.refund_part()
        await world.carry()


async def refund_on_its_way(world: Restored) -> None:
    world.outcomes["stripe", Step.REFUND] = [(PENDING, None)]
    await returned_and_refunded(world)


async def refund_tried_again(world: Restored) -> None:
    world.outcomes["stripe", Step.REFUND] = [(FAILED, BLOCKED)]
    await returned_and_refunded(world)
    await world.refund()
    await world.carry()


async def returned_and_corrected(world: Restored) -> None:
    await completion(world)
    await world.returned()
    await world.correct()
    await world.carry()


async def cancelled_in_its_window(world: Restored) -> None:
    await world.create(route=WINDOWED, refund_fees=RefundFees.KEPT)
    await world.carry()
    await world.cancel()
    await world.carry()


async def after_its_window(world: Restored) -> None:
    await world.create(route=WINDOWED)
    await world.carry()
    await world.time_passes()


async def late_funds(world: Restored) -> None:
    world.outcomes["stripe", Step.COLLECTION] = [(PENDING, None)]
    await completion(world)
    world.book[f"{world.payment.transaction_id}-collection-1"].outcome = Outcome.SUCCEEDED
    await world.expire()
    await world.carry()


STORIES: Sequence[Act] = (
    *(completion, failover, no_rail, decline, payout_on_its_way, correction),
    *(corrected_without_success, failover_from_a_refusal, refusal_without_a_failover),
    *(forced, returned_and_refunded, refunded_in_parts, refund_on_its_way, refund_tried_again),
    *(returned_and_corrected, cancelled_in_its_window, after_its_window, late_funds),
)
NEXT: Sequence[Act] = (
    *(Restored.nothing, Restored.cancel, Restored.refund, Restored.correct, Restored.force),
    *(Restored.expire, Restored.refund_part),
)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
async def test_nothing_moves_twice(engine: AsyncEngine, story: Act, is_long: bool) -> None:
    """Of each third moment and each with one request, or of all of them with every one."""
    world = Restored(engine)
    await story(world)
    book, turn = world.book, STORIES.index(story)
    wrong: list[str] = []
    for at, moment in enumerate(world.moments):
        if not is_long and at % 3 != turn % 3:
            continue
        for act in NEXT if is_long else [NEXT[(at + turn) % len(NEXT)]]:
            world.book = {key: replace(one) for key, one in book.items()}
            world.outcomes.clear()
            await world.put_back(moment)
            name = f"{at} {world.states[at]}, {act.__name__}"
            wrong += [f"{name}: {one}" for one in await recovered(world)]
            wrong += [f"{name}: {one}" for one in await asked_for(world, act)]
    assert not wrong, "\n".join(wrong)


async def recovered(world: Restored) -> Sequence[str]:
    """All that is wrong right after the recovery."""
    report = await world.recover()
    is_lost = report.goes_on or report.held or report.not_held
    return [*await world.broken(), *(await world.off_account() if is_lost else ())]


async def asked_for(world: Restored, act: Act) -> Sequence[str]:
    """All that is wrong once it was asked for before the release and after it, and all waits are
    over."""
    for each in (act, Restored.release, act, Restored.time_passes, Restored.release):
        await tried(world, each)
    return await world.broken()


# The payout of the lost time is not looked up yet when each of these is asked for.
@pytest.mark.parametrize("act", NEXT, ids=lambda act: act.__name__)
@pytest.mark.parametrize("route", [ROUTE, WINDOWED], ids=["no window", "window"])
async def test_a_payment_that_was_paid_out_is_not_refunded(
    engine: AsyncEngine, act: Act, route: Route
) -> None:
    world = Restored(engine)
    await world.create(route=route)
    await world.carry()
    await world.time_passes()
    await world.put_back(world.moments[0])

    report = await world.recover()
    with suppress(DomainError):
        await act(world)
    await world.carry()
    await world.time_passes()

    assert set(report.goes_on) == {world.payment.transaction_id}
    assert (await world.read()).state == "COMPLETED"
    assert await world.broken() == []
    assert await world.off_account() == []


@pytest.mark.parametrize("moment", [0, 3, -1])
async def test_repeated_requests_for_parts_give_nothing_more_back(
    engine: AsyncEngine, moment: int
) -> None:
    world = Restored(engine)
    await refunded_in_parts(world)
    await world.put_back(world.moments[moment])

    await world.recover()
    await tried(world, Restored.release)
    for _ in range(2 if moment >= 0 else 0):
        await tried(world, Restored.refund_part)

    assert (await world.read()).state == "PARTLY_REFUNDED"
    assert len(world.live(Step.REFUND)) == 2
    assert await world.broken() == []
    assert await world.off_account() == []
