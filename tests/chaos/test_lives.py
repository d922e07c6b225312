"""Processes that are forked, and forked again when a failpoint has ended them."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import pytest

from deploy.local.process.child import is_alive
from tests.chaos.failpoints import EXIT_CODE
from tests.chaos.lives import COUNT_VARIABLE, SETTINGS_VARIABLE, renew
from tests.conftest import ROOT

# Says its port and its id, and ends as the signals say.
SERVICE = f"""
import os, signal
from tests.chaos.lives import live

def become():
    signal.signal(signal.SIGUSR1, lambda *_: os._exit({EXIT_CODE}))
    signal.signal(signal.SIGUSR2, lambda *_: os._exit(3))
    os.write(1, (os.environ["METRICS_PORT"] + " " + str(os.getpid()) + chr(10)).encode())
    while True:
        signal.pause()

live(become)
"""
FAILPOINT, BY_ITSELF = signal.SIGUSR1, signal.SIGUSR2


@pytest.mark.parametrize("end", [FAILPOINT, signal.SIGKILL])
async def test_a_process_that_is_struck_lives_again_and_the_others_go_on(
    end: signal.Signals, tmp_path: Path
) -> None:
    process = await started(tmp_path, 2)
    first, second = sorted([await said(process), await said(process)], reverse=True)
    assert (first[0], second[0]) == ("9000", "0")

    os.kill(first[1], end)
    again = await said(process)

    assert again[0] == "9000"
    assert again[1] not in (first[1], second[1])
    assert is_alive(second[1])
    await ended(process)


async def test_they_are_renewed_with_other_variables(tmp_path: Path) -> None:
    process = await started(tmp_path, 1)
    assert (await said(process))[0] == "9000"

    renew(process.pid, tmp_path / "settings", {"METRICS_PORT": "9001"})

    assert (await said(process))[0] == "9001"
    await ended(process)


async def test_one_that_ends_by_itself_ends_all_as_it_ended(tmp_path: Path) -> None:
    process = await started(tmp_path, 1)
    _, pid = await said(process)

    os.kill(pid, BY_ITSELF)

    assert await process.wait() == 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_none_outlives_the_one_that_forked_it(number: signal.Signals, tmp_path: Path) -> None:
    process = await started(tmp_path, 2)
    await said(process)
    await said(process)

    process.send_signal(number)
    await process.wait()

    # Each has held the other end of the pipe until its own end.
    assert process.stdout
    assert await process.stdout.read() == b""


async def ended(process: Process) -> None:
    process.terminate()
    await process.wait()


async def started(folder: Path, count: int) -> Process:
    variables = {
        COUNT_VARIABLE: str(count),
        SETTINGS_VARIABLE: str(folder / "settings"),
        "METRICS_PORT": "9000",
    }
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        SERVICE,
        cwd=ROOT,
        env={**os.environ, **variables},
        stdout=PIPE,
    )


async def said(process: Process) -> tuple[str, int]:
    """The port and the id that the next process says."""
    assert process.stdout
    port, pid = (await process.stdout.readline()).decode().split()
    return port, int(pid)
