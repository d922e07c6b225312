"""Each await has the same time, by one timer for all of them."""

import asyncio

import pytest

from services.shared.time_limit import TimeLimit

SHORT, LONG = 0.02, 60.0


def open_future() -> "asyncio.Future[bytes]":
    return asyncio.get_running_loop().create_future()


async def test_a_result_that_comes_is_given() -> None:
    future = open_future()
    future.set_result(b"one")

    assert await TimeLimit(SHORT).of(future) == b"one"


async def test_an_error_is_passed_on() -> None:
    future = open_future()
    future.set_exception(LookupError("none"))

    with pytest.raises(LookupError):
        await TimeLimit(SHORT).of(future)


async def test_every_await_whose_result_does_not_come_is_ended() -> None:
    limit = TimeLimit(SHORT)
    ends = await asyncio.gather(
        *(limit.of(open_future()) for _ in range(3)), return_exceptions=True
    )

    assert [type(end) for end in ends] == [TimeoutError] * 3


async def test_an_await_after_a_late_one_is_limited_too() -> None:
    limit = TimeLimit(SHORT)
    for _ in range(2):
        with pytest.raises(TimeoutError):
            await limit.of(open_future())


async def test_a_result_that_comes_leaves_another_await_limited() -> None:
    limit, one, other = TimeLimit(SHORT), open_future(), open_future()
    first = asyncio.create_task(limit.of(one))
    second = asyncio.create_task(limit.of(other))
    one.set_result(b"one")

    assert await first == b"one"
    with pytest.raises(TimeoutError):
        await second


async def test_a_task_goes_on_after_a_late_await() -> None:
    async def late_then_more() -> str:
        with pytest.raises(TimeoutError):
            await TimeLimit(SHORT).of(open_future())
        await asyncio.sleep(0)
        return "done"

    assert await asyncio.create_task(late_then_more()) == "done"


async def test_a_task_that_is_cancelled_is_not_late() -> None:
    async def begun() -> bytes:
        has_begun.set()
        return await TimeLimit(LONG).of(open_future())

    has_begun = asyncio.Event()
    waiting = asyncio.create_task(begun())
    await has_begun.wait()
    waiting.cancel()

    with pytest.raises(asyncio.CancelledError):
        await waiting
