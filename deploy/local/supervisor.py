"""Runs the processes of a mesh: each is started when those it needs are healthy, all are stopped
in the opposite order, and the end of one is the end of all. What they do is no concern here."""

import asyncio
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from deploy.local.child import Child, Spec, describe_end, end_of
from deploy.local.logs import read_line
from deploy.local.order import start_in_order, stop_in_order
from deploy.local.problem import Problem

# For a machine that is very busy; a process that hangs is rarer than that.
HEALTHY_SECONDS = 120.0
POLL_SECONDS = 0.05
# How long a process may be started again because an earlier one is still being cleared away.
START_AGAIN_SECONDS = 15.0

OnHealthy = Callable[[Child, float], None]


class Supervisor:
    """The processes of one mesh. Start, wait until something goes wrong, stop."""

    def __init__(self, log: Callable[[str], Path], on_healthy: OnHealthy) -> None:
        self.children: dict[str, Child] = {}
        self._log = log
        self._on_healthy = on_healthy
        self._stopping = False
        self._watchers: set[asyncio.Task[None]] = set()
        self._death: asyncio.Future[Problem] = asyncio.get_running_loop().create_future()

    async def start(self, specs: Iterable[Spec]) -> None:
        """Starts all of them, independent ones at once; returns when every one is healthy.

        Raises Problem, with all the others still to be stopped, where one ends or hangs.
        """
        work = asyncio.create_task(self._start_all(tuple(specs)))
        try:
            both: set[asyncio.Future[Any]] = {work, self._death}
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise self._death.result()
            await work
        finally:
            # Nothing may be on its way into existence when the others are stopped.
            work.cancel()
            await asyncio.wait({work})

    async def until_one_dies(self) -> None:
        """Waits for a process to end that should not have. Raises Problem, which says which one."""
        raise await asyncio.shield(self._death)

    async def stop(self) -> None:
        """Stops them all, each after those that need it; returns when none is left."""
        self._stopping = True
        await stop_in_order(self.children.values())
        await asyncio.gather(*self._watchers)

    def kill(self) -> None:
        """Ends them all at once, without their consent."""
        self._stopping = True
        for child in self.children.values():
            child.kill()

    async def _start_all(self, specs: tuple[Spec, ...]) -> None:
        started = time.monotonic()

        async def bring_up(spec: Spec) -> None:
            child = self.children[spec.name] = Child(spec, self._log(spec.name))
            await self._start(child)
            self._on_healthy(child, time.monotonic() - started)

        await start_in_order(specs, bring_up)

    async def _start(self, child: Child) -> None:
        spec = child.spec
        give_up = time.monotonic() + START_AGAIN_SECONDS
        await child.start()
        while not await _is_healthy(child):
            words = spec.start_again_on
            if not words or words not in end_of(child.log) or time.monotonic() > give_up:
                raise _early_end(child)
            await asyncio.sleep(0.2)
            await child.start()
        if spec.healthy:
            watcher = asyncio.create_task(self._watch(child))
            self._watchers.add(watcher)

    async def _watch(self, child: Child) -> None:
        await child.wait()
        if not self._stopping and not self._death.done():
            self._death.set_result(_early_end(child))


async def _is_healthy(child: Child) -> bool:
    """Waits for it to become healthy (a one-shot: to end well); False where it ended otherwise."""
    ended = asyncio.create_task(child.wait())
    deadline = time.monotonic() + HEALTHY_SECONDS
    try:
        while time.monotonic() < deadline:
            if ended.done():
                return child.spec.healthy is None and ended.result() == 0
            if child.spec.healthy and await child.spec.healthy():
                return True
            await asyncio.wait({ended}, timeout=POLL_SECONDS)
    finally:
        ended.cancel()
    raise Problem(
        f"{child.spec.name} is not healthy after {HEALTHY_SECONDS:.0f} s; its log is {child.log}"
    )


def _early_end(child: Child) -> Problem:
    end = f"{child.spec.name} ended unexpectedly ({describe_end(child.code or 0)})"
    texts = [text.strip() for text in end_of(child.log).splitlines() if text.strip()]
    last = read_line(texts[-1]) if texts else None
    # What it said when all was well explains nothing.
    saying = f", saying: {last.event[:300].rstrip('.')}" if last and not last.is_calm else ""
    return Problem(f"{end}{saying}. Its log: {child.log}")
