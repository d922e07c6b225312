"""The load generator, one for every HTTP server that is measured: keep-alive HTTP/1.1 on bare
protocols, because it shares the processors with what it measures. The requests are in requests."""

import asyncio
import gc
import re
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked\r\n", re.IGNORECASE)
_REASON = re.compile(rb'"reason" ?: ?"(\w+)"')
LAST_CHUNK = b"0\r\n\r\n"
# How long answers that are still under way at the end are waited for.
LAST_ANSWERS_SECONDS = 30.0
# How long a given number of requests may take.
MOST_SECONDS = 600.0
TICK_SECONDS = 0.002

# The bytes of the request with this number; numbers count up from 0.
Make = Callable[[int], bytes]


@dataclass(frozen=True)
class Target:
    """An HTTP server."""

    host: str
    port: int


@dataclass
class Outcome:
    """The result of a load. Counted is what was answered after the warm-up and before the end."""

    seconds: float = 0.0
    # Of counted answers with 2xx, in seconds.
    latencies: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    # The numbers of all requests that were ever answered with 2xx, counted or not.
    acknowledged: list[int] = field(default_factory=list)
    # The last body.
    body: bytes = b""
    # Requests whose connection was lost before an answer.
    broken: int = 0
    # Arrivals for which no connection could be had.
    unsent: int = 0

    @property
    def rate(self) -> float:
        """Answers with 2xx a second."""
        return len(self.latencies) / self.seconds

    @property
    def refused(self) -> int:
        """Counted answers that are no 2xx."""
        return sum(n for status, n in self.statuses.items() if not 200 <= status < 300)

    def percentile_ms(self, share: float) -> float | None:
        """The latency that this share of the counted 2xx did not exceed."""
        if not self.latencies:
            return None
        ranked = sorted(self.latencies)
        return 1000 * ranked[min(len(ranked) - 1, int(share * len(ranked)))]


async def closed_loop(
    target: Target, make: Make, *, connections: int, warm_seconds: float, seconds: float
) -> Outcome:
    """So many clients, each of which asks again as soon as it has its answer."""
    load = _Load(target, make, connections)
    with _undisturbed():
        await load.run(warm_seconds, seconds, rate=None)
    return load.outcome


async def exactly(target: Target, make: Make, *, connections: int, count: int) -> Outcome:
    """So many requests, by so many clients in a closed loop."""
    load = _Load(target, make, min(connections, count))
    with _undisturbed():
        await load.run_count(count)
    return load.outcome


async def ask(target: Target, request: bytes) -> tuple[int, bytes]:
    """Status and body of one answer."""
    load = _Load(target, lambda _: request, 1)
    with _undisturbed():
        await load.run_count(1)
    ((status, _),) = load.outcome.statuses.items()
    return status, load.outcome.body


async def fixed_rate(
    target: Target, make: Make, *, rate: float, seconds: float, connections: int = 256
) -> Outcome:
    """So many requests a second, whatever comes of them. A latency begins when the request was due,
    also where it had to wait for a connection."""
    load = _Load(target, make, connections)
    with _undisturbed():
        await load.run(0.0, seconds, rate=rate)
    return load.outcome


class _Load:
    def __init__(self, target: Target, make: Make, connections: int) -> None:
        self.outcome = Outcome()
        self._target = target
        self._make = make
        self._connections = connections
        self._number = 0
        self._last_number = sys.maxsize
        self._all_sent = asyncio.Event()
        self._opened: set[_Connection] = set()
        self._opening = 0
        self._idle: list[_Connection] = []
        self._waiting: deque[float] = deque()
        self._counted_from = self._end = 0.0
        self._is_open_loop = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, warm_seconds: float, seconds: float, rate: float | None) -> None:
        self._is_open_loop = rate is not None
        first = min(self._connections, 64) if rate else self._connections
        await asyncio.gather(*(self._open() for _ in range(first)))
        start = time.perf_counter()
        self._counted_from = start + warm_seconds
        self._end = self._counted_from + seconds
        if rate:
            await self._arrive(start, rate)
        else:
            for connection in list(self._idle):
                self._send(connection, time.perf_counter())
            self._idle.clear()
            await asyncio.sleep(self._end - time.perf_counter())
        await self._last_answers()
        self.outcome.seconds = seconds
        for connection in self._opened:
            connection.close()

    async def run_count(self, count: int) -> None:
        start = self._counted_from = time.perf_counter()
        self._end, self._last_number = start + MOST_SECONDS, count
        await asyncio.gather(*(self._open() for _ in range(self._connections)))
        for connection in list(self._idle):
            self._send(connection, time.perf_counter())
        self._idle.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(MOST_SECONDS):
                await self._all_sent.wait()
        await self._last_answers()
        self.outcome.seconds = time.perf_counter() - start
        for connection in self._opened:
            connection.close()

    async def _arrive(self, start: float, rate: float) -> None:
        sent = 0
        while (now := time.perf_counter()) < self._end:
            due = int((now - start) * rate)
            for number in range(sent + 1, due + 1):
                self._arrival(start + number / rate)
            sent = due
            await asyncio.sleep(TICK_SECONDS)

    def _arrival(self, due: float) -> None:
        if self._idle:
            self._send(self._idle.pop(), due)
            return
        if len(self._waiting) >= self._connections:
            self.outcome.unsent += 1
            return
        self._waiting.append(due)
        if len(self._opened) + self._opening < self._connections:
            self._open_soon()

    def _open_soon(self) -> None:
        task = asyncio.create_task(self._open())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        self._opening += 1
        try:
            _, connection = await loop.create_connection(
                lambda: _Connection(self), self._target.host, self._target.port
            )
        except OSError:
            self.outcome.broken += 1
            return
        finally:
            self._opening -= 1
        self._opened.add(connection)
        self._free(connection)

    def _send(self, connection: "_Connection", due: float) -> None:
        number = self._number
        self._number += 1
        connection.send(number, due, self._make(number))

    def _free(self, connection: "_Connection") -> None:
        if self._waiting:
            self._send(connection, self._waiting.popleft())
        else:
            self._idle.append(connection)

    def answered(self, connection: "_Connection", status: int, body: bytes) -> None:
        now = time.perf_counter()
        outcome = self.outcome
        outcome.body = body
        # Of a fixed rate every request counts, however late its answer is.
        counts = self._is_open_loop or self._counted_from <= now <= self._end
        if 200 <= status < 300:
            outcome.acknowledged.append(connection.number)
            if counts:
                outcome.latencies.append(now - connection.due)
        if counts:
            outcome.statuses[status] += 1
            if status >= 300:
                found = _REASON.search(body)
                outcome.reasons[found[1].decode() if found else "none given"] += 1
        if self._is_open_loop:
            self._free(connection)
        elif self._number >= self._last_number:
            self._all_sent.set()
        elif now < self._end:
            self._send(connection, now)

    def lost(self, connection: "_Connection", *, is_waiting: bool) -> None:
        self._opened.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        if is_waiting:
            self.outcome.broken += 1
        if time.perf_counter() < self._end:
            self._open_soon()

    async def _last_answers(self) -> None:
        deadline = time.perf_counter() + LAST_ANSWERS_SECONDS
        while self._waiting or any(connection.is_waiting for connection in self._opened):
            if time.perf_counter() > deadline:
                late = sum(connection.is_waiting for connection in self._opened)
                self.outcome.broken += late + len(self._waiting)
                return
            await asyncio.sleep(TICK_SECONDS)


class _Connection(asyncio.Protocol):
    """One client: a request, its answer, and only then the next."""

    def __init__(self, load: _Load) -> None:
        self.number, self.due = 0, 0.0
        self.is_waiting = False
        self._load = load
        self._read = b""
        self._closing = False
        # Set before it is ever used; uvloop's own class is no asyncio.Transport.
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def send(self, number: int, due: float, request: bytes) -> None:
        self.number, self.due, self.is_waiting = number, due, True
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._read = self._read + data if self._read else data
        answer = read_answer(self._read)
        if answer:
            self._read = b""
            self.is_waiting = False
            self._load.answered(self, *answer)

    def connection_lost(self, error: Exception | None) -> None:
        if not self._closing:
            self._load.lost(self, is_waiting=self.is_waiting)
        self.is_waiting = False

    def close(self) -> None:
        self._closing = True
        if self._transport:
            self._transport.close()


def read_answer(data: bytes) -> tuple[int, bytes] | None:
    """Status and body, as they came, of an answer that is complete; None while it is not."""
    head_end = data.find(b"\r\n\r\n")
    if head_end < 0:
        return None
    head, body = data[: head_end + 2], data[head_end + 4 :]
    status = int(head[9:12])
    length = _LENGTH.search(head)
    if length:
        return (status, body) if len(body) >= int(length[1]) else None
    if _CHUNKED.search(head):
        return (status, body) if body.endswith(LAST_CHUNK) else None
    return status, b""


@contextmanager
def _undisturbed() -> Iterator[None]:
    """No pause of ours for collecting garbage shall count as theirs."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
