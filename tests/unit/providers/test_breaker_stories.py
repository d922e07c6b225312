"""Whole stories of a breaker, played against a clock that only the test moves: payments come again
as the engine lets them, and the provider is well, ill, or back."""

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from services.providers.breaker import Breaker, BreakerPolicy, State
from tests.unit.providers.makers import FakeMonotonic

ANSWER_SECONDS = 0.2
# How the engine waits after an unknown or unsent operation: doubled from half a second to a minute.
# With a time for the next try, it only spreads the payments after that time.
FIRST_RETRY, LONGEST_RETRY, LONGEST_SPREAD = 0.5, 60.0, 10.0


@dataclass
class Payment:
    """One operation on its way."""

    key: str
    tries_sent: int = 0
    counted: int = 0
    done_at: float = -1


@dataclass
class World:
    """A provider, its breaker, and the payments that come again and again."""

    # Whether a send of this payment fails at this time.
    fails: Callable[[Payment, float], bool]
    # Whether look-ups fail at this time.
    is_down: Callable[[float], bool]
    seed: int
    now: FakeMonotonic = field(default_factory=lambda: FakeMonotonic(0.0))
    sent: list[tuple[float, str]] = field(default_factory=list)
    in_flight_max: int = 0

    def __post_init__(self) -> None:
        self._breaker = Breaker(BreakerPolicy(), self.now)
        self._random = random.Random(self.seed)
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = self._in_flight = 0

    def run(self, payments: list[Payment], until: float) -> None:
        for payment in payments:
            self._at(self._random.random(), self._come(payment))
        while self._due and self._due[0][0] <= until:
            self.now.seconds, _, happen = heapq.heappop(self._due)
            happen()

    def _at(self, seconds: float, happen: Callable[[], None]) -> None:
        self._order += 1
        heapq.heappush(self._due, (seconds, self._order, happen))

    def _come(self, payment: Payment) -> Callable[[], None]:
        def come() -> None:
            if payment.tries_sent:
                down = self.is_down(self.now.seconds)
                self._breaker.learn(payment.key, fault=down)
                if down:
                    self._again(payment, 0, count=True)
                    return
            ticket = self._breaker.admit(payment.key)
            if ticket is None:
                wait = max(1.0, self._breaker.opens_in_seconds)
                self._again(payment, wait, count=not payment.tries_sent)
                return
            self._send(payment, ticket)

        return come

    def _send(self, payment: Payment, ticket: int) -> None:
        self.sent.append((self.now.seconds, payment.key))
        self._in_flight += 1
        if self._breaker.state is State.HALF_OPEN:
            self.in_flight_max = max(self.in_flight_max, self._in_flight)
        fault = self.fails(payment, self.now.seconds)
        payment.tries_sent += 1

        def answer() -> None:
            self._in_flight -= 1
            self._breaker.record(ticket, payment.key, fault=fault)
            if fault:
                self._again(payment, 0, count=True)
            else:
                payment.done_at = self.now.seconds

        self._at(self.now.seconds + ANSWER_SECONDS, answer)

    def _again(self, payment: Payment, wait: float, *, count: bool) -> None:
        longest = LONGEST_SPREAD if wait else LONGEST_RETRY
        delay = min(FIRST_RETRY * 2 ** min(payment.counted, 10), longest)
        payment.counted += count
        self._at(
            self.now.seconds + wait + delay * (0.5 + self._random.random() / 2),
            self._come(payment),
        )


def payments(count: int) -> list[Payment]:
    return [Payment(f"key-{number}") for number in range(count)]


@pytest.mark.parametrize("seed", range(20))
def test_sixty_payments_whose_first_try_each_fails_once_are_all_charged_in_time(seed: int) -> None:
    """A quote binds for a minute, and its grace is five more."""
    sixty = payments(60)
    world = World(lambda payment, _: payment.tries_sent == 0, lambda _: False, seed)

    world.run(sixty, until=600)

    assert all(payment.done_at > 0 for payment in sixty)
    assert max(payment.done_at for payment in sixty) < 180


@pytest.mark.parametrize("seed", range(20))
def test_a_provider_that_is_down_is_left_alone_and_let_through_when_it_is_back(seed: int) -> None:
    sixty = payments(60)
    world = World(lambda _, now: now < 600, lambda now: now < 600, seed)

    world.run(sixty, until=900)

    assert all(payment.done_at > 0 for payment in sixty)
    # Before it opens five fail, and so do those under way then; later one a pause at most.
    while_down = [key for at, key in world.sent if 2 < at < 600]
    assert len(while_down) <= 600 / 60 + 5
    assert max(payment.done_at for payment in sixty) < 600 + 180


@pytest.mark.parametrize("seed", range(10))
def test_a_provider_that_fails_sends_and_answers_look_ups_is_tried_but_rarely(seed: int) -> None:
    sixty = payments(60)
    world = World(lambda _, now: now < 600, lambda _: False, seed)

    world.run(sixty, until=900)

    while_down = [key for at, key in world.sent if 2 < at < 600]
    assert len(while_down) <= 600 / 60 + 5
    assert all(payment.done_at > 0 for payment in sixty)


@pytest.mark.parametrize("seed", range(10))
def test_few_are_under_way_while_it_is_tried(seed: int) -> None:
    two_hundred = payments(200)
    world = World(lambda _, now: now < 30, lambda now: now < 30, seed)

    world.run(two_hundred, until=400)

    assert all(payment.done_at > 0 for payment in two_hundred)
    assert world.in_flight_max < BreakerPolicy().trials_max


@pytest.mark.parametrize("seed", range(10))
def test_one_operation_that_always_fails_keeps_nobody_out(seed: int) -> None:
    many = payments(30)
    world = World(
        lambda payment, now: payment.key == "key-0" or now < 3,
        lambda now: now < 3,
        seed,
    )

    world.run(many, until=300)

    assert [payment.key for payment in many if payment.done_at < 0] == ["key-0"]
    assert max(payment.done_at for payment in many) < 60
