"""How many calls pass at once and per second, and the results of those that do not."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from services.providers.limits import Gate, Limits, RateCap
from tests.unit.providers.makers import FakeMonotonic

FOREVER = 1e6


def test_a_seconds_worth_may_come_at_once_and_then_at_the_pace() -> None:
    now = FakeMonotonic()
    cap = RateCap(4, now)

    waits = [cap.take() for _ in range(7)]

    assert waits == [0, 0, 0, 0, 0.25, 0.5, 0.75]


def test_time_brings_tokens_back_but_never_more_than_a_seconds_worth() -> None:
    now = FakeMonotonic()
    cap = RateCap(4, now)
    for _ in range(4):
        cap.take()

    now.seconds += 0.5
    assert [cap.take() for _ in range(3)] == [0, 0, 0.25]
    now.seconds += 3600
    assert [cap.take() for _ in range(5)] == [0, 0, 0, 0, 0.25]


def test_asking_how_long_takes_no_token() -> None:
    cap = RateCap(1, FakeMonotonic())

    assert [cap.wait_seconds() for _ in range(3)] == [0, 0, 0]


async def test_no_more_than_the_limit_are_inside_at_once() -> None:
    gate = Gate(Limits(concurrency=2), FakeMonotonic())

    async with AsyncExitStack() as inside:
        for _ in range(2):
            assert await inside.enter_async_context(gate.enter(FOREVER))
        async with gate.enter(0.001) as entered:
            assert not entered

    async with gate.enter(FOREVER) as entered:
        assert entered


async def test_waiting_caller_enters_when_another_leaves() -> None:
    gate = Gate(Limits(concurrency=1), FakeMonotonic())
    came_in = asyncio.Event()

    async def second() -> None:
        async with gate.enter(FOREVER) as entered:
            assert entered
            came_in.set()

    async with gate.enter(FOREVER):
        waiting = asyncio.create_task(second())
        await asyncio.sleep(0)
        assert not came_in.is_set()
    await waiting

    assert came_in.is_set()


async def test_over_the_rate_one_waits_as_long_as_it_takes() -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    gate = Gate(Limits(per_second=2), FakeMonotonic(), sleep)

    for _ in range(4):
        async with gate.enter(FOREVER) as entered:
            assert entered

    assert slept == [0.5, 1.0]


async def test_a_caller_who_would_wait_too_long_is_refused_at_once_and_uses_no_token() -> None:
    now = FakeMonotonic()
    gate = Gate(Limits(per_second=1), now)
    async with gate.enter(FOREVER) as entered:
        assert entered

    for _ in range(10):
        async with gate.enter(0.5) as entered:
            assert not entered

    now.seconds += 1
    async with gate.enter(0.5) as entered:
        assert entered


async def test_a_place_is_given_back_whatever_happens_inside() -> None:
    gate = Gate(Limits(concurrency=1), FakeMonotonic())

    async def breaks() -> None:
        async with gate.enter(FOREVER):
            raise RuntimeError

    await asyncio.gather(breaks(), return_exceptions=True)

    async with gate.enter(0.001) as entered:
        assert entered


async def test_a_shut_gate_lets_a_caller_with_time_wait_and_refuses_others_at_once() -> None:
    now, slept = FakeMonotonic(), list[float]()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    gate = Gate(Limits(), now, sleep)
    gate.shut(30)
    gate.shut(10)

    assert gate.opens_in_seconds == 30
    async with gate.enter(5) as entered:
        assert not entered
    async with gate.enter(31) as entered:
        assert entered
    now.seconds += 30
    async with gate.enter(5) as entered:
        assert entered
    assert slept == [30]


async def test_a_question_is_answered_in_a_place_and_in_time_or_not_at_all() -> None:
    gate = Gate(Limits(concurrency=1), FakeMonotonic())

    async def answer() -> str:
        return "yes"

    async def silence() -> str:
        await asyncio.Event().wait()
        return "never"

    assert await gate.asked(FOREVER, answer) == "yes"
    with pytest.raises(TimeoutError):
        await gate.asked(0.01, silence)
    assert await gate.take(FOREVER)
    with pytest.raises(TimeoutError):
        await gate.asked(0.01, answer)
    gate.leave()
    assert await gate.asked(FOREVER, answer) == "yes"
