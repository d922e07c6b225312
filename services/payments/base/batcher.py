"""Group commit for anything: the items that arrive during a batch form the next batch. A single
caller does not wait, and under load the batches grow by themselves. Items of different groups take
turns, so that a flood of one group delays that group alone."""

import asyncio
import math
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from functools import partial
from typing import Generic, TypeVar

from prometheus_client import Histogram

from services.payments.model.timing import GATHERING_SECONDS
from services.shared.errors import Overloaded, Unavailable

Item = TypeVar("Item")
Result = TypeVar("Result")
Work = Callable[[Sequence[Item]], Awaitable[Sequence[Result | Exception]]]
Waiting = tuple[Item, asyncio.Future[Result]]
SIZES = Histogram(
    "caravel_batch_items",
    "Items that share one batch, by the kind of batch.",
    ["batch"],
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512),
)
# So many items share a batch's costs well enough: of more, one half is served while the other comes
# back.
ENOUGH = 24


def _one_group(_: object) -> Hashable:
    return None


def _no_bytes(_: object) -> int:
    return 0


class Batcher(Generic[Item, Result]):
    """Hands items in batches to work, which answers one result or exception per item, in order."""

    def __init__(
        self,
        work: Work[Item, Result],
        *,
        name: str = "other",
        largest_batch: int,
        parallel: int,
        waiting_max: int,
        beside_from: int = 1,
        largest_bytes: float = math.inf,
        size: Callable[[Item], int] = _no_bytes,
        group: Callable[[Item], Hashable] = _one_group,
        drops_abandoned: bool = False,
        gathers: bool = False,
        every_seconds: float = 0.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """At most `parallel` batches run at once, and at most waiting_max items wait.

        A batch begins beside another only where beside_from items wait: a smaller one had better
        grow meanwhile. By the items' own size it holds largest_bytes, or one item. Its size is
        published under its name. drops_abandoned leaves out an item whose caller has gone away.
        every_seconds is the least time from the beginning of one batch to that of the next, unless
        it is full: in a steady stream each batch then holds many items.

        gathers holds the next batch until all active callers wait: those that the last batch
        answered, which are soon back, and those that came meanwhile. It holds it for as long as the
        last batch took, or every_seconds; and no longer once half of them wait, and at least
        ENOUGH.
        """
        self._work = work
        self._sizes = SIZES.labels(name)
        self._largest_batch = largest_batch
        self._parallel = parallel
        self._waiting_max = waiting_max
        self._beside_from = beside_from
        self._largest_bytes = largest_bytes
        self._size = size
        self._group = group
        self._drops_abandoned = drops_abandoned
        self._gathers = gathers
        self._now = now
        self._every_seconds = every_seconds
        self._came_meanwhile, self._enough, self._grows_until = 0, largest_batch, 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._is_starting = False
        # In the order of their turns; a group without waiting items is not in it.
        self._queues: OrderedDict[Hashable, deque[Waiting[Item, Result]]] = OrderedDict()
        self._waiting = 0
        self._running: set[asyncio.Task[None]] = set()

    async def submit(self, item: Item) -> Result:
        """The item's own result. Raises its own exception, or Overloaded where too many wait.

        A caller that goes away does not stop its item: a batch that has begun is finished.
        """
        group = self._group(item)
        if self._waiting >= self._waiting_max:
            self._make_room(group)
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._queues.setdefault(group, deque()).append((item, future))
        self._waiting += 1
        if not self._is_starting:
            # In the loop's next turn, so that all items of this turn share a batch.
            self._is_starting = True
            asyncio.get_running_loop().call_soon(self._start)
        return await future

    def _make_room(self, group: Hashable) -> None:
        """Refuses the last item of the longest queue, which may be the new one."""
        longest, queue = max(self._queues.items(), key=lambda named: len(named[1]))
        if len(queue) <= len(self._queues.get(group, ())) + 1:
            raise Overloaded
        _, future = queue.pop()
        self._waiting -= 1
        if not queue:
            del self._queues[longest]
        if not future.done():
            future.set_exception(Overloaded())

    def _start(self) -> None:
        self._is_starting = False
        while self._waiting and self._may_begin():
            batch = self._next_batch()
            if not batch:
                continue
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            began = self._now()
            self._sizes.observe(len(batch))
            self._grows_until = began + self._every_seconds
            task = asyncio.create_task(self._run(batch))
            self._running.add(task)
            task.add_done_callback(partial(self._done, len(batch), began))

    def _may_begin(self) -> bool:
        if not self._running:
            return not self._had_better_grow()
        return len(self._running) < self._parallel and self._waiting >= self._beside_from

    def _had_better_grow(self) -> bool:
        left = self._grows_until - self._now()
        if self._waiting >= self._enough or left <= 0:
            return False
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(left, self._gathered)
        return True

    def _gathered(self) -> None:
        self._timer = None
        self._start()

    def _next_batch(self) -> Sequence[Waiting[Item, Result]]:
        """One of each group, and again, until the batch is full or nothing waits."""
        batch: list[Waiting[Item, Result]] = []
        held = 0
        while self._queues and len(batch) < self._largest_batch:
            first = next(iter(self._queues.values()))
            held += self._size(first[0][0])
            if batch and held > self._largest_bytes:
                break
            group, queue = self._queues.popitem(last=False)
            item, future = queue.popleft()
            self._waiting -= 1
            if queue:
                self._queues[group] = queue
            if not (self._drops_abandoned and future.cancelled()):
                batch.append((item, future))
        return batch

    def _done(self, size: int, began: float, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if self._gathers:
            ended = self._now()
            about = size + self._came_meanwhile
            self._enough = min(about, max(about // 2, ENOUGH), self._largest_batch)
            patience = min(ended - began, GATHERING_SECONDS)
            self._grows_until = max(self._grows_until, ended + patience)
        self._start()

    async def _run(self, batch: Sequence[Waiting[Item, Result]]) -> None:
        results: Sequence[Result | Exception]
        try:
            results = await self._work([item for item, _ in batch])
        except Unavailable as error:
            # No item is the cause, and trying again would only take longer.
            results = [error] * len(batch)
        except Exception as error:  # noqa: BLE001 - every waiting caller must get an answer
            if len(batch) > 1:
                # One bad item must not fail the others: each half is tried again for itself.
                middle = len(batch) // 2
                await self._run(batch[:middle])
                await self._run(batch[middle:])
                return
            results = [error]
        # Counted before any caller has its answer: a caller that comes again at once is no new one.
        self._came_meanwhile = self._waiting
        for (_, future), result in zip(batch, results, strict=True):
            if future.done():
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)
