"""How long the engine waits: tables of hand-computed times."""

from datetime import timedelta

import pytest

from services.payments.model.timing import poll_in, retry_in, round_in
from tests.makers import NOW


@pytest.mark.parametrize(
    ("looks", "asked_to_wait", "shortest", "longest"),
    [
        (0, 0, 0.25, 0.5),
        (1, 0, 0.5, 1),
        (2, 0, 1, 2),
        (6, 0, 16, 32),
        (7, 0, 30, 60),
        (50, 0, 30, 60),
        (2, 20, 21, 22),
        (50, 20, 25, 30),
    ],
)
def test_an_unknown_outcome_is_looked_into_in_twice_the_time_up_to_a_minute(
    looks: int, asked_to_wait: int, shortest: float, longest: float
) -> None:
    wait = timedelta(seconds=asked_to_wait)

    times = [retry_in(looks, wait, spread).total_seconds() for spread in (0.0, 1.0)]

    assert times == [shortest, longest]


@pytest.mark.parametrize(
    ("age", "seconds"), [(0, 1), (4, 1), (8, 2), (100, 25), (240, 60), (86_400, 60)]
)
def test_an_open_operation_is_asked_about_when_it_is_a_quarter_older(
    age: int, seconds: int
) -> None:
    assert poll_in(NOW - timedelta(seconds=age), NOW) == timedelta(seconds=seconds)


def test_an_operation_is_asked_about_first_after_a_second() -> None:
    assert poll_in(None, NOW) == timedelta(seconds=1)


@pytest.mark.parametrize(
    ("rounds", "patience", "seconds"),
    [
        (1, 3600, 5),
        (2, 3600, 7.5),
        (3, 3600, 11.25),
        (12, 86_400, 300),
        (1, 5, 5),
        (2, 12.5, 7.5),
        (1, 4.9, None),
        (2, 12.4, None),
    ],
)
def test_a_route_rests_half_as_long_again_each_time_while_its_patience_lasts(
    rounds: int, patience: float, seconds: float | None
) -> None:
    pause = round_in(rounds, timedelta(seconds=patience))

    assert pause == (None if seconds is None else timedelta(seconds=seconds))
