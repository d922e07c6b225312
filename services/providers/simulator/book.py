"""The book: what really happened at the providers, one JSON line per effect, on disk before any
caller gets an answer. A simulator that is killed reads it again and has forgotten nothing."""

import asyncio
import json
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from io import RawIOBase
from pathlib import Path
from typing import Any

from services.shared.log import get_logger

# The effect of a line that says no more than that the provider forgot the operation.
FORGOTTEN = "forgotten"
# How long what happens by itself waits for room on the disk.
ROOM_SECONDS = 1


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")


@dataclass(frozen=True, kw_only=True)
class Line:
    """One effect: what happened, to whose operation, for how much."""

    provider: str
    # For example "charge_succeeded" or "payout_completed".
    effect: str
    # The caller's idempotency key or reference: our operation key.
    key: str
    # The provider's own id.
    id: str
    transaction_id: str
    # The merchant's words.
    reference: str
    amount_minor: int
    currency: str
    # The state with which the provider goes on after a restart; no effect by itself.
    state: dict[str, Any] = field(default_factory=dict, repr=False)
    at: str = field(default_factory=_now)

    def shown(self) -> dict[str, Any]:
        """The line as the API shows it."""
        shown = asdict(self)
        del shown["state"]
        return shown


class BookFull(Exception):
    """The disk takes no more: nothing of the lines is in the book, and nothing ever will be."""


def open_file(path: Path) -> RawIOBase:
    """The file, unbuffered: a buffer would keep what the disk did not take, and write it later."""
    file = path.open("ab", buffering=0)
    # It holds people's names and accounts, whatever the umask is that we were started with.
    os.fchmod(file.fileno(), 0o600)
    return file


class Book:
    """The file and its lines. Writers that come together share one fsync."""

    def __init__(self, path: Path, opened: Callable[[Path], RawIOBase] = open_file) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.lines: list[Line] = []
        self._named: dict[tuple[str, str], list[Line]] = {}
        self._add(list(_read(path)))
        self._file = opened(path)
        self._size = path.stat().st_size
        self._torn = False
        # Each with a future that says whether they are on disk.
        self._waiting: list[tuple[tuple[Line, ...], asyncio.Future[bool]]] = []
        self._flush: asyncio.Task[None] | None = None

    def about(self, provider: str, name: str) -> list[Line]:
        """The effects of the operations with this key or provider's id, oldest first."""
        return self._named.get((provider, name), [])

    def remembered(self, provider: str) -> list[Line]:
        """The provider's state after a restart: all that it has not forgotten."""
        forgotten = {line.id for line in self.lines if line.effect == FORGOTTEN}
        return [
            line for line in self.lines if line.provider == provider and line.id not in forgotten
        ]

    async def write(self, *lines: Line) -> None:
        """Returns once the lines are on disk. Raises BookFull, and then none of them ever is."""
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((lines, done))
        await self.settled()
        if not await done:
            raise BookFull

    async def write_in_time(self, line: Line) -> None:
        """Returns once the line is on disk, for what happens by itself: it waits for room."""
        while True:
            try:
                return await self.write(line)
            except BookFull:
                await asyncio.sleep(ROOM_SECONDS)

    async def settled(self) -> None:
        """Returns once everything written before this call is on disk, or is known not to be."""
        # Lines that come after a batch began are in the next batch.
        for _ in range(2 if self._flush else 1):
            if self._flush is None and self._waiting:
                self._flush = asyncio.create_task(self._write_out())
            if self._flush is not None:
                # A caller who goes away must not take the others' lines along.
                await asyncio.shield(self._flush)

    async def close(self) -> None:
        """Finishes what is being written."""
        await self.settled()
        self._file.close()

    async def _write_out(self) -> None:
        waiting, self._waiting = self._waiting, []
        lines = [line for batch, _ in waiting for line in batch]
        try:
            await asyncio.to_thread(self._append, lines)
            self._add(lines)
            written = True
        except OSError as error:
            get_logger().error("book_full", error=type(error).__name__, lines=len(lines))
            written = False
        finally:
            self._flush = None
        for _, done in waiting:
            if not done.done():
                done.set_result(written)

    def _add(self, lines: list[Line]) -> None:
        self.lines.extend(lines)
        for line in lines:
            for name in {line.key, line.id} if line.effect != FORGOTTEN else ():
                self._named.setdefault((line.provider, name), []).append(line)

    def _append(self, lines: list[Line]) -> None:
        # Its fields as they are: asdict would first copy all that the provider remembers.
        rest = "".join(f"{json.dumps(vars(line))}\n" for line in lines).encode()
        size = self._size + len(rest)
        if self._torn:
            # The rest of a failed write: as long as it cannot be cut off, nothing is added.
            self._file.truncate(self._size)
            self._torn = False
        try:
            while rest:
                rest = rest[self._file.write(rest) or 0 :]
            os.fsync(self._file.fileno())
        except OSError:
            self._torn = True
            with suppress(OSError):
                self._file.truncate(self._size)
                self._torn = False
            raise
        self._size = size


def _read(path: Path) -> Iterator[Line]:
    if not path.exists():
        return
    whole = path.read_bytes()
    kept = whole.rfind(b"\n") + 1
    if kept < len(whole):
        # Killed in the middle of a line: no caller got an answer about it.
        os.truncate(path, kept)
    for line in whole[:kept].splitlines():
        yield Line(**json.loads(line))
