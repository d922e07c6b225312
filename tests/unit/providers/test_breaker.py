"""When a breaker opens, what it tries first after its pause, and when it is closed again."""

import pytest

from services.providers.breaker import Breaker, BreakerPolicy, State
from tests.unit.providers.makers import FakeMonotonic

POLICY = BreakerPolicy(
    faults_in_a_row=3,
    fault_percent=50,
    window=10,
    pause_seconds=5,
    pause_seconds_max=30,
    trials_max=8,
    reserve_seconds=2,
)


@pytest.fixture
def now() -> FakeMonotonic:
    return FakeMonotonic()


@pytest.fixture
def breaker(now: FakeMonotonic) -> Breaker:
    return Breaker(POLICY, now)


class Keys:
    """Gives a key that nobody has had before."""

    number = 0

    @classmethod
    def fresh(cls) -> str:
        cls.number += 1
        return f"key-{cls.number}"


def record(breaker: Breaker, *faults: bool) -> list[bool]:
    """Sends and records one after the other, each under a key of its own."""
    changed = []
    for fault in faults:
        key = Keys.fresh()
        ticket = breaker.admit(key)
        assert ticket is not None
        changed.append(breaker.record(ticket, key, fault=fault))
    return changed


def tried(breaker: Breaker, key: str, *, fault: bool) -> None:
    ticket = breaker.admit(key)
    assert ticket is not None
    breaker.record(ticket, key, fault=fault)


def opened(breaker: Breaker, *keys: str) -> Breaker:
    """Open, by faults of these keys."""
    for key in keys or ("a", "b", "c"):
        tried(breaker, key, fault=True)
    assert breaker.state is State.OPEN
    return breaker


def heal(breaker: Breaker, now: FakeMonotonic) -> None:
    """Over the pause, and every trial succeeds."""
    now.seconds += breaker.opens_in_seconds + 10
    while breaker.state is not State.CLOSED:
        tried(breaker, Keys.fresh(), fault=False)


def test_it_is_closed_at_first(breaker: Breaker) -> None:
    assert (breaker.state, breaker.opens_in_seconds) == (State.CLOSED, 0)


def test_faults_in_a_row_open_it(breaker: Breaker) -> None:
    assert record(breaker, True, True, True) == [False, False, True]
    assert (breaker.state, breaker.opens_in_seconds) == (State.OPEN, 5)
    assert breaker.admit("d") is None


def test_an_answer_between_faults_starts_the_row_again(breaker: Breaker) -> None:
    record(breaker, True, True, False, True, True)

    assert breaker.state is State.CLOSED


def test_half_of_the_recent_ones_open_it_without_a_row(breaker: Breaker) -> None:
    record(breaker, *[True, False] * 4, True)
    assert breaker.state is State.CLOSED

    assert record(breaker, True) == [True]


def test_a_share_of_a_few_says_nothing_yet(breaker: Breaker) -> None:
    record(breaker, *[True, False] * 4)

    assert breaker.state is State.CLOSED


def test_one_key_that_fails_again_and_again_counts_once(breaker: Breaker) -> None:
    for _ in range(50):
        tried(breaker, "a", fault=True)
        tried(breaker, "b", fault=True)

    assert breaker.state is State.CLOSED


def test_a_key_that_was_answered_counts_again(breaker: Breaker) -> None:
    tried(breaker, "a", fault=True)
    tried(breaker, "a", fault=False)
    opened(breaker, "a", "b", "c")


def test_after_the_pause_one_key_that_failed_is_tried_first(
    breaker: Breaker, now: FakeMonotonic
) -> None:
    opened(breaker)
    now.seconds += 5

    assert breaker.state is State.HALF_OPEN
    assert breaker.admit("fresh") is None
    assert breaker.admit("a") is not None
    assert breaker.admit("b") is None


def test_a_fresh_key_is_tried_where_none_that_failed_comes(
    breaker: Breaker, now: FakeMonotonic
) -> None:
    opened(breaker)
    now.seconds += 6.9
    assert breaker.admit("fresh") is None

    now.seconds += 0.1
    assert breaker.admit("fresh") is not None


def test_each_answer_lets_twice_as_many_through_until_it_is_closed(
    breaker: Breaker, now: FakeMonotonic
) -> None:
    opened(breaker)
    now.seconds += 5
    admitted = []
    for _ in range(3):
        tickets = [("a", breaker.admit("a"))]
        while (ticket := breaker.admit("x")) is not None:
            tickets.append(("x", ticket))
        admitted.append(len(tickets))
        for _, ticket in tickets[1:]:
            assert ticket is not None
            breaker.give_back(ticket)
        key, ticket = tickets[0]
        assert ticket is not None
        breaker.record(ticket, key, fault=False)

    assert admitted == [1, 2, 4]
    assert breaker.state is State.CLOSED


def test_a_trial_that_fails_begins_a_longer_pause_up_to_the_longest(
    breaker: Breaker, now: FakeMonotonic
) -> None:
    opened(breaker)
    pauses = []
    for _ in range(4):
        now.seconds += breaker.opens_in_seconds + 10
        tried(breaker, Keys.fresh(), fault=True)
        pauses.append(breaker.opens_in_seconds)

    assert pauses == [10, 20, 30, 30]


def test_an_answer_makes_the_pause_short_again(breaker: Breaker, now: FakeMonotonic) -> None:
    opened(breaker)
    now.seconds += 15
    tried(breaker, Keys.fresh(), fault=True)
    now.seconds += 20
    tried(breaker, "a", fault=False)
    tried(breaker, "x", fault=True)
    tried(breaker, "y", fault=True)

    assert (breaker.state, breaker.opens_in_seconds) == (State.OPEN, 5)


def test_a_key_that_failed_as_a_trial_is_the_last_to_be_tried_again(
    breaker: Breaker, now: FakeMonotonic
) -> None:
    opened(breaker, "a", "b", "poison")
    now.seconds += 5
    tried(breaker, "poison", fault=True)
    now.seconds += 10

    assert breaker.admit("poison") is None
    assert breaker.admit("a") is not None


def test_a_provider_that_was_well_at_once_may_fail_more_often_next_time(
    breaker: Breaker, now: FakeMonotonic
) -> None:
    opened(breaker)
    heal(breaker, now)
    record(breaker, *[True] * 5)
    assert breaker.state is State.CLOSED
    record(breaker, True)
    assert breaker.state is State.OPEN

    heal(breaker, now)
    record(breaker, *[False] * 10)
    record(breaker, *[True] * 2)
    assert breaker.state is State.CLOSED
    record(breaker, True)
    assert breaker.state is State.OPEN


def test_a_look_up_that_fails_after_the_pause_begins_a_longer_one(
    breaker: Breaker, now: FakeMonotonic
) -> None:
    opened(breaker)
    now.seconds += 5
    breaker.learn("a", fault=True)

    assert (breaker.state, breaker.opens_in_seconds) == (State.OPEN, 10)


def test_one_look_up_that_always_fails_keeps_nobody_out(
    breaker: Breaker, now: FakeMonotonic
) -> None:
    opened(breaker)
    now.seconds += 5
    breaker.learn("a", fault=True)
    now.seconds += 10
    breaker.learn("a", fault=True)

    assert breaker.state is State.HALF_OPEN
    assert breaker.admit("b") is not None


def test_look_ups_open_nothing_while_sends_work_and_close_nothing(
    breaker: Breaker, now: FakeMonotonic
) -> None:
    for _ in range(50):
        breaker.learn(Keys.fresh(), fault=True)
    assert breaker.state is State.CLOSED

    opened(breaker)
    breaker.learn("a", fault=False)
    assert breaker.state is State.OPEN
    now.seconds += 5
    breaker.learn("a", fault=False)
    assert breaker.state is State.HALF_OPEN


def test_a_trial_that_is_given_back_makes_room_for_another(
    breaker: Breaker, now: FakeMonotonic
) -> None:
    opened(breaker)
    now.seconds += 5
    ticket = breaker.admit("a")
    assert ticket is not None
    breaker.give_back(ticket)

    assert breaker.admit("b") is not None


def test_results_from_before_it_opened_change_nothing(breaker: Breaker, now: FakeMonotonic) -> None:
    late = [(key, breaker.admit(key)) for key in ("x", "y")]
    opened(breaker)
    now.seconds += 5
    for (key, ticket), fault in zip(late, (True, False), strict=True):
        assert ticket is not None
        assert not breaker.record(ticket, key, fault=fault)
        breaker.give_back(ticket)

    assert breaker.state is State.HALF_OPEN
    assert breaker.admit("a") is not None
    assert breaker.admit("b") is None


def test_no_more_keys_are_remembered_than_are_needed(breaker: Breaker, now: FakeMonotonic) -> None:
    for _ in range(3_000):
        key = Keys.fresh()
        ticket = breaker.admit(key)
        if ticket is None:
            now.seconds += 100
            continue
        breaker.record(ticket, key, fault=True)
        tried(breaker, "well", fault=False) if breaker.state is State.CLOSED else None

    assert len(breaker._failed) <= 1024


def test_it_says_for_how_long_it_has_had_its_state(breaker: Breaker, now: FakeMonotonic) -> None:
    lasted = []

    def look(state: State) -> None:
        assert breaker.state is state
        lasted.append(breaker.lasts_seconds)

    now.seconds += 7
    look(State.CLOSED)
    record(breaker, True, True, True)
    look(State.OPEN)
    now.seconds += 4
    look(State.OPEN)
    now.seconds += 3
    look(State.HALF_OPEN)
    while breaker.state is State.HALF_OPEN:
        record(breaker, False)
    look(State.CLOSED)
    now.seconds += 1
    look(State.CLOSED)

    assert lasted == [7, 0, 4, 2, 0, 1]
