"""`./caravel test`: the rings of tests, from the quickest to the one that breaks the whole mesh;
`./caravel chaos`, which breaks it for as long as one likes; `./caravel bench`, which measures."""

import os
import sys
from collections.abc import Sequence

from deploy.local.paths import ROOT
from deploy.local.problem import Problem

# In this order: what is cheap and near the code fails first.
RINGS = ("unit", "wire", "database", "contract", "house", "e2e", "benchmarks", "chaos")


def test(names: Sequence[str], pytest_arguments: Sequence[str]) -> int:
    """Becomes pytest on the given rings, on all without any. Raises Problem for an unknown ring."""
    command = [sys.executable, "-m", "pytest", "--durations=10", *pytest_arguments, *folders(names)]
    os.chdir(ROOT)
    os.execv(sys.executable, command)  # noqa: S606


def chaos(arguments: Sequence[str]) -> int:
    """Becomes a chaos run."""
    os.chdir(ROOT)
    os.execv(sys.executable, [sys.executable, "-m", "tests.chaos", *arguments])  # noqa: S606


def bench(arguments: Sequence[str]) -> int:
    """Becomes a benchmark."""
    os.chdir(ROOT)
    os.execv(sys.executable, [sys.executable, "-m", "tests.benchmarks", *arguments])  # noqa: S606


def folders(names: Sequence[str]) -> list[str]:
    """Where the tests of these rings are, in the order of RINGS. Raises Problem."""
    unknown = [name for name in names if name not in RINGS]
    if unknown:
        raise Problem(f"there is no ring {unknown[0]}; there are: {', '.join(RINGS)}")
    wanted = [f"tests/{name}" for name in RINGS if name in (names or RINGS)]
    return [folder for folder in wanted if (ROOT / folder).is_dir()]
