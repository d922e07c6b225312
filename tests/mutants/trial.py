"""The pytest plugin that tries mutants. The tests are collected once; then each mutant has a
process forked from there, which runs the tests that reach the mutated function until one fails.
So a mutant costs its tests and a fork, and no start of pytest."""

import gc
import json
import mmap
import os
import resource
import signal
import sys
import time
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.state import state
from mutmut.utils.format_utils import mangled_name_from_mutant_name

# As mutmut writes it: the tests have passed, have failed, there are none.
PASSED, FAILED, NO_TESTS = 0, 1, 33
# A function that nearly every test reaches is tried with so many of them, the most particular
# first: those that failed with other mutants, those that bear its module's name, and then those
# that reach the fewest functions.
TESTS_MAX = 500
# Processor seconds of a mutant's tests beyond ten times those without a mutant, and so many more
# of waiting, which are enough also on a busy machine: it is noticed where they are not enough.
PATIENCE_SECONDS = 5
WAITING_SECONDS = 600


class Trial:
    """Tries the mutants that are listed in a folder and have no result yet."""

    def __init__(self, folder: Path, at_once: int) -> None:
        self._folder = folder
        self._at_once = at_once
        self._failed = False
        # How often each test has failed, in memory that the forked processes share.
        self._failures = memoryview(bytearray())

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Notes that a test has failed."""
        self._failed = self._failed or report.failed

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """In place of one run of the tests: one without a mutant, and one for each mutant."""
        self._failures = memoryview(mmap.mmap(-1, 4 * len(session.items))).cast("I")
        learned = self._folder / "tests.json"
        if _wait_for(_fork(lambda: self._learn(session, learned), 3600)) != PASSED:
            raise pytest.UsageError("the tests do not pass without a mutant")
        tests = json.loads(learned.read_text())
        # A collection of garbage in a forked process would copy all memory that it looks at.
        gc.collect()
        gc.freeze()
        for meta in sorted(self._folder.rglob("*.py.meta")):
            known = json.loads(meta.read_text())
            codes = known["exit_code_by_key"]
            codes |= self._try_all(session, [name for name in codes if codes[name] is None], tests)
            meta.write_text(json.dumps(known))
        return True

    def _learn(self, session: pytest.Session, learned: Path) -> int:
        """By mutated function, which tests reach it and how long each takes."""
        set_mutant_under_test("stats")
        found: dict[str, list[tuple[int, float, int]]] = defaultdict(list)
        for number, item in enumerate(session.items):
            state()._stats.clear()
            began = time.process_time()
            self._run(item, None)
            took = time.process_time() - began
            for function in state()._stats:
                found[function].append((len(state()._stats), took, number))
            if self._failed:
                return FAILED
        reaching = {
            name: [(number, took) for _, took, number in sorted(tests)]
            for name, tests in found.items()
        }
        learned.write_text(json.dumps(reaching))
        return PASSED

    def _try_all(
        self, session: pytest.Session, mutants: list[str], tests: dict[str, list[tuple[int, float]]]
    ) -> dict[str, int]:
        codes: dict[str, int] = {}
        files = [item.path.stem for item in session.items]
        running: dict[int, str] = {}
        for mutant in mutants:
            reaching = tests.get(mangled_name_from_mutant_name(mutant), [])
            if not reaching:
                codes[mutant] = NO_TESTS
                continue
            if len(running) >= self._at_once:
                codes |= _ended(running)
            module = mutant.split(".")[-2]
            reaching.sort(key=lambda t: (-self._failures[t[0]], module not in files[t[0]]))
            items = {number: session.items[number] for number, _ in reaching[:TESTS_MAX]}
            seconds = PATIENCE_SECONDS + int(10 * sum(took for _, took in reaching))
            running[_fork(lambda: self._try(mutant, items), seconds)] = mutant  # noqa: B023
        while running:
            codes |= _ended(running)
        return codes

    def _try(self, mutant: str, items: dict[int, pytest.Item]) -> int:
        set_mutant_under_test(mutant)
        followers = [*list(items.values())[1:], None]
        for (number, item), following in zip(items.items(), followers, strict=True):
            self._run(item, following)
            if self._failed:
                self._failures[number] += 1
                return FAILED
        return PASSED

    def _run(self, item: pytest.Item, following: pytest.Item | None) -> None:
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)


def _fork(work: Callable[[], int], seconds: int) -> int:
    """The id of a process that does the work and ends with its answer, in so many seconds."""
    sys.stdout.flush()
    process = os.fork()
    if process:
        return process
    code = FAILED
    try:
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
        signal.alarm(seconds + WAITING_SECONDS)
        code = work()
    except BaseException:  # noqa: BLE001 - nothing of a child may come back into its parent's loop
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def _wait_for(process: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def _ended(running: dict[int, str]) -> Iterator[tuple[str, int]]:
    """One mutant whose process has ended, and its code."""
    process, status = os.wait()
    yield running.pop(process), os.waitstatus_to_exitcode(status)


def pytest_addoption(parser: pytest.Parser) -> None:
    """How many mutants are tried at once."""
    parser.addoption("--at-once", type=int, default=os.cpu_count() or 1)


def pytest_configure(config: pytest.Config) -> None:
    """Adds the plugin; examples are the same for each mutant, and failing ones are not reduced."""
    settings.register_profile(
        "mutants",
        phases=[Phase.explicit, Phase.generate],
        database=None,
        deadline=None,
        derandomize=True,
        max_examples=25,
        suppress_health_check=list(HealthCheck),
    )
    settings.load_profile("mutants")
    config.pluginmanager.register(Trial(Path(config.rootpath), config.getoption("at_once")))
