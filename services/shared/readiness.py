"""Whether a process can do its work: it asks what it depends on, again and again, and says so when
the answer has become another. One failure changes nothing: only some in a row do."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from services.shared.errors import Unavailable
from services.shared.log import get_logger

# From one question to the next; how many in a row have to fail, and for how long.
EVERY_SECONDS = 2.0
FAILURES, FAILING_SECONDS = 2, 4.0

# Raises Unavailable where the work cannot be done now; within a bounded time.
Ask = Callable[[], Awaitable[None]]
Report = Callable[[bool], None]


class Readiness:
    """Asks, and reports each change to the listener."""

    def __init__(
        self,
        ask: Ask,
        report: Report,
        *,
        every_seconds: float = EVERY_SECONDS,
        patience: float = FAILING_SECONDS,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask = ask
        self._report = report
        self._every_seconds = every_seconds
        self._patience = patience
        self._now = now
        self._is_ready = True
        self._failures = 0
        self._answered = now()

    async def run(self) -> None:
        """Asks until it is cancelled."""
        while True:
            await self.ask_once()
            await asyncio.sleep(self._every_seconds)

    async def ask_once(self) -> None:
        """One question, and what follows from its answer."""
        cause = ""
        try:
            await self._ask()
        except Unavailable as error:
            cause = error.cause or error.message
        except Exception as error:  # noqa: BLE001 - the loop must outlive whatever it meets
            cause = type(error).__name__
        self._note(cause)

    def _note(self, cause: str) -> None:
        if not cause:
            self._failures, self._answered = 0, self._now()
        else:
            self._failures += 1
        failing = self._now() - self._answered
        if self._is_ready and self._failures >= FAILURES and failing >= self._patience:
            self._is_ready = False
            get_logger().warning("not_ready", cause=cause, seconds=round(failing, 1))
            self._report(False)
        elif not self._is_ready and not cause:
            self._is_ready = True
            get_logger().warning("ready_again")
            self._report(True)
