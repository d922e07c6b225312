"""Batches grow by themselves, an idle caller waits for nobody, one bad item harms no other, and one
group's flood is its own burden."""

import asyncio
from collections.abc import Sequence

import pytest

from services.payments.base.batcher import ENOUGH, Batcher
from services.shared.errors import Overloaded, Unavailable

EVERY_SECONDS = 0.05


class Gate:
    """Work that notes its batches and lets each pass when its event is set."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.entered = asyncio.Event()
        self.open = asyncio.Event()

    async def work(self, items: Sequence[int]) -> Sequence[int | Exception]:
        self.batches.append(list(items))
        self.entered.set()
        await self.open.wait()
        return [ValueError(f"bad {item}") if item < 0 else item * 10 for item in items]


def _batcher(gate: Gate, waiting_max: int = 100) -> Batcher[int, int]:
    return Batcher[int, int](gate.work, largest_batch=3, parallel=1, waiting_max=waiting_max)


async def test_a_lone_item_is_worked_on_at_once() -> None:
    gate = Gate()
    gate.open.set()

    assert await _batcher(gate).submit(4) == 40
    assert gate.batches == [[4]]


async def test_items_that_arrive_together_share_a_batch() -> None:
    gate = Gate()
    gate.open.set()
    batcher = _batcher(gate)

    assert await asyncio.gather(batcher.submit(1), batcher.submit(2)) == [10, 20]
    assert gate.batches == [[1, 2]]


async def test_items_that_arrive_meanwhile_form_the_next_batches() -> None:
    gate = Gate()
    batcher = _batcher(gate)
    first = asyncio.create_task(batcher.submit(1))
    await gate.entered.wait()
    others = [asyncio.create_task(batcher.submit(item)) for item in range(2, 6)]

    gate.open.set()

    assert await asyncio.gather(first, *others) == [10, 20, 30, 40, 50]
    assert gate.batches == [[1], [2, 3, 4], [5]]


async def test_one_items_error_is_its_own() -> None:
    gate = Gate()
    gate.open.set()
    batcher = _batcher(gate)

    results = await asyncio.gather(
        *(batcher.submit(item) for item in (1, -2, 3)), return_exceptions=True
    )

    assert results[0] == 10
    assert isinstance(results[1], ValueError)
    assert results[2] == 30


async def test_a_batch_that_breaks_is_halved_until_the_bad_item_is_alone() -> None:
    tried: list[list[int]] = []

    async def work(items: Sequence[int]) -> Sequence[int | Exception]:
        tried.append(list(items))
        if 13 in items:
            raise RuntimeError("poison")
        return list(items)

    batcher = Batcher[int, int](work, largest_batch=10, parallel=1, waiting_max=10)
    results = await asyncio.gather(
        *(batcher.submit(item) for item in (11, 12, 13, 14)), return_exceptions=True
    )

    assert [r for r in results if not isinstance(r, RuntimeError)] == [11, 12, 14]
    assert tried == [[11, 12, 13, 14], [11, 12], [13, 14], [13], [14]]


async def test_an_unavailable_service_is_not_tried_again_item_by_item() -> None:
    tried: list[list[int]] = []

    async def work(items: Sequence[int]) -> Sequence[int | Exception]:
        tried.append(list(items))
        raise Unavailable("the database cannot answer now")

    batcher = Batcher[int, int](work, largest_batch=10, parallel=1, waiting_max=10)
    results = await asyncio.gather(
        *(batcher.submit(item) for item in range(4)), return_exceptions=True
    )

    assert {type(result) for result in results} == {Unavailable}
    assert tried == [[0, 1, 2, 3]]


async def test_too_many_waiting_items_are_refused_and_room_is_found_again() -> None:
    gate = Gate()
    batcher = _batcher(gate, waiting_max=1)
    running = asyncio.create_task(batcher.submit(1))
    await gate.entered.wait()

    results = asyncio.gather(batcher.submit(2), batcher.submit(3), return_exceptions=True)
    gate.open.set()

    waited, refused = await results
    assert waited == 20
    assert isinstance(refused, Overloaded)
    assert await running == 10
    assert await batcher.submit(4) == 40


async def test_a_caller_that_goes_away_does_not_stop_its_item() -> None:
    gate = Gate()
    batcher = _batcher(gate)
    gone = asyncio.create_task(batcher.submit(1))
    await gate.entered.wait()
    gone.cancel()

    gate.open.set()
    assert await batcher.submit(2) == 20
    assert gate.batches == [[1], [2]]


def _sharing(gate: Gate, *, waiting_max: int = 100, largest_batch: int = 4) -> Batcher[int, int]:
    """Groups by tens: 10 to 19 are one group's."""
    return Batcher[int, int](
        gate.work,
        largest_batch=largest_batch,
        parallel=1,
        waiting_max=waiting_max,
        group=lambda item: item // 10,
    )


async def _begun(batcher: Batcher[int, int], gate: Gate, *items: int) -> list[asyncio.Task[int]]:
    """The first is being worked on, the others wait."""
    tasks = [asyncio.create_task(batcher.submit(items[0]))]
    await gate.entered.wait()
    tasks += [asyncio.create_task(batcher.submit(item)) for item in items[1:]]
    await asyncio.sleep(0)
    return tasks


async def test_groups_take_turns_so_that_one_items_wait_is_not_anothers_flood() -> None:
    gate = Gate()
    tasks = await _begun(_sharing(gate), gate, 10, 11, 12, 13, 14, 15, 20, 21, 30)

    gate.open.set()
    await asyncio.gather(*tasks)

    assert gate.batches == [[10], [11, 20, 30, 12], [21, 13, 14, 15]]


@pytest.mark.parametrize(
    ("items", "refused"),
    [((10, 11, 12, 13, 14, 20), {13, 14}), ((10, 11, 12, 20, 21), {21})],
    ids=["a flood", "as many as the other has"],
)
async def test_the_group_with_most_of_a_full_queue_is_refused_and_no_other(
    items: tuple[int, ...], refused: set[int]
) -> None:
    gate = Gate()
    tasks = await _begun(_sharing(gate, waiting_max=3), gate, *items)

    gate.open.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)

    overloaded = [isinstance(answer, Overloaded) for answer in answers]
    assert overloaded == [item in refused for item in items]


async def test_a_batch_is_begun_beside_another_only_where_it_is_large() -> None:
    gate = Gate()
    batcher = Batcher[int, int](
        gate.work, largest_batch=10, parallel=2, waiting_max=100, beside_from=3
    )
    tasks = await _begun(batcher, gate, 1, 2, 3)
    assert gate.batches == [[1]]
    gate.entered.clear()
    tasks.append(asyncio.create_task(batcher.submit(4)))
    await gate.entered.wait()
    tasks += [asyncio.create_task(batcher.submit(item)) for item in range(5, 8)]
    await asyncio.sleep(0)

    gate.open.set()
    await asyncio.gather(*tasks)

    assert gate.batches == [[1], [2, 3, 4], [5, 6, 7]]


class Clock:
    """Time that passes only when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def _after_a_batch_of_four(
    clock: Clock, *, took_seconds: float = 0.05, largest_batch: int = 10
) -> tuple[Batcher[int, int], list[list[int]]]:
    """A gathering batcher whose last batch took so long, and the list of the batches to come."""
    batches: list[list[int]] = []

    async def work(items: Sequence[int]) -> Sequence[int | Exception]:
        batches.append(list(items))
        clock.now += took_seconds
        return list(items)

    batcher = Batcher[int, int](
        work,
        largest_batch=largest_batch,
        parallel=1,
        waiting_max=100,
        gathers=True,
        every_seconds=EVERY_SECONDS,
        now=clock,
    )
    await asyncio.gather(*(batcher.submit(item) for item in range(1, 5)))
    assert batches == [[1, 2, 3, 4]]
    batches.clear()
    return batcher, batches


async def _waiting(batcher: Batcher[int, int], *items: int) -> asyncio.Future[list[int]]:
    together = asyncio.gather(*(batcher.submit(item) for item in items))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return together


async def test_a_batch_waits_for_all_whom_the_last_one_answered() -> None:
    batcher, batches = await _after_a_batch_of_four(Clock())
    early = await _waiting(batcher, 5, 6, 7)
    assert batches == []

    await asyncio.gather(early, batcher.submit(8))

    assert batches == [[5, 6, 7, 8]]


async def test_a_batch_waits_for_those_too_who_came_meanwhile() -> None:
    clock = Clock()
    gate = Gate()
    batcher = Batcher[int, int](
        gate.work,
        largest_batch=10,
        parallel=1,
        waiting_max=100,
        gathers=True,
        every_seconds=EVERY_SECONDS,
        now=clock,
    )
    tasks = await _begun(batcher, gate, 1, 2)
    gate.open.set()
    assert await tasks[0] == 10

    assert await asyncio.gather(tasks[1], batcher.submit(3)) == [20, 30]
    assert gate.batches == [[1], [2, 3]]


async def test_of_many_callers_one_half_is_enough() -> None:
    clock, gate, many = Clock(), Gate(), 2 * ENOUGH
    batcher = Batcher[int, int](
        gate.work,
        largest_batch=10 * ENOUGH,
        parallel=1,
        waiting_max=10 * ENOUGH,
        gathers=True,
        every_seconds=EVERY_SECONDS,
        now=clock,
    )
    gate.open.set()
    await asyncio.gather(*(batcher.submit(item) for item in range(many)))

    early = await _waiting(batcher, *range(ENOUGH - 1))
    assert [len(batch) for batch in gate.batches] == [many]
    await asyncio.gather(early, batcher.submit(ENOUGH))

    assert [len(batch) for batch in gate.batches] == [many, ENOUGH]


async def test_nobody_waits_for_more_than_a_batch_can_hold() -> None:
    batcher, batches = await _after_a_batch_of_four(Clock(), largest_batch=4)
    many = await _waiting(batcher, *range(5, 13))

    await many

    assert batches == [[5, 6, 7, 8], [9, 10, 11, 12]]


async def test_a_batch_waits_no_longer_than_a_slow_one_took() -> None:
    clock = Clock()
    batcher, batches = await _after_a_batch_of_four(clock, took_seconds=0.08)
    early = await _waiting(batcher, 5)
    assert batches == []

    clock.now += 0.09

    assert await early == [5]
    assert await batcher.submit(6) == 6


async def test_after_a_quick_batch_the_next_keeps_the_pace() -> None:
    clock = Clock()
    batcher, batches = await _after_a_batch_of_four(clock, took_seconds=0.001)
    clock.now += EVERY_SECONDS - 0.01
    early = await _waiting(batcher, 5)
    assert batches == []

    clock.now += 0.01

    assert await early == [5]


async def test_a_single_caller_does_not_wait_for_others() -> None:
    clock = Clock()
    batcher, batches = await _after_a_batch_of_four(clock)
    clock.now += 0.06

    for item in (5, 6, 7):
        assert await batcher.submit(item) == item

    assert batches == [[5], [6], [7]]


async def test_an_abandoned_item_is_not_begun() -> None:
    gate = Gate()
    batcher = Batcher[int, int](
        gate.work, largest_batch=10, parallel=1, waiting_max=2, drops_abandoned=True
    )
    first, gone, stays = await _begun(batcher, gate, 1, 2, 3)
    gone.cancel()

    gate.open.set()

    assert await asyncio.gather(first, stays) == [10, 30]
    assert gate.batches == [[1], [3]]


def _pacing(clock: Clock, batches: list[list[int]]) -> Batcher[int, int]:
    async def work(items: Sequence[int]) -> Sequence[int | Exception]:
        batches.append(list(items))
        return list(items)

    return Batcher[int, int](
        work, largest_batch=3, parallel=1, waiting_max=100, every_seconds=EVERY_SECONDS, now=clock
    )


async def test_items_that_come_soon_after_a_batch_began_are_gathered_for_the_next() -> None:
    clock, batches = Clock(), list[list[int]]()
    batcher = _pacing(clock, batches)
    assert await batcher.submit(1) == 1
    waiting = await _waiting(batcher, 2, 3)
    assert batches == [[1]]

    clock.now += 0.06
    await waiting

    assert batches == [[1], [2, 3]]


async def test_a_full_batch_and_who_comes_later_alone_wait_for_nothing() -> None:
    clock, batches = Clock(), list[list[int]]()
    batcher = _pacing(clock, batches)
    await batcher.submit(1)

    await asyncio.gather(*(batcher.submit(item) for item in (2, 3, 4)))
    clock.now += 0.06
    await batcher.submit(5)

    assert batches == [[1], [2, 3, 4], [5]]
