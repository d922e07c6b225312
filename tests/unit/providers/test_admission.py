"""An operation is sent only while it is admitted; a limiter outside this process may take its time,
or refuse, through the same interface."""

import asyncio

import pytest

from services.providers.admission import LocalAdmission, Refused, Ticket
from services.providers.breaker import Breaker, BreakerPolicy
from services.providers.domain import Kind, Outcome
from services.providers.limits import Gate, Limits
from services.providers.protection import Guard, Provider
from tests.unit.providers.makers import FakeMonotonic, FakeOnramp, make_operation


class SharedLimiter:
    """A limiter elsewhere: it answers when a test lets it, and counts who is inside."""

    def __init__(self, gate: Gate, breaker: Breaker) -> None:
        self._local = LocalAdmission(gate, breaker)
        self.asked, self.answers = asyncio.Event(), asyncio.Event()
        self.refuses = False
        self.inside = 0

    async def admit(self, key: str, patience_seconds: float) -> Ticket | Refused:
        self.asked.set()
        await self.answers.wait()
        if self.refuses:
            return Refused.CAPPED
        admitted = await self._local.admit(key, patience_seconds)
        self.inside += isinstance(admitted, int)
        return admitted

    def leave(self) -> None:
        self.inside -= 1
        self._local.leave()


class Bench:
    """A guard whose admission is the limiter."""

    def __init__(self) -> None:
        self.onramp, now = FakeOnramp(), FakeMonotonic()
        gate, breaker = Gate(Limits(), now), Breaker(BreakerPolicy(), now)
        self.limiter = SharedLimiter(gate, breaker)
        provider = Provider(
            "fake", Kind.COLLECTION, self.onramp.start_collection, self.onramp.look_up
        )
        self.guard = Guard(provider, breaker, gate, lambda *_: self.limiter)


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_nothing_is_sent_before_the_limiter_has_answered(bench: Bench) -> None:
    sending = asyncio.create_task(bench.guard.send(make_operation(), 10))
    await bench.limiter.asked.wait()
    assert bench.onramp.sent == []

    bench.limiter.answers.set()

    assert (await sending).outcome is Outcome.SUCCEEDED
    assert (bench.onramp.sent, bench.limiter.inside) == (["one"], 0)


async def test_operation_that_the_limiter_refuses_is_not_sent(bench: Bench) -> None:
    bench.limiter.refuses = True
    bench.limiter.answers.set()

    result = await bench.guard.send(make_operation(), 10)

    assert (result.outcome, bench.onramp.sent) == (Outcome.NOT_SENT, [])
    assert result.failure
    assert result.failure.code == "rate_capped"


async def test_a_place_is_given_back_by_whoever_goes_away(bench: Bench) -> None:
    bench.onramp.gates["one"] = asyncio.Event()
    bench.onramp.started["one"] = asyncio.Event()
    bench.limiter.answers.set()
    sending = asyncio.create_task(bench.guard.send(make_operation(), 10))
    await bench.onramp.started["one"].wait()
    assert bench.limiter.inside == 1

    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)

    assert bench.limiter.inside == 0


async def test_the_breaker_is_asked_after_the_wait_for_a_place() -> None:
    now = FakeMonotonic()
    breaker = Breaker(BreakerPolicy(faults_in_a_row=1), now)
    admission = LocalAdmission(Gate(Limits(concurrency=1), now), breaker)

    first = await admission.admit("first", 10)
    assert isinstance(first, int)
    waiting = asyncio.create_task(admission.admit("second", 10))
    await asyncio.sleep(0)
    breaker.record(first, "first", fault=True)
    admission.leave()

    assert await waiting is Refused.UNAVAILABLE
    # A refused operation holds no place.
    assert await admission.admit("third", 0.01) is Refused.UNAVAILABLE


async def test_a_wait_that_is_cancelled_holds_no_place() -> None:
    now, asleep = FakeMonotonic(), asyncio.Event()

    async def sleep(_: float) -> None:
        asleep.set()
        await asyncio.Event().wait()

    gate = Gate(Limits(concurrency=1), now, sleep)
    gate.shut(5)
    waiting = asyncio.create_task(gate.take(10))
    await asleep.wait()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    now.seconds += 5

    assert await gate.take(0.01)
