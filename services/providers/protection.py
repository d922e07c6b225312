"""The protection of one provider for one kind of operation: the breaker, its limits, the time
limit, and the metrics. Any error here is a result and never an exception."""

import asyncio
import time
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from math import ceil

from services.providers.admission import Admission, LocalAdmission, Refused
from services.providers.breaker import Breaker, State
from services.providers.domain import (
    Kind,
    Operation,
    OperationResult,
    Outcome,
    not_sent,
    unknown,
)
from services.providers.limits import Gate
from services.providers.metrics import observe, publish_state
from services.shared.clock import Clock, SystemClock
from services.shared.log import get_logger
from services.shared.recipients import without

# The codes that say that the provider, and not the operation, is in trouble. Every adapter uses
# these words; a definitive refusal is an answer, and so is anything else that is not listed.
RATE_LIMITED = "rate_limited"
PROVIDER_FAULTS = frozenset(
    {"timeout", "not_connected", "connection_failed", "provider_fault", RATE_LIMITED}
)
UNAVAILABLE = "provider_unavailable"
TOO_LATE = "send_too_late"
CAPPED = "rate_capped"
_CAPPED_WHY = "our limits for the provider are used up, or it has asked to be left alone"
# While nothing is sent, look-ups go on; but many at once must not keep a provider down. The others
# wait so long for their turn: a payment with more attempts than that is asked about as a whole.
PROBES_MAX, PROBE_WAIT_SECONDS = 4, 1.0
# So many operations that failed are kept to be looked up.
FAULTY_MAX = 64

_CLOCK = SystemClock()

Call = Callable[[Operation], Awaitable[OperationResult]]


@dataclass(frozen=True)
class Provider:
    """One kind of operation at one provider, and how to send it and to ask about it."""

    name: str
    kind: Kind
    call: Call
    look_up: Call


@dataclass(frozen=True)
class Deadline:
    """The time that one operation may take, on the monotonic clock of the machine."""

    ends: float
    # Waiting takes at most half of the time: whatever is sent has the rest to be answered.
    patience_ends: float
    # From when on nothing is sent, by the clock of the day; None where nobody has set that limit.
    send_before: datetime | None = None

    @classmethod
    def within(cls, seconds: float, send_before: datetime | None = None) -> "Deadline":
        """The deadline `seconds` from now; waiting may take half of them."""
        now = time.monotonic()
        return cls(now + seconds, now + seconds / 2, send_before)

    def is_over(self, now: datetime) -> bool:
        """Whether it is too late to send."""
        return self.send_before is not None and now >= self.send_before


class Guard:
    """Guards one kind of operation at one provider; its gate is shared by all kinds."""

    def __init__(
        self,
        provider: Provider,
        breaker: Breaker,
        gate: Gate,
        admission: Callable[[Gate, Breaker], Admission] = LocalAdmission,
        clock: Clock = _CLOCK,
    ) -> None:
        """`clock` says what time of the day it is, to compare with limits from elsewhere."""
        self._provider = provider
        self._clock = clock
        self._admission = admission(gate, breaker)
        self._breaker = breaker
        self._gate = gate
        self._probes = asyncio.Semaphore(PROBES_MAX)
        self._looking = False
        # Of these one is looked up when a pause is over; the answer is worth having anyway.
        self._faulty: dict[str, Operation] = {}
        publish_state(provider.name, provider.kind, lambda: breaker.state.value)

    @property
    def breaker(self) -> Breaker:
        """Its breaker, to look at."""
        return self._breaker

    async def send(
        self, operation: Operation, within_seconds: float, send_before: datetime | None = None
    ) -> OperationResult:
        """Sends the operation, or says at once that it cannot be sent now. From `send_before` on
        nothing is sent, however long this process stood still."""
        if send_before is not None:
            left = (send_before - self._clock.now()).total_seconds()
            within_seconds = min(within_seconds, left)
        with observe(self._provider.name, self._provider.kind, "execute") as note:
            return note(await self._send(operation, Deadline.within(within_seconds, send_before)))

    async def ask(self, operation: Operation, within_seconds: float) -> OperationResult:
        """Looks the operation up; the answer may open the way for sends again."""
        with observe(self._provider.name, self._provider.kind, "look_up") as note:
            return note(await self._ask(operation, Deadline.within(within_seconds)))

    async def _send(self, operation: Operation, deadline: Deadline) -> OperationResult:
        if deadline.is_over(self._clock.now()):
            return self._too_late(operation)
        if not await self._may_be_tried(operation, deadline):
            return self._unavailable(operation)
        patience = deadline.patience_ends - time.monotonic()
        admitted = await self._admission.admit(operation.key, patience)
        if admitted is Refused.CAPPED:
            return not_sent(operation.key, CAPPED, _CAPPED_WHY, retry_after_seconds=self._shut)
        if admitted is Refused.UNAVAILABLE:
            return self._unavailable(operation)
        if deadline.is_over(self._clock.now()):
            self._breaker.give_back(admitted)
            self._admission.leave()
            return self._too_late(operation)
        try:
            result = await _answered(self._provider.call, operation, deadline.ends)
        except asyncio.CancelledError:
            self._breaker.give_back(admitted)
            raise
        finally:
            self._admission.leave()
        self._leave_alone(result)
        self._record(admitted, operation, fault=_is_fault(result))
        return result

    def _record(self, ticket: int, operation: Operation, *, fault: bool) -> None:
        self._faulty.pop(operation.key, None)
        if fault:
            self._faulty[operation.key] = operation
            if len(self._faulty) > FAULTY_MAX:
                del self._faulty[next(iter(self._faulty))]
        if self._breaker.record(ticket, operation.key, fault=fault):
            is_open = self._breaker.state is not State.CLOSED
            self._log("breaker_opened" if is_open else "breaker_closed")

    async def _ask(self, operation: Operation, deadline: Deadline) -> OperationResult:
        if self._breaker.state is State.CLOSED:
            return await self._looked_up(operation, deadline)
        wait_seconds = min(PROBE_WAIT_SECONDS, deadline.patience_ends - time.monotonic())
        try:
            async with asyncio.timeout(wait_seconds):
                await self._probes.acquire()
        except TimeoutError:
            return unknown(operation.key, UNAVAILABLE, "the provider is down; ask later")
        try:
            return await self._looked_up(operation, deadline)
        finally:
            self._probes.release()

    async def _looked_up(self, operation: Operation, deadline: Deadline) -> OperationResult:
        async with self._gate.enter(deadline.patience_ends - time.monotonic()) as entered:
            if not entered:
                wait = self._shut
                return unknown(operation.key, CAPPED, _CAPPED_WHY, retry_after_seconds=wait)
            result = await _answered(self._provider.look_up, operation, deadline.ends)
        self._leave_alone(result)
        self._breaker.learn(operation.key, fault=_is_fault(result))
        return result

    async def _may_be_tried(self, operation: Operation, deadline: Deadline) -> bool:
        """Whether it is worth while to wait for a turn. Before a fresh key is tried after a pause,
        one of the operations that failed is looked up, each time another one: a provider that
        cannot even say what became of it is not sent anything new."""
        if not self._breaker.may_admit(operation.key):
            return False
        is_answered = self._breaker.state is State.CLOSED or self._breaker.has_been_answered
        if is_answered or not self._faulty or operation.key in self._faulty:
            return True
        if self._looking:
            return False
        self._looking = True
        key, faulty = next(iter(self._faulty.items()))
        self._faulty[key] = self._faulty.pop(key)
        try:
            await self.ask(faulty, deadline.patience_ends - time.monotonic())
        finally:
            self._looking = False
        return self._breaker.may_admit(operation.key)

    def _unavailable(self, operation: Operation) -> OperationResult:
        message = "the provider has failed too often; tried later"
        wait = max(1, ceil(self._breaker.opens_in_seconds))
        return not_sent(operation.key, UNAVAILABLE, message, retry_after_seconds=wait)

    def _too_late(self, operation: Operation) -> OperationResult:
        self._log(TOO_LATE)
        message = "its time was over before it was sent"
        return unknown(operation.key, TOO_LATE, message)

    def _leave_alone(self, result: OperationResult) -> None:
        """A limit is of all that we send; whatever else a provider asks for is of one operation."""
        if result.retry_after_seconds and result.failure and result.failure.code == RATE_LIMITED:
            self._gate.shut(result.retry_after_seconds)

    @property
    def _shut(self) -> int:
        return ceil(self._gate.opens_in_seconds)

    def _log(self, event: str) -> None:
        get_logger().warning(event, provider=self._provider.name, kind=self._provider.kind.name)


async def _answered(call: Call, operation: Operation, ends: float) -> OperationResult:
    try:
        async with asyncio.timeout(ends - time.monotonic()):
            return _without_recipient(await call(operation), operation)
    except TimeoutError:
        return unknown(operation.key, "timeout", "no answer in time")
    except Exception as error:  # noqa: BLE001  Whatever an adapter did, money may have moved.
        # The frames say where; an exception's own text may quote a request and its key.
        get_logger().error(
            "adapter_error",
            provider=operation.provider,
            key=operation.key,
            error=type(error).__name__,
            frames=traceback.format_tb(error.__traceback__),
        )
        return unknown(operation.key, "adapter_error", "the adapter failed; see its log")


def _without_recipient(result: OperationResult, operation: Operation) -> OperationResult:
    """The result, whose words a merchant may see, without what would identify a person."""
    failure = result.failure
    if failure is None or operation.recipient is None:
        return result
    words = without(failure.message, operation.recipient)
    return replace(result, failure=replace(failure, message=words))


def _is_fault(result: OperationResult) -> bool:
    # A definitive refusal never counts, whatever its code: somebody answered.
    undecided = result.outcome in (Outcome.UNKNOWN, Outcome.NOT_SENT)
    return undecided and result.failure is not None and result.failure.code in PROVIDER_FAULTS
