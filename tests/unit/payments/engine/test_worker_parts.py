"""A call that asks about payouts carries no more questions than a claim, however many there are."""

from dataclasses import replace

import pytest

from services.payments.engine.decisions.facts import Work
from services.payments.engine.questions import parts_of
from services.payments.model.attempt import AttemptState, Step
from services.payments.model.payment import State
from tests.makers import make_attempt, make_work


def _asking(payouts: int) -> Work:
    work = make_work(State.REFUNDING, AttemptState.INTENDED)
    others = tuple(
        make_attempt(work.payment, Step.PAYOUT, AttemptState.FAILED, number=n, key=f"k-{n}")
        for n in range(1, payouts)
    )
    return replace(work, payouts=others)


@pytest.mark.parametrize(
    ("payouts", "questions_max", "sizes"),
    [
        ([], 4, []),
        ([1, 1, 1], 4, [3]),
        ([1, 1, 1, 1, 1], 4, [4, 1]),
        ([3, 3, 1, 1, 1], 4, [1, 2, 2]),
        # More than a claim has.
        ([9, 1], 4, [1, 1]),
    ],
)
def test_a_call_carries_no_more_questions_than_it_may(
    payouts: list[int], questions_max: int, sizes: list[int]
) -> None:
    work = [_asking(count) for count in payouts]

    parts = parts_of(work, questions_max)

    assert [len(part) for part in parts] == sizes
    assert [item for part in parts for item in part] == work
