"""The one place where a test may wait by the clock: asking again and again, until something is so
or patience ends. Everything else awaits events."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

Seen = TypeVar("Seen")
PATIENCE_SECONDS = 30.0
INTERVAL_SECONDS = 0.05


async def until(
    look: Callable[[], Awaitable[Seen]],
    wanted: Callable[[Seen], bool],
    *,
    seconds: float = PATIENCE_SECONDS,
) -> Seen:
    """The value, once it is as wanted. Fails with the last sight after so many seconds."""
    seen = await look()
    try:
        async with asyncio.timeout(seconds):
            while not wanted(seen):
                await asyncio.sleep(INTERVAL_SECONDS)
                seen = await look()
    except TimeoutError:
        raise AssertionError(f"after {seconds:.0f} s still {seen}") from None
    return seen
