"""When a breaker opens, what it lets through meanwhile, and what closes it again."""

import pytest

from services.providers.breaker import Breaker, BreakerPolicy, State
from tests.unit.providers.makers import FakeMonotonic

POLICY = BreakerPolicy(
    faults_in_a_row=3, fault_percent=50, window=10, pause_seconds=5, pause_seconds_max=18
)


@pytest.fixture
def now() -> FakeMonotonic:
    return FakeMonotonic()


@pytest.fixture
def breaker(now: FakeMonotonic) -> Breaker:
    return Breaker(POLICY, now)


def record(breaker: Breaker, *faults: bool) -> list[bool]:
    """Sends one operation after the other; says for each whether it opened the breaker."""
    opened = []
    for fault in faults:
        ticket = breaker.admit()
        assert ticket is not None
        opened.append(breaker.record(ticket, fault=fault))
    return opened


def opened(breaker: Breaker) -> Breaker:
    assert record(breaker, True, True, True) == [False, False, True]
    return breaker


def test_it_is_closed_at_first() -> None:
    assert Breaker(POLICY, FakeMonotonic()).state is State.CLOSED


def test_faults_in_a_row_open_it(breaker: Breaker) -> None:
    opened(breaker)

    assert breaker.state is State.OPEN
    assert breaker.admit() is None


def test_an_answer_between_faults_starts_the_row_again(breaker: Breaker) -> None:
    record(breaker, True, True, False, True, True)

    assert breaker.state is State.CLOSED


def test_half_of_the_recent_ones_open_it_without_a_row(breaker: Breaker) -> None:
    assert record(breaker, *[True, False] * 4, True)[-1] is False
    assert record(breaker, False) == [False]

    # The window is full by now; the next fault makes five of the last ten.
    assert record(breaker, True) == [True]


def test_a_share_of_a_few_says_nothing_yet(breaker: Breaker) -> None:
    record(breaker, True, True, False, True, True, False, True, True, False)

    assert breaker.state is State.CLOSED


def test_less_than_the_share_keeps_it_closed(breaker: Breaker) -> None:
    record(breaker, *[True, False, False] * 20)

    assert breaker.state is State.CLOSED


def test_the_pause_ends_half_open_and_still_nothing_is_sent(
    breaker: Breaker, now: FakeMonotonic
) -> None:
    opened(breaker)
    now.seconds += 4.9
    assert breaker.state is State.OPEN

    now.seconds += 0.1

    assert breaker.state is State.HALF_OPEN
    assert breaker.admit() is None


def test_an_answered_look_up_closes_it_after_the_pause(
    breaker: Breaker, now: FakeMonotonic
) -> None:
    opened(breaker)
    now.seconds += 5

    assert breaker.learn(fault=False)

    assert breaker.state is State.CLOSED
    # With a clean sheet: two faults are not yet three.
    record(breaker, True, True)
    assert breaker.state is State.CLOSED


def test_an_answered_look_up_during_the_pause_closes_nothing(breaker: Breaker) -> None:
    opened(breaker)

    assert not breaker.learn(fault=False)

    assert breaker.state is State.OPEN


def test_look_ups_open_nothing_while_sends_work(breaker: Breaker) -> None:
    for _ in range(100):
        breaker.learn(fault=True)

    assert breaker.state is State.CLOSED


def test_a_failed_probe_doubles_the_pause_up_to_the_longest(
    breaker: Breaker, now: FakeMonotonic
) -> None:
    opened(breaker)
    for pause in (5, 10, 18, 18):
        now.seconds += pause - 0.1
        assert breaker.state is State.OPEN
        now.seconds += 0.1
        assert breaker.state is State.HALF_OPEN
        breaker.learn(fault=True)


def test_sends_that_fail_while_look_ups_work_double_the_pause_too(
    breaker: Breaker, now: FakeMonotonic
) -> None:
    opened(breaker)
    now.seconds += 5
    breaker.learn(fault=False)
    opened(breaker)

    now.seconds += 9.9
    assert breaker.state is State.OPEN


def test_an_answered_send_makes_the_pause_short_again(breaker: Breaker, now: FakeMonotonic) -> None:
    opened(breaker)
    now.seconds += 5
    breaker.learn(fault=False)
    record(breaker, False)
    opened(breaker)

    now.seconds += 5

    assert breaker.state is State.HALF_OPEN


def test_what_was_sent_before_it_opened_changes_nothing_while_it_is_open(
    breaker: Breaker, now: FakeMonotonic
) -> None:
    early = breaker.admit()
    assert early is not None
    opened(breaker)

    assert not breaker.record(early, fault=False)
    assert breaker.state is State.OPEN
    now.seconds += 5
    assert not breaker.record(early, fault=True)
    assert breaker.state is State.HALF_OPEN


def test_what_was_sent_before_it_opened_changes_nothing_after_it_closed(
    breaker: Breaker, now: FakeMonotonic
) -> None:
    early = breaker.admit()
    assert early is not None
    opened(breaker)
    now.seconds += 5
    breaker.learn(fault=False)

    for _ in range(10):
        assert not breaker.record(early, fault=True)

    assert breaker.state is State.CLOSED
