"""Nothing is sent from the moment on that the caller has set, however long anything stood still."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from services.providers.admission import LocalAdmission, Refused
from services.providers.breaker import Breaker, BreakerPolicy
from services.providers.domain import Kind, OperationResult, Outcome, unknown
from services.providers.limits import Gate, Limits
from services.providers.protection import TOO_LATE, Guard, Provider
from tests.unit.providers.makers import FakeMonotonic, FakeOnramp, make_operation

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
LONG = 10.0


@dataclass
class FakeClock:
    """A time of day that passes only when a test says so."""

    time: datetime = NOON

    def now(self) -> datetime:
        return self.time


class Bench:
    """A guard, the onramp behind it, and the times; admission takes as long as is said."""

    def __init__(self) -> None:
        self.onramp, self.now, self.clock = FakeOnramp(), FakeMonotonic(), FakeClock()
        self.admission_takes = timedelta(0)
        bench = self

        class Slow(LocalAdmission):
            async def admit(self, key: str, patience_seconds: float) -> int | Refused:
                ticket = await super().admit(key, patience_seconds)
                bench.clock.time += bench.admission_takes
                return ticket

        self.guard = Guard(
            Provider("fake", Kind.COLLECTION, self.onramp.start_collection, self.onramp.look_up),
            Breaker(BreakerPolicy(faults_in_a_row=1, pause_seconds=5), self.now),
            Gate(Limits(concurrency=1), self.now),
            Slow,
            self.clock,
        )

    async def send(self, key: str, send_before: datetime | None = None) -> OperationResult:
        return await self.guard.send(make_operation(key), LONG, send_before)


def is_too_late(result: OperationResult) -> bool:
    code = result.failure.code if result.failure else ""
    return (result.outcome, code) == (Outcome.UNKNOWN, TOO_LATE)


@pytest.mark.parametrize(("late", "sent"), [(-1, ["one"]), (0, []), (3600, [])])
async def test_nothing_is_sent_from_that_moment_on(late: int, sent: list[str]) -> None:
    bench = Bench()

    result = await bench.send("one", NOON - timedelta(microseconds=late))

    assert bench.onramp.sent == sent
    assert is_too_late(result) is (not sent)


async def test_a_turn_that_comes_too_late_is_not_used_and_given_back() -> None:
    bench = Bench()
    bench.admission_takes = timedelta(seconds=12)
    assert is_too_late(await bench.send("late", NOON + timedelta(seconds=12)))
    bench.admission_takes = timedelta(0)

    next_one = await bench.send("next", bench.clock.time + timedelta(seconds=1))

    assert (next_one.outcome, bench.onramp.sent) == (Outcome.SUCCEEDED, ["next"])


async def test_a_trial_that_comes_too_late_leaves_the_breaker_as_it_was() -> None:
    """A half-open breaker admits few at once: one that is never given back would keep it open."""
    bench = Bench()
    bench.onramp.sends = unknown("", "provider_fault")
    await bench.send("broken")
    bench.onramp.sends = OperationResult(key="", outcome=Outcome.SUCCEEDED)
    bench.now.seconds += 60
    bench.admission_takes = timedelta(seconds=12)
    for _ in range(20):
        assert is_too_late(await bench.send("broken", bench.clock.time + timedelta(seconds=12)))
    bench.admission_takes = timedelta(0)

    assert (await bench.send("broken")).outcome is Outcome.SUCCEEDED
