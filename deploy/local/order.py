"""In which order processes come and go: each is started when those it needs are healthy, and
stopped when nobody needs it any more. How either is done is the caller's concern."""

import asyncio
from collections.abc import Awaitable, Callable, Container, Iterable
from typing import Any, Protocol

from deploy.local.child import Spec


class Process(Protocol):
    """A running process that can be ended."""

    @property
    def spec(self) -> Spec:
        """The command from which it was started."""
        ...

    async def stop(self) -> Any:
        """Ends it."""
        ...


async def start_in_order(
    specs: Iterable[Spec],
    start: Callable[[Spec], Awaitable[object]],
    running: Container[str] = (),
) -> None:
    """Starts all of them, independent ones at once; start returns when its process is healthy.

    A process that runs already need not be waited for. Raises what the first failing start raises,
    once the others were given up.
    """
    wanted = tuple(specs)
    healthy = {spec.name: asyncio.Event() for spec in wanted}

    async def bring_up(spec: Spec) -> None:
        for name in spec.after:
            if name not in running:
                await healthy[name].wait()
        await start(spec)
        healthy[spec.name].set()

    try:
        async with asyncio.TaskGroup() as group:
            for spec in wanted:
                group.create_task(bring_up(spec))
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None


async def stop_in_order(processes: Iterable[Process]) -> None:
    """Stops all of them, each after those that need it; returns when none is left."""
    remaining = {process.spec.name: process for process in processes}
    while remaining:
        needed = {name for process in remaining.values() for name in process.spec.after}
        last = [name for name in remaining if name not in needed]
        await asyncio.gather(*(remaining.pop(name).stop() for name in last))
