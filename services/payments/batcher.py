"""Group commit for anything: what arrives while a batch is being worked on forms the next batch. An
idle caller waits for nobody, and under load the batches grow by themselves."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from services.shared.errors import Overloaded, Unavailable

Item = TypeVar("Item")
Result = TypeVar("Result")
Work = Callable[[Sequence[Item]], Awaitable[Sequence[Result | Exception]]]


class Batcher(Generic[Item, Result]):
    """Hands items in batches to work, which answers one result or exception per item, in order."""

    def __init__(
        self, work: Work[Item, Result], *, largest_batch: int, parallel: int, waiting_max: int
    ) -> None:
        """At most `parallel` batches run at once, and at most waiting_max items wait."""
        self._work = work
        self._largest_batch = largest_batch
        self._parallel = parallel
        self._waiting_max = waiting_max
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._running: set[asyncio.Task[None]] = set()

    async def submit(self, item: Item) -> Result:
        """The item's own result. Raises its own exception, or Overloaded where too many wait.

        A caller that goes away does not stop its item: what has begun is finished.
        """
        if len(self._waiting) >= self._waiting_max:
            raise Overloaded
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        self._start()
        return await future

    def _start(self) -> None:
        while self._waiting and len(self._running) < self._parallel:
            size = min(len(self._waiting), self._largest_batch)
            batch = [self._waiting.popleft() for _ in range(size)]
            task = asyncio.create_task(self._run(batch))
            self._running.add(task)
            task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._start()

    async def _run(self, batch: Sequence[tuple[Item, asyncio.Future[Result]]]) -> None:
        results: Sequence[Result | Exception]
        try:
            results = await self._work([item for item, _ in batch])
        except Unavailable as error:
            # Nobody's item is to blame, and trying each alone would only take longer.
            results = [error] * len(batch)
        except Exception as error:  # noqa: BLE001 - every waiting caller must get an answer
            if len(batch) > 1:
                # One bad item must not fail its neighbours: each is tried again alone.
                for single in batch:
                    await self._run([single])
                return
            results = [error]
        for (_, future), result in zip(batch, results, strict=True):
            if future.done():
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)
