"""`./caravel test`: which rings run, and what their end is called."""

import subprocess
import sys

import pytest

from deploy import ROOT
from deploy.local.commands import development
from deploy.local.process.terminal import Problem

# Names no test, so that both processes start, collect, and have nothing to run.
NO_TEST = ["-k", "no_test_has_this_name"]


def test_all_rings_run_where_none_is_named_and_in_their_order() -> None:
    named = development.folders(["house", "unit"])

    assert named == ["tests/unit", "tests/house"]
    assert set(named) < set(development.folders([]))


def test_a_ring_that_does_not_exist_is_refused() -> None:
    with pytest.raises(Problem, match="there is no ring smoke"):
        development.folders(["smoke"])


def test_children_keep_the_modules_that_they_compile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("LOG_LEVEL", "debug")

    given = development.environment()

    assert "PYTHONDONTWRITEBYTECODE" not in given
    assert given["LOG_LEVEL"] == "debug"


def test_each_ring_is_in_one_run() -> None:
    assert len(development.RINGS) == len(set(development.RINGS))
    assert development.folders([]) == [f"tests/{ring}" for ring in development.RINGS]


def test_the_runs_beside_are_shown_after_the_first() -> None:
    one_of_each = [rings[1] for rings in development.RUNS]
    command = [str(ROOT / "caravel"), "test", *one_of_each, "--", *NO_TEST]

    shown = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False)

    assert shown.returncode == development.NOTHING_TO_RUN
    parts = shown.stdout.split("Beside it, ")
    assert [("deselected" in part) for part in parts] == [True] * len(development.RUNS)


def test_a_failure_beside_is_a_failure_of_all() -> None:
    command = [str(ROOT / "caravel"), "test", "wire", "chaos", "--", *NO_TEST, "--no-such-option"]

    shown = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False)

    assert shown.returncode not in (0, development.NOTHING_TO_RUN)


@pytest.mark.parametrize(
    ("codes", "together"), [((0, 5), 0), ((0, -9), -9), ((5, 1, 0), 1), ((5, 5), 5), ((0, 0), 0)]
)
def test_a_failed_or_killed_run_is_never_hidden(codes: tuple[int, ...], together: int) -> None:
    assert development.worst(codes) == together
