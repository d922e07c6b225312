"""Processes that are forked, and forked again when a failpoint has ended them."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process

import pytest

from deploy.local.process.child import is_alive
from deploy.local.process.paths import ROOT
from tests.chaos.failpoints import EXIT_CODE
from tests.chaos.lives import COUNT_VARIABLE

# Says its port and its id, and ends as the signals say.
SERVICE = f"""
import os, signal
from tests.chaos.lives import live

def become():
    signal.signal(signal.SIGUSR1, lambda *_: os._exit({EXIT_CODE}))
    signal.signal(signal.SIGUSR2, lambda *_: os._exit(3))
    os.write(1, (os.environ["PORT"] + " " + str(os.getpid()) + chr(10)).encode())
    while True:
        signal.pause()

live(become)
"""
FAILPOINT, BY_ITSELF = signal.SIGUSR1, signal.SIGUSR2


async def test_a_process_that_a_failpoint_ends_lives_again_and_the_others_go_on() -> None:
    process = await started(2)
    first, second = sorted([await said(process), await said(process)], reverse=True)
    assert (first[0], second[0]) == ("9000", "0")

    os.kill(first[1], FAILPOINT)
    again = await said(process)

    assert again[0] == "9000"
    assert again[1] not in (first[1], second[1])
    assert is_alive(second[1])
    await ended(process)


async def test_one_that_ends_by_itself_ends_all_as_it_ended() -> None:
    process = await started(1)
    _, pid = await said(process)

    os.kill(pid, BY_ITSELF)

    assert await process.wait() == 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_none_outlives_the_one_that_forked_it(number: signal.Signals) -> None:
    process = await started(2)
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


async def started(count: int) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        SERVICE,
        cwd=ROOT,
        env={**os.environ, COUNT_VARIABLE: str(count), "PORT": "9000"},
        stdout=PIPE,
    )


async def said(process: Process) -> tuple[str, int]:
    """The port and the id that the next process says."""
    assert process.stdout
    port, pid = (await process.stdout.readline()).decode().split()
    return port, int(pid)
