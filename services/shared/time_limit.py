"""A limit of time for awaits that happen thousands of times a second, each of the same length. One
timer serves them all: asyncio.timeout, which has one each, costs more than most of them."""

import asyncio
from collections import deque
from collections.abc import Awaitable
from typing import Any, TypeVar

Result = TypeVar("Result")


class _Wait:
    __slots__ = ("is_late", "task", "until")

    def __init__(self, until: float, task: asyncio.Task[Any]) -> None:
        self.until = until
        # None once the wait is over.
        self.task: asyncio.Task[Any] | None = task
        self.is_late = False


class TimeLimit:
    """So many seconds for each of the awaits of one event loop."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        # In the order in which they are late.
        self._waits: deque[_Wait] = deque()
        self._timer: asyncio.TimerHandle | None = None

    async def of(self, awaitable: Awaitable[Result]) -> Result:
        """The awaitable's result. Raises TimeoutError where it does not come in time, and whatever
        the awaitable raises; to be awaited within a task."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        if task is None:
            raise RuntimeError("a limit of time is for awaits within a task")
        wait = _Wait(loop.time() + self._seconds, task)
        self._waits.append(wait)
        if self._timer is None:
            self._timer = loop.call_at(wait.until, self._end_late, loop)
        try:
            return await awaitable
        except asyncio.CancelledError:
            # Somebody else may have cancelled the task, too.
            if wait.is_late and not task.uncancel():
                raise TimeoutError from None
            raise
        finally:
            wait.task = None
            self._drop_ended()

    def _end_late(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        self._drop_ended()
        while self._waits and self._waits[0].until <= loop.time():
            wait = self._waits.popleft()
            if wait.task:
                wait.is_late = True
                wait.task.cancel()
        if self._waits:
            self._timer = loop.call_at(self._waits[0].until, self._end_late, loop)

    def _drop_ended(self) -> None:
        while self._waits and self._waits[0].task is None:
            self._waits.popleft()
