"""The protection of a provider in trouble: the operations that are still sent, those that are
not, and how it learns that the provider is back."""

import asyncio
from typing import Any

import pytest

from services.providers.breaker import Breaker, BreakerPolicy
from services.providers.domain import Kind, OperationResult, Outcome, failed, not_sent, unknown
from services.providers.limits import Gate, Limits
from services.providers.protection import PROBES_MAX, PROVIDER_FAULTS, Guard, Provider
from services.shared.recipients import BankAccount
from tests.unit.providers.makers import FakeMonotonic, FakeOnramp, make_operation

POLICY = BreakerPolicy(faults_in_a_row=2, pause_seconds=5)
FAULT = unknown("", "provider_fault")
LONG = 10.0
# The pause, and the time after it in which keys that failed before are tried first.
FRESH = 5 + POLICY.reserve_seconds
SHORT = 0.02


class Bench:
    """A guard, the onramp behind it, and the time."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.onramp = FakeOnramp()
        self.now = FakeMonotonic()
        self.guard = Guard(
            Provider("fake", Kind.COLLECTION, self.onramp.start_collection, self.onramp.look_up),
            Breaker(POLICY, self.now),
            Gate(limits or Limits(), self.now),
        )

    async def send(self, key: str, within_seconds: float = LONG) -> OperationResult:
        return await self.guard.send(make_operation(key), within_seconds)

    async def ask(self, key: str, within_seconds: float = LONG) -> OperationResult:
        return await self.guard.ask(make_operation(key), within_seconds)

    async def break_down(self) -> None:
        """Two faults, the first one of "broken"; then the onramp would work again."""
        self.onramp.sends = FAULT
        for key in ("broken", "second"):
            assert (await self.send(key)).outcome is Outcome.UNKNOWN
        self.onramp.sends = OperationResult(key="", outcome=Outcome.SUCCEEDED)
        self.onramp.sent.clear()

    def hang(self, key: str) -> None:
        """The next calls about this key do not return."""
        self.onramp.gates[key] = asyncio.Event()
        self.onramp.started[key] = asyncio.Event()


@pytest.fixture
def bench() -> Bench:
    return Bench()


def said(result: OperationResult) -> tuple[Outcome, str]:
    return result.outcome, result.failure.code if result.failure else ""


UNAVAILABLE = (Outcome.NOT_SENT, "provider_unavailable")


async def test_a_provider_that_is_asked_too_often_is_left_alone_as_long_as_it_wants(
    bench: Bench,
) -> None:
    bench.onramp.sends = unknown("", "rate_limited", retry_after_seconds=30)
    first = await bench.send("first")
    bench.onramp.sends = OperationResult(key="", outcome=Outcome.SUCCEEDED)

    sent, asked = await bench.send("second"), await bench.ask("second")
    bench.now.seconds += 30
    after = await bench.send("second")

    assert first.retry_after_seconds == 30
    assert (said(sent), sent.retry_after_seconds) == ((Outcome.NOT_SENT, "rate_capped"), 30)
    assert (said(asked), asked.retry_after_seconds) == ((Outcome.UNKNOWN, "rate_capped"), 30)
    assert (after.outcome, bench.onramp.looked_up) == (Outcome.SUCCEEDED, [])


async def test_a_fault_that_names_a_time_is_of_its_own_operation_only(bench: Bench) -> None:
    bench.onramp.sends = unknown("", "provider_fault", retry_after_seconds=30)
    await bench.send("first")
    bench.onramp.sends = OperationResult(key="", outcome=Outcome.SUCCEEDED)

    assert (await bench.send("second")).outcome is Outcome.SUCCEEDED


async def test_while_open_nothing_is_sent_and_nobody_waits(bench: Bench) -> None:
    await bench.break_down()

    assert said(await bench.send("next")) == UNAVAILABLE
    assert bench.onramp.sent == bench.onramp.looked_up == []


async def test_after_the_pause_a_look_up_of_an_operation_that_failed_goes_first(
    bench: Bench,
) -> None:
    await bench.break_down()
    bench.now.seconds += FRESH

    result = await bench.send("next")

    assert result.outcome is Outcome.SUCCEEDED
    assert bench.onramp.looked_up == ["broken"]
    assert bench.onramp.sent == ["next"]


@pytest.mark.parametrize(
    "answer",
    [
        OperationResult(key="", outcome=Outcome.SUCCEEDED),
        OperationResult(key="", outcome=Outcome.PENDING),
        OperationResult(key="", outcome=Outcome.ABSENT),
        failed("", "refused"),
        # Nothing definite, but an answer: were it not enough, one odd operation could keep a
        # provider that works away for ever.
        unknown("", "amount_mismatch"),
    ],
)
async def test_any_answer_to_the_look_up_lets_an_operation_be_tried(
    bench: Bench, answer: OperationResult
) -> None:
    await bench.break_down()
    bench.now.seconds += FRESH
    bench.onramp.look_ups = answer

    assert (await bench.send("next")).outcome is Outcome.SUCCEEDED


async def test_a_probe_that_meets_a_fault_sends_nothing_and_begins_a_longer_pause(
    bench: Bench,
) -> None:
    await bench.break_down()
    bench.now.seconds += FRESH
    bench.onramp.look_ups = FAULT

    assert said(await bench.send("next")) == UNAVAILABLE

    bench.onramp.look_ups = OperationResult(key="", outcome=Outcome.ABSENT)
    bench.now.seconds += 9.9
    assert said(await bench.send("next")) == UNAVAILABLE
    assert (bench.onramp.sent, bench.onramp.looked_up) == ([], ["broken"])


async def test_a_probe_that_hangs_leaves_the_operation_unsent(bench: Bench) -> None:
    await bench.break_down()
    bench.now.seconds += FRESH
    bench.hang("broken")

    assert said(await bench.send("next", SHORT)) == UNAVAILABLE
    assert bench.onramp.sent == []
    # It hung, so the provider is not back: the next one does not even ask.
    assert said(await bench.send("next")) == UNAVAILABLE
    assert bench.onramp.looked_up == ["broken"]


async def test_only_one_probes_and_the_others_do_not_wait_for_it(bench: Bench) -> None:
    await bench.break_down()
    bench.now.seconds += FRESH
    bench.hang("broken")
    first = asyncio.create_task(bench.send("next"))
    await bench.onramp.started["broken"].wait()

    assert said(await bench.send("other")) == UNAVAILABLE

    bench.onramp.gates["broken"].set()
    assert (await first).outcome is Outcome.SUCCEEDED
    assert bench.onramp.looked_up == ["broken"]


async def test_a_caller_who_goes_away_during_the_probe_leaves_the_next_one_to_probe(
    bench: Bench,
) -> None:
    await bench.break_down()
    bench.now.seconds += FRESH
    bench.hang("broken")
    first = asyncio.create_task(bench.send("next"))
    await bench.onramp.started["broken"].wait()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    del bench.onramp.gates["broken"]

    assert (await bench.send("next")).outcome is Outcome.SUCCEEDED
    assert bench.onramp.sent == ["next"]


async def test_failed_operation_is_tried_again_without_a_look_up_by_the_guard(bench: Bench) -> None:
    """The engine looks such an operation up itself before it sends it again."""
    await bench.break_down()
    bench.now.seconds += 5

    assert (await bench.send("second")).outcome is Outcome.SUCCEEDED
    assert (bench.onramp.looked_up, bench.onramp.sent) == ([], ["second"])


async def test_each_time_another_operation_is_looked_up(bench: Bench) -> None:
    await bench.break_down()
    bench.onramp.look_ups = FAULT
    for _ in range(2):
        bench.now.seconds += 60
        assert said(await bench.send("next")) == UNAVAILABLE

    assert bench.onramp.looked_up == ["broken", "second"]


async def test_look_ups_go_on_while_open_and_close_nothing(bench: Bench) -> None:
    await bench.break_down()

    assert (await bench.ask("second")).outcome is Outcome.ABSENT
    assert said(await bench.send("next")) == UNAVAILABLE
    bench.now.seconds += 5
    assert (await bench.ask("second")).outcome is Outcome.ABSENT
    assert said(await bench.send("next")) == UNAVAILABLE
    assert bench.onramp.sent == []


async def test_a_refusal_of_the_breaker_says_when_to_come_again(bench: Bench) -> None:
    await bench.break_down()

    assert (await bench.send("next")).retry_after_seconds == 5
    bench.now.seconds += 4.5
    assert (await bench.send("next")).retry_after_seconds == 1


async def test_a_caller_who_goes_away_during_a_trial_makes_room_for_another(bench: Bench) -> None:
    await bench.break_down()
    bench.now.seconds += 5
    bench.hang("broken")
    trial = asyncio.create_task(bench.send("broken"))
    await bench.onramp.started["broken"].wait()
    assert said(await bench.send("second")) == UNAVAILABLE
    trial.cancel()
    await asyncio.gather(trial, return_exceptions=True)

    assert (await bench.send("second")).outcome is Outcome.SUCCEEDED


async def test_few_look_ups_at_a_time_reach_a_provider_that_is_down_and_the_others_follow(
    bench: Bench,
) -> None:
    await bench.break_down()
    bench.hang("asked")
    look_ups = [asyncio.create_task(bench.ask("asked")) for _ in range(3 * PROBES_MAX)]
    await bench.onramp.started["asked"].wait()
    bench.onramp.gates["asked"].set()

    results = [said(result) for result in await asyncio.gather(*look_ups)]

    assert bench.onramp.running_max == PROBES_MAX
    assert results == [(Outcome.ABSENT, "")] * 3 * PROBES_MAX


async def test_a_look_up_that_does_not_get_its_turn_says_that_the_provider_is_down(
    bench: Bench,
) -> None:
    await bench.break_down()
    bench.hang("asked")
    look_ups = [asyncio.create_task(bench.ask("asked")) for _ in range(PROBES_MAX)]
    await bench.onramp.started["asked"].wait()

    refused = await bench.ask("another", within_seconds=SHORT)

    assert said(refused) == (Outcome.UNKNOWN, "provider_unavailable")
    bench.onramp.gates["asked"].set()
    await asyncio.gather(*look_ups)


async def test_failing_look_ups_do_not_stop_sends(bench: Bench) -> None:
    bench.onramp.look_ups = FAULT

    for _ in range(30):
        await bench.ask("asked")

    assert (await bench.send("next")).outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize("code", sorted(PROVIDER_FAULTS))
async def test_every_fault_of_the_provider_counts(bench: Bench, code: str) -> None:
    bench.onramp.sends = not_sent("", code) if code == "not_connected" else unknown("", code)
    for key in ("one", "two"):
        await bench.send(key)

    assert said(await bench.send("next")) == UNAVAILABLE


@pytest.mark.parametrize(
    "answer",
    [
        failed("", "refused"),
        # A definitive failure never counts, even by a name that would.
        failed("", "timeout"),
        unknown("", "amount_mismatch"),
        unknown("", "request_refused"),
        RuntimeError("a fault of ours"),
    ],
)
async def test_answer_that_is_not_a_provider_fault_does_not_count(
    bench: Bench, answer: Any
) -> None:
    bench.onramp.sends = answer

    for number in range(30):
        result = await bench.send(f"key-{number}")

    assert said(result) != UNAVAILABLE
    assert len(bench.onramp.sent) == 30


async def test_a_hanging_provider_counts_as_a_fault(bench: Bench) -> None:
    for key in ("slow", "slower"):
        bench.hang(key)
        assert said(await bench.send(key, SHORT)) == (Outcome.UNKNOWN, "timeout")

    assert said(await bench.send("next")) == UNAVAILABLE


async def test_one_operation_that_fails_again_and_again_stops_no_other(bench: Bench) -> None:
    bench.onramp.sends = FAULT
    for _ in range(30):
        assert said(await bench.send("cursed")) == (Outcome.UNKNOWN, "provider_fault")

    bench.onramp.sends = OperationResult(key="", outcome=Outcome.SUCCEEDED)

    assert (await bench.send("next")).outcome is Outcome.SUCCEEDED


async def test_operation_that_waited_while_the_breaker_opened_is_not_sent() -> None:
    bench = Bench(Limits(concurrency=1))
    bench.onramp.sends = FAULT
    bench.hang("first")
    sends = [asyncio.create_task(bench.send(key)) for key in ("first", "second", "third")]
    await bench.onramp.started["first"].wait()
    bench.onramp.gates["first"].set()

    results = await asyncio.gather(*sends)

    assert [said(result) for result in results[:2]] == [(Outcome.UNKNOWN, "provider_fault")] * 2
    assert said(results[2]) == UNAVAILABLE
    assert bench.onramp.sent == ["first", "second"]


@pytest.mark.parametrize("limits", [Limits(concurrency=1), Limits(per_second=1)])
async def test_beyond_the_limits_nothing_is_sent_and_nothing_asked(limits: Limits) -> None:
    bench = Bench(limits)
    bench.hang("inside")
    inside = asyncio.create_task(bench.send("inside"))
    await bench.onramp.started["inside"].wait()

    assert said(await bench.send("next", SHORT)) == (Outcome.NOT_SENT, "rate_capped")
    assert said(await bench.ask("next", SHORT)) == (Outcome.UNKNOWN, "rate_capped")

    assert (bench.onramp.sent, bench.onramp.looked_up) == (["inside"], [])
    bench.onramp.gates["inside"].set()
    assert (await inside).outcome is Outcome.SUCCEEDED


async def test_an_exception_is_unknown_and_its_text_is_not_shown(bench: Bench) -> None:
    bench.onramp.sends = RuntimeError("out of order")

    result = await bench.send("one")

    assert said(result) == (Outcome.UNKNOWN, "adapter_error")
    assert "out of order" not in repr(result)


async def test_words_about_a_recipient_are_masked_in_answers_to_sends_and_questions() -> None:
    bench = Bench()
    refusal = failed("", "recipient_invalid", "no account 0690000040 of Ada Obi")
    bench.onramp.sends, bench.onramp.look_ups = refusal, refusal
    recipient = BankAccount(holder_name="Ada Obi", account_number="0690000040")
    operation = make_operation(recipient=recipient)

    answers = [await bench.guard.send(operation, LONG), await bench.guard.ask(operation, LONG)]

    words = [answer.failure.message for answer in answers if answer.failure]
    assert words == ["no account ****0040 of A*** O***"] * 2
