"""A circuit breaker: when a provider has failed often enough, nothing more is sent to it for a
while, and only an answered look-up lets operations through again. Pure: time is passed in, and what
a fault is, is said by whoever calls."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

# Doubling is bounded long before a number could grow large.
_DOUBLINGS_MAX = 16


class State(Enum):
    """Whether operations may be sent; the numbers are those of the metric."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


@dataclass(frozen=True, kw_only=True)
class BreakerPolicy:
    """When it opens, and for how long."""

    faults_in_a_row: int = 5
    # Or this share of the last `window` operations, once there have been so many.
    fault_percent: int = 50
    window: int = 20
    # Doubled each time that it opens without an operation having been answered in between.
    pause_seconds: float = 5.0
    pause_seconds_max: float = 60.0


class Breaker:
    """The state of one provider's operations of one kind."""

    def __init__(self, policy: BreakerPolicy, now: Callable[[], float]) -> None:
        self._policy = policy
        self._now = now
        self._recent: deque[bool] = deque(maxlen=policy.window)
        self._faults_in_a_row = 0
        # Counts openings: a ticket from before the last one says nothing about the present.
        self._openings = 0
        self._openings_unanswered = 0
        self._pause_ends: float | None = None

    @property
    def state(self) -> State:
        """CLOSED, OPEN during a pause, HALF_OPEN once the pause is over."""
        if self._pause_ends is None:
            return State.CLOSED
        return State.OPEN if self._now() < self._pause_ends else State.HALF_OPEN

    def admit(self) -> int | None:
        """A ticket for one operation that may be sent now; None unless closed."""
        return self._openings if self.state is State.CLOSED else None

    def record(self, ticket: int, *, fault: bool) -> bool:
        """What became of an admitted operation; true when this opened the breaker.

        Results of operations admitted before the last opening are passed over.
        """
        if ticket != self._openings or self.state is not State.CLOSED:
            return False
        self._recent.append(fault)
        if not fault:
            self._faults_in_a_row = self._openings_unanswered = 0
            return False
        self._faults_in_a_row += 1
        if self._too_many():
            self._open()
            return True
        return False

    def learn(self, *, fault: bool) -> bool:
        """What became of a look-up; true when this closed the breaker.

        It matters in HALF_OPEN only. When sends work, failing look-ups must not stop them; and
        during the pause a provider that answers look-ups may still be failing every send.
        """
        if self.state is not State.HALF_OPEN:
            return False
        if fault:
            self._open()
            return False
        self._pause_ends = None
        self._recent.clear()
        self._faults_in_a_row = 0
        return True

    def _too_many(self) -> bool:
        policy, recent = self._policy, self._recent
        if self._faults_in_a_row >= policy.faults_in_a_row:
            return True
        return len(recent) == policy.window and (
            sum(recent) * 100 >= policy.fault_percent * policy.window
        )

    def _open(self) -> None:
        doubled = 2 ** min(self._openings_unanswered, _DOUBLINGS_MAX)
        pause = min(self._policy.pause_seconds * doubled, self._policy.pause_seconds_max)
        self._pause_ends = self._now() + pause
        self._openings += 1
        self._openings_unanswered += 1
