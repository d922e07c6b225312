"""Children do not outlive a supervisor that had no time to stop them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local.process.child import launched

# Starts a child as the supervisor does, lets it write its process id, and waits.
PARENT = """
import signal, subprocess, sys
from pathlib import Path
from deploy.local.process.child import launched
child = "import os, signal; print(os.getpid(), flush=True); signal.pause()"
command = [sys.executable, "-S", "-c", child]
subprocess.Popen(launched(command, orphan_signal=signal.SIGKILL, folder=Path("/")))
signal.pause()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux signals this death to a child")
def test_child_dies_with_a_parent_that_is_killed() -> None:
    read, write = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=write, env=_environment()
    ) as parent:
        os.close(write)
        with os.fdopen(read) as output:
            pid = int(output.readline())
            parent.kill()
            # The end comes when nobody is left who could write: neither parent nor child.
            assert output.read() == ""

    assert pid != parent.pid


def test_program_stands_in_the_folder_it_was_given(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import os; print(os.getcwd())"]
    done = subprocess.run(
        launched(command, orphan_signal=9, folder=tmp_path),
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == str(tmp_path.resolve())


def test_program_without_its_parent_is_not_started(tmp_path: Path) -> None:
    words = launched(["/bin/true"], orphan_signal=9, folder=tmp_path)
    # As if the supervisor had died between the two.
    words[words.index(str(os.getpid()))] = "1"

    done = subprocess.run(words, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "is gone" in done.stderr


def _environment() -> dict[str, str]:
    root = str(Path(__file__).resolve().parents[4])
    return {**os.environ, "PYTHONPATH": root}
