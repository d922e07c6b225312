"""`./caravel test`: the rings of tests, from the quickest to the one that breaks the whole mesh.
And how `./caravel chaos` and `./caravel bench` turn into the programmes that they are."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import IO

from deploy.local.paths import ROOT
from deploy.local.problem import Problem
from deploy.local.terminal import is_coloured, say

# In this order: what is cheap and near the code fails first.
RINGS = ("unit", "wire", "database", "contract", "house", "e2e", "hostile", "benchmarks", "chaos")
# It mostly waits, for leases to end and for what was broken to heal, so the others run meanwhile.
BESIDE = "chaos"
# The exit code of pytest where no test was selected.
NOTHING_TO_RUN = 5
POLL_SECONDS = 0.2
CHUNK_BYTES = 65_536


def test(names: Sequence[str], pytest_arguments: Sequence[str]) -> int:
    """Runs pytest on the given rings, on all without any; its exit code, or the worse one of two.

    Raises Problem for an unknown ring.
    """
    wanted = folders(names)
    beside = [folder for folder in wanted if folder == f"tests/{BESIDE}"]
    others = [folder for folder in wanted if folder not in beside]
    if not beside or not others:
        return _end_of(_pytest(pytest_arguments, wanted))
    with tempfile.TemporaryFile() as output:
        say(f"The {BESIDE} ring runs beside the others; what it says comes after theirs.")
        second = _pytest(pytest_arguments, beside, output)
        try:
            code = _end_of(_pytest(pytest_arguments, others))
            say(f"\nThe {BESIDE} ring:")
            _follow(output, second)
        finally:
            second_code = _end_of(second)
    return max({code, second_code} - {NOTHING_TO_RUN}, default=NOTHING_TO_RUN)


def _pytest(
    arguments: Sequence[str], wanted: Sequence[str], output: IO[bytes] | None = None
) -> subprocess.Popen[bytes]:
    colour = ["--color=yes"] if is_coloured() else []
    command = [sys.executable, "-m", "pytest", "--durations=10", *colour, *arguments, *wanted]
    return subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output)  # noqa: S603


def _end_of(process: subprocess.Popen[bytes]) -> int:
    """Its exit code. A person who interrupts us interrupts it too, and it then still cleans up."""
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.wait()
        raise


def _follow(output: IO[bytes], writer: subprocess.Popen[bytes]) -> None:
    """Shows what was written so far, and what is still written until the writer has ended."""
    position = 0
    is_over = False
    while not is_over:
        is_over = writer.poll() is not None
        # The writer shares the file and its position, so this is read without moving there.
        while chunk := os.pread(output.fileno(), CHUNK_BYTES, position):
            position += len(chunk)
            sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()
        if not is_over:
            time.sleep(POLL_SECONDS)


def become(module: str, arguments: Sequence[str]) -> int:
    """Becomes a programme of the test tree."""
    os.chdir(ROOT)
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])  # noqa: S606


def folders(names: Sequence[str]) -> list[str]:
    """Where the tests of these rings are, in the order of RINGS. Raises Problem."""
    unknown = [name for name in names if name not in RINGS]
    if unknown:
        raise Problem(f"there is no ring {unknown[0]}; there are: {', '.join(RINGS)}")
    wanted = [f"tests/{name}" for name in RINGS if name in (names or RINGS)]
    return [folder for folder in wanted if (ROOT / folder).is_dir()]
