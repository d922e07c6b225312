"""A server waits for each message for the same bounded time, by one timer for all calls."""

import asyncio

import pytest

from services.shared.errors import TooSlow
from services.shared.grpc_arrivals import Arrivals

SHORT, LONG = 0.02, 60.0


class Call:
    """The context of a call whose message comes when the test says so."""

    def __init__(self) -> None:
        self.message: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.is_awaited = asyncio.Event()

    async def read(self) -> bytes:
        self.is_awaited.set()
        return await self.message


async def test_a_message_that_comes_is_given() -> None:
    call = Call()
    call.message.set_result(b"one")

    assert await Arrivals(SHORT).next_message(call) == b"one"


async def test_every_message_that_does_not_come_is_too_slow() -> None:
    arrivals = Arrivals(SHORT)
    ends = await asyncio.gather(
        *(arrivals.next_message(Call()) for _ in range(3)), return_exceptions=True
    )

    assert [type(end) for end in ends] == [TooSlow] * 3


async def test_a_call_after_a_late_one_is_bounded_too() -> None:
    arrivals = Arrivals(SHORT)
    for _ in range(2):
        with pytest.raises(TooSlow):
            await arrivals.next_message(Call())


async def test_a_message_that_comes_leaves_the_wait_for_another_bounded() -> None:
    arrivals, one, other = Arrivals(SHORT), Call(), Call()
    first = asyncio.create_task(arrivals.next_message(one))
    second = asyncio.create_task(arrivals.next_message(other))
    await other.is_awaited.wait()
    one.message.set_result(b"one")

    assert await first == b"one"
    with pytest.raises(TooSlow):
        await second


async def test_a_call_that_is_too_slow_is_not_cancelled_after_that() -> None:
    async def handler() -> str:
        with pytest.raises(TooSlow):
            await Arrivals(SHORT).next_message(Call())
        await asyncio.sleep(0)
        return "answered"

    assert await asyncio.create_task(handler()) == "answered"


async def test_a_call_that_its_caller_cancels_is_cancelled_and_not_too_slow() -> None:
    arrivals, call = Arrivals(LONG), Call()
    waiting = asyncio.create_task(arrivals.next_message(call))
    await call.is_awaited.wait()
    waiting.cancel()

    with pytest.raises(asyncio.CancelledError):
        await waiting
