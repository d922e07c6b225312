"""Safety and liveness are two results, and either alone fails a run."""

import json
from pathlib import Path

import pytest

from tests.chaos.checker import Tally
from tests.chaos.result import Result, Violation, render, summary, totals, write
from tests.chaos.watch import Rest, Snapshot

REPLAY = "./caravel chaos --seed 7 --minutes 1"


def _result(*violations: Violation, waiting: int = 0) -> Result:
    last = Snapshot(events=9, open=waiting, inbox=0, outbox=0)
    stuck = {"pay_1": "PAYING_OUT, due in 3 s"} if waiting else {}
    rest = Rest(
        phase="heal", seconds=12.0, last=last, stuck=stuck, healing_seconds=(1.0, 2.0, 30.0)
    )
    return Result(
        seed=7,
        minutes=1,
        commit="abc",
        payments=5,
        faults={"kill": 3},
        rests=[rest],
        violations=list(violations),
    )


def _violation(invariant: str, *, is_liveness: bool) -> Violation:
    return Violation(
        phase="after healing", invariant=invariant, detail="pay_2 twice", is_liveness=is_liveness
    )


def test_run_without_a_violation_passes() -> None:
    assert _result().passed
    assert "replay with" not in render(_result(), REPLAY)


@pytest.mark.parametrize(
    ("found", "safe", "live"),
    [
        (_result(_violation("I4", is_liveness=False)), False, True),
        (_result(_violation("I15", is_liveness=True)), True, False),
        (_result(waiting=1), True, False),
    ],
)
def test_either_result_fails_a_run(found: Result, safe: bool, live: bool) -> None:
    assert (found.safe, found.live, found.passed) == (safe, live, False)
    assert REPLAY in render(found, REPLAY)


def test_run_that_broke_off_is_not_live() -> None:
    found = _result()
    found.problem = "not healthy after 120 s: fees"
    assert not found.live and "fees" in render(found, REPLAY)


def test_violations_and_what_is_stuck_are_shown() -> None:
    shown = render(_result(_violation("I4", is_liveness=False), waiting=1), REPLAY)
    assert "I4 is broken 1 times" in shown and "pay_2 twice" in shown
    assert "pay_1: PAYING_OUT" in shown


def test_healing_is_reported_in_percentiles() -> None:
    assert _result().healing == (2.0, 30.0)


def test_file_says_the_same(tmp_path: Path) -> None:
    write(_result(_violation("I4", is_liveness=False)), tmp_path)

    written = json.loads((tmp_path / "report.json").read_text())
    assert (written["seed"], written["safe"], written["live"]) == (7, False, True)
    assert written["violations"][0]["invariant"] == "I4"


def test_losses_of_the_primary_are_reported_by_kind_and_together() -> None:
    found = _result()
    found.without_service = {"killed": [1.0, 3.0], "cut off": [9.0]}
    found.tally = Tally(acknowledged=7, lost=0, doubled=1)

    shown = render(found, REPLAY)
    assert "p50 3.0 s, p99 9.0 s, longest 9.0 s, of 3 losses" in shown
    assert "longest 3.0 s, of 2 losses" in shown
    together = totals([found, found])
    assert "14 payments, 0 lost, 2 doubled" in together and "of 6 losses" in together


def test_totals_name_the_seeds_that_failed() -> None:
    bad = _result(_violation("I4", is_liveness=False))
    assert "failed: 7" in totals([_result(), bad])
    assert "NOT SAFE" in summary(bad)
