"""Waits until payments change. Each call goes on from the cursor of the answer before, at whatever
replica, so that nothing is kept here for those who watch."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from services.payments.model.timing import (
    CHANGES_CURSOR_KEPT,
    CHANGES_LOOK_SECONDS,
    CHANGES_WAIT_SECONDS,
)
from services.shared.errors import Overloaded
from services.shared.ids import Prefix, encode_id
from services.shared.money import Money

# Calls that wait at once in one replica.
WATCHING_MAX = 50
CHANGES_MAX = 1000


@dataclass(frozen=True, kw_only=True)
class Cursor:
    """A moment of the database: its time, and which transactions it had seen the end of."""

    at: datetime
    snapshot: str


@dataclass(frozen=True, kw_only=True)
class Changed:
    """A payment that has changed, as it is now."""

    payment: UUID
    merchant_id: str
    corridor_id: str
    state: str
    hold_reason: str
    amount: Money
    sequence: int
    is_new: bool

    @property
    def transaction_id(self) -> str:
        """The public id, for example pay_01jd8x3v9me7rb5k3n6q2f4h8z."""
        return encode_id(Prefix.PAYMENT, self.payment)


@dataclass(frozen=True, kw_only=True)
class Changes:
    """The payments that have changed up to a moment; not all of them where it is a reset."""

    changes: Sequence[Changed]
    cursor: Cursor
    is_reset: bool = False


class ChangeStore(Protocol):
    """The histories of payments."""

    async def now(self) -> Cursor:
        """The present moment. Raises Unavailable."""
        ...

    async def since(self, cursor: Cursor, *, limit: int) -> Changes:
        """Up to limit payments that have changed since, the oldest change first. Raises
        Unavailable."""
        ...


class Watching:
    """The calls of one replica that wait for changes."""

    def __init__(
        self,
        store: ChangeStore,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._clock = clock
        self._sleep = sleep
        self._watching = 0

    async def after(self, cursor: Cursor | None) -> Changes:
        """The changes since the cursor; at once without one. Raises Overloaded, Unavailable."""
        if cursor is None:
            return Changes(changes=(), cursor=await self._store.now(), is_reset=True)
        if self._watching >= WATCHING_MAX:
            raise Overloaded
        self._watching += 1
        try:
            return await self._wait(cursor)
        finally:
            self._watching -= 1

    async def _wait(self, cursor: Cursor) -> Changes:
        until = self._clock() + CHANGES_WAIT_SECONDS
        while True:
            found = await self._store.since(cursor, limit=CHANGES_MAX + 1)
            is_old = found.cursor.at - cursor.at > CHANGES_CURSOR_KEPT
            if is_old or len(found.changes) > CHANGES_MAX:
                return Changes(changes=(), cursor=found.cursor, is_reset=True)
            if found.changes or self._clock() >= until:
                return found
            await self._sleep(CHANGES_LOOK_SECONDS)
