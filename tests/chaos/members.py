"""One process of a chaos mesh: killed, stopped and continued at will, and started again whenever it
has ended, as an orchestrator would do. How a process is started is deploy.local's."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from deploy.local.process.child import Child, Spec, end_of, is_alive
from tests.chaos.topology import kind_of

# Once it has lived so long, its next end counts as the first one.
SETTLED_SECONDS = 5.0
BACKOFF_FIRST_SECONDS, BACKOFF_MAX_SECONDS = 0.25, 5.0
LISTED_SECONDS = 0.2


@dataclass(frozen=True, kw_only=True)
class Death:
    """The end of a process that should have gone on."""

    name: str
    # Seconds since the epoch.
    at: float
    # Negative for a signal.
    code: int
    # We did it; otherwise it did it itself.
    is_killed: bool


class Member:
    """A process that comes back."""

    def __init__(
        self,
        spec: Spec,
        log: Path,
        *,
        delay: Callable[[], float],
        on_death: Callable[[Death], None],
    ) -> None:
        self.name = spec.name
        self.kind = kind_of(spec.name)
        self.log = log
        self.spec = spec
        self._child = Child(spec, log)
        self._delay = delay
        self._on_death = on_death
        self._wanted = asyncio.Event()
        self._ended = asyncio.Event()
        self._ended.set()
        self._stopping = False
        # Held while a process comes into existence, so that none does so behind our back.
        self._starting = asyncio.Lock()
        self._killed = False
        self._failures = 0
        self._life: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        """The process's id; 0 before its first start."""
        return self._child.pid

    @property
    def alive(self) -> bool:
        """Whether it runs, or is stopped with SIGSTOP."""
        return not self._ended.is_set()

    def begin(self) -> None:
        """Starts it, and starts it again from now on."""
        self._wanted.set()
        self._life = asyncio.create_task(self._live(), name=self.name)

    async def healthy(self) -> bool:
        """Whether it can be relied on now."""
        return self.alive and self.spec.healthy is not None and await self.spec.healthy()

    def signal(self, number: int) -> None:
        """Sends it a signal. One that kills takes along the processes that it has started."""
        if not self.alive:
            return
        if number == signal.SIGKILL:
            self._killed = True
            # PostgreSQL's have sessions of their own: no group holds them together.
            for pid in [*children_of(self.pid), self.pid]:
                send(pid, number)
            return
        self._killed = self._killed or number in (signal.SIGTERM, signal.SIGINT)
        send(self.pid, number)

    def hold_down(self) -> None:
        """Kills it, and leaves it dead until let_up."""
        self._wanted.clear()
        self.signal(signal.SIGKILL)

    def let_up(self) -> None:
        """Lets it live again."""
        self._wanted.set()

    async def ended(self) -> None:
        """Waits until it does not run."""
        await self._ended.wait()

    async def stop(self) -> None:
        """Ends it for good, gracefully where it can."""
        self._stopping = True
        self._wanted.clear()
        async with self._starting:
            if self.alive:
                self.signal(signal.SIGCONT)
                await self._child.stop()
        if self._life:
            self._life.cancel()
            await asyncio.wait({self._life})

    async def _live(self) -> None:
        while True:
            await self._wanted.wait()
            started = time.monotonic()
            async with self._starting:
                if self._stopping:
                    return
                self._killed = False
                await self._child.start()
                self._ended.clear()
            if not self._wanted.is_set():
                self.signal(signal.SIGKILL)
            code = await self._child.wait()
            self._ended.set()
            if self._stopping:
                return
            self._on_death(Death(name=self.name, at=time.time(), code=code, is_killed=self._killed))
            await asyncio.sleep(self._pause(time.monotonic() - started))

    def _pause(self, lived_seconds: float) -> float:
        """How long it stays dead."""
        words = self.spec.start_again_on
        if words and words in end_of(self.log, 1024):
            return LISTED_SECONDS
        if self._killed or lived_seconds > SETTLED_SECONDS:
            self._failures = 0
            return self._delay()
        self._failures += 1
        return min(BACKOFF_MAX_SECONDS, BACKOFF_FIRST_SECONDS * 2.0 ** (self._failures - 1))


def children_of(pid: int) -> list[int]:
    """The processes that this one has started and that live."""
    try:
        tasks = Path(f"/proc/{pid}/task").iterdir()
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return []


def is_stopped(pid: int) -> bool:
    """Whether a process has been stopped and not been continued."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    except OSError:
        return False


def send(pid: int, number: int) -> bool:
    """Sends a signal; False where nobody is left to get it."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)
        return is_alive(pid) or number == signal.SIGKILL
    return False
