"""Work that nobody waits for: it runs, its faults are logged, and closing leaves none of it."""

import asyncio

from services.providers.simulator.background import Background
from tests.logs import logged


async def test_work_runs_without_anybody_waiting() -> None:
    background, done = Background(), asyncio.Event()

    async def work() -> None:
        done.set()

    background.start(work())

    async with asyncio.timeout(10):
        await done.wait()
    await background.close()


async def test_closing_ends_what_still_runs_and_waits_for_its_end() -> None:
    background, begun, ended = Background(), asyncio.Event(), asyncio.Event()

    async def work() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.set()

    background.start(work())
    await begun.wait()

    with logged("simulator") as lines:
        await background.close()

    assert ended.is_set()
    assert lines() == []


async def test_a_fault_is_logged_and_disturbs_nobody() -> None:
    background, stopped = Background(), asyncio.Event()

    async def broken() -> None:
        raise RuntimeError("out of order")

    async def sound() -> None:
        stopped.set()

    with logged("simulator") as lines:
        background.start(broken())
        background.start(sound())
        await stopped.wait()
        # Closing waits for what has ended and not yet been looked at, too.
        await background.close()

    [line] = lines()
    assert (line["event"], line["level"]) == ("background_failed", "error")
    assert line["error"] == "RuntimeError('out of order')"


async def test_closing_nothing_is_nothing() -> None:
    await Background().close()
