"""How long a server waits for a message: so many seconds, counted from when it began to wait. One
timer serves all calls, because one each would cost more than to read the message."""

import asyncio
from collections import deque
from typing import Any

from services.shared.errors import TooSlow


class _Wait:
    __slots__ = ("is_late", "task", "until")

    def __init__(self, until: float, task: asyncio.Task[Any]) -> None:
        self.until = until
        # None once the message is there.
        self.task: asyncio.Task[Any] | None = task
        self.is_late = False


class Arrivals:
    """The messages that the calls of one event loop wait for, each for the same time."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        # In the order in which they are late.
        self._waits: deque[_Wait] = deque()
        self._timer: asyncio.TimerHandle | None = None

    async def next_message(self, context: Any) -> Any:
        """The bytes of the call's next message; EOF where there is none. Raises TooSlow."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        if task is None:
            raise RuntimeError("a message is read within a task")
        wait = _Wait(loop.time() + self._seconds, task)
        self._waits.append(wait)
        if self._timer is None:
            self._timer = loop.call_at(wait.until, self._end_late, loop)
        try:
            return await context.read()
        except asyncio.CancelledError:
            # The call itself may have been cancelled, too.
            if wait.is_late and not task.uncancel():
                raise TooSlow("The message did not arrive in time.") from None
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
