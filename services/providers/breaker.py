"""A circuit breaker: when a provider has failed often enough, nothing more is sent to it for a
while; then single operations are tried, and more and more of them as they are answered. Pure: time
is passed in, and the caller says which results are faults of the provider."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

# Doubling is bounded long before a number could grow large.
_DOUBLINGS_MAX = 16
# So many keys are remembered as failed; more are not needed to distinguish them.
_KEYS_MAX = 1024


class State(Enum):
    """Whether operations may be sent; the numbers are those of the metric."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


@dataclass(frozen=True, kw_only=True)
class BreakerPolicy:
    """When it opens, and for how long."""

    faults_in_a_row: int = 5
    # Or more than this share of the last `window` operations, once there have been so many.
    fault_percent: int = 50
    window: int = 20
    # Doubled each time that it opens without an operation having been answered in between.
    pause_seconds: float = 5.0
    pause_seconds_max: float = 60.0
    # Once so many may be tried at the same time, it is closed.
    trials_max: int = 16
    # A provider that answered at once when it was tried again may fail more often before the next
    # pause, up to so many times as often.
    patience_max: int = 4
    # How long a trial is kept for operations whose answers prove more than others', per rank.
    reserve_seconds: float = 2.0


class Breaker:
    """The state of one provider's operations of one kind."""

    def __init__(self, policy: BreakerPolicy, now: Callable[[], float]) -> None:
        self._policy = policy
        self._now = now
        self._recent: deque[bool] = deque(maxlen=policy.window)
        self._faults_in_a_row = 0
        self._patience = 1
        # Counts openings: a ticket from before the last one says nothing about the present.
        self._openings = 0
        self._openings_unanswered = 0
        self._openings_since_closed = 0
        self._pause_ends: float | None = None
        self._changed = now()
        # The keys whose last result was a fault, oldest first.
        self._failed: dict[str, None] = {}
        # Those of them that have failed as a trial since it was closed.
        self._failed_trials: set[str] = set()
        self._allowed = self._trials = self._trial_faults = self._running = 0

    @property
    def state(self) -> State:
        """CLOSED, OPEN during a pause, HALF_OPEN once the pause is over."""
        if self._pause_ends is None:
            return State.CLOSED
        return State.OPEN if self._now() < self._pause_ends else State.HALF_OPEN

    @property
    def lasts_seconds(self) -> float:
        """For how long it has had its state."""
        # It is half open from the end of its pause on, and nothing happens then.
        ended = self._pause_ends if self.state is State.HALF_OPEN else None
        return self._now() - (self._changed if ended is None else ended)

    @property
    def opens_in_seconds(self) -> float:
        """How long nothing will be admitted for certain."""
        return max(0.0, (self._pause_ends or 0.0) - self._now())

    @property
    def has_been_answered(self) -> bool:
        """Whether anything that was tried since the last pause has been answered, well or not."""
        return self._trials > 0

    def may_admit(self, key: str) -> bool:
        """Whether an operation would be admitted now.

        After a pause few are tried at once, and those first that prove most: of keys that failed
        before, since a provider that answers them is well and nothing new is put at risk; then of
        fresh keys; last of keys that have failed as a trial, since one of them may be the cause.
        """
        state = self.state
        if state is not State.HALF_OPEN:
            return state is State.CLOSED
        waited = self._now() - (self._pause_ends or 0.0)
        reserved = self._rank(key) * self._policy.reserve_seconds
        return self._running < self._allowed and (self._trials > 0 or waited >= reserved)

    def admit(self, key: str) -> int | None:
        """A ticket for one operation that may be sent now, or None; recorded or given back."""
        if not self.may_admit(key):
            return None
        self._running += 1
        return self._openings

    def give_back(self, ticket: int) -> None:
        """The operation came to nothing of which anything could be learned."""
        if ticket == self._openings and self.state is State.HALF_OPEN:
            self._running -= 1

    def record(self, ticket: int, key: str, *, fault: bool) -> bool:
        """The result of an admitted operation; true when it opened the breaker or closed it.

        Results of operations admitted before the last opening are passed over.
        """
        if ticket != self._openings:
            return False
        if self.state is State.HALF_OPEN:
            return self._record_trial(key, fault=fault)
        failed_before = key in self._failed
        self._remember(key, fault=fault)
        if fault and failed_before:
            # Tried again and failed again: one operation alone must not stop all.
            return False
        self._recent.append(fault)
        self._faults_in_a_row = self._faults_in_a_row + 1 if fault else 0
        if not fault:
            self._openings_unanswered = 0
            if not any(self._recent) and len(self._recent) == self._policy.window:
                self._patience = 1
        elif self._too_many():
            self._open()
            return True
        return False

    def learn(self, key: str, *, fault: bool) -> None:
        """The result of a look-up: a fault after the pause, before anything was answered, is a
        reason for another one. A look-up that is answered says nothing of sends."""
        alive = self.state is not State.HALF_OPEN or self._trials
        if fault and not alive and key not in self._failed_trials:
            self._failed_trials.add(key)
            self._open()

    def _record_trial(self, key: str, *, fault: bool) -> bool:
        self._running -= 1
        self._trials += 1
        self._remember(key, fault=fault)
        if not fault:
            self._openings_unanswered = 0
            self._allowed *= 2
            if self._allowed < self._policy.trials_max:
                return False
            self._close()
            return True
        self._trial_faults += 1
        self._failed_trials.add(key)
        if self._trial_faults * 100 > self._policy.fault_percent * self._trials:
            self._open()
            return True
        return False

    def _rank(self, key: str) -> int:
        if key in self._failed_trials:
            return 2
        return 0 if key in self._failed else 1

    def _remember(self, key: str, *, fault: bool) -> None:
        self._failed.pop(key, None)
        if fault:
            self._failed[key] = None
            if len(self._failed) > _KEYS_MAX:
                del self._failed[next(iter(self._failed))]

    def _too_many(self) -> bool:
        policy, recent = self._policy, self._recent
        if self._faults_in_a_row >= policy.faults_in_a_row * self._patience:
            return True
        # With twice the patience half as many may succeed.
        percent = 100 - (100 - policy.fault_percent) / self._patience
        return len(recent) == policy.window and sum(recent) * 100 >= percent * policy.window

    def _open(self) -> None:
        doubled = 2 ** min(self._openings_unanswered, _DOUBLINGS_MAX)
        pause = min(self._policy.pause_seconds * doubled, self._policy.pause_seconds_max)
        self._changed = self._now()
        self._pause_ends = self._changed + pause
        self._openings += 1
        self._openings_unanswered += 1
        self._openings_since_closed += 1
        self._allowed, self._trials, self._trial_faults, self._running = 1, 0, 0, 0

    def _close(self) -> None:
        if self._openings_since_closed == 1:
            self._patience = min(self._patience * 2, self._policy.patience_max)
        self._openings_since_closed = 0
        self._changed = self._now()
        self._pause_ends = None
        self._recent.clear()
        self._faults_in_a_row = 0
        self._failed_trials.clear()
