"""How much one provider is asked at once and per second. Operations of all kinds and look-ups share
the same limits, because they share the provider."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

Answer = TypeVar("Answer")

# More at once would only make a slow provider slower.
CONCURRENCY_DEFAULT = 64


@dataclass(frozen=True, kw_only=True)
class Limits:
    """One provider's caps."""

    concurrency: int = CONCURRENCY_DEFAULT
    # None where the account has no known limit. A second's worth may come as a burst.
    per_second: int | None = None


class RateCap:
    """A token bucket: as many at once as one second allows, then one by one at that pace."""

    def __init__(self, per_second: int, now: Callable[[], float]) -> None:
        self._interval = 1 / per_second
        self._burst_seconds = 1 - self._interval
        self._now = now
        # When the next token would come due, had the bucket no room for a burst.
        self._next = now()

    def wait_seconds(self) -> float:
        """How long somebody who comes now would have to wait for a token."""
        return max(0.0, self._next - self._burst_seconds - self._now())

    def take(self) -> float:
        """Takes a token, and says in how many seconds it may be used."""
        wait = self.wait_seconds()
        self._next = max(self._next, self._now()) + self._interval
        return wait


class Gate:
    """Lets calls to one provider through, within its limits."""

    def __init__(
        self,
        limits: Limits,
        now: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._slots = asyncio.Semaphore(limits.concurrency)
        self._rate = RateCap(limits.per_second, now) if limits.per_second else None
        self._now = now
        self._sleep = sleep
        self._opens = 0.0

    def shut(self, seconds: float) -> None:
        """Lets nobody through for so long: the provider has asked for it."""
        self._opens = max(self._opens, self._now() + seconds)

    @property
    def opens_in_seconds(self) -> float:
        """How long nobody is let through; 0 where somebody may be."""
        return max(0.0, self._opens - self._now())

    async def take(self, patience_seconds: float) -> bool:
        """A place, to be given back with `leave`; False where none came free in time."""
        until = self._now() + patience_seconds
        try:
            async with asyncio.timeout(patience_seconds):
                await self._slots.acquire()
        except TimeoutError:
            return False
        taken = False
        try:
            # The slot first: who waits with a token in hand would later come in a burst.
            taken = await self._paced(until)
        finally:
            if not taken:
                self._slots.release()
        return taken

    def leave(self) -> None:
        """Gives a place back."""
        self._slots.release()

    @asynccontextmanager
    async def enter(self, patience_seconds: float) -> AsyncIterator[bool]:
        """Holds a place as long as the block runs; yields False where none came free in time."""
        taken = await self.take(patience_seconds)
        try:
            yield taken
        finally:
            if taken:
                self.leave()

    async def asked(self, seconds: float, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        """The answer to a question that moves nothing, asked once there is a place. Raises
        TimeoutError where place and answer take longer than that."""
        async with asyncio.timeout(seconds), self.enter(seconds) as entered:
            if not entered:
                raise TimeoutError
            return await ask()

    async def _paced(self, until: float) -> bool:
        if self._opens > until:
            return False
        if shut := self.opens_in_seconds:
            await self._sleep(shut)
        if self._rate is None:
            return True
        if self._now() + self._rate.wait_seconds() > until:
            # Known already: no token will come in time, so nobody waits for one.
            return False
        if wait := self._rate.take():
            await self._sleep(wait)
        return True
