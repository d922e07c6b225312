"""The credentials of all merchants and operators, held in memory by each replica, so that a call
costs no query. They are read again several times a second, only what has changed, and nobody
is admitted by anything older than FRESH_SECONDS: a revoked key ends everywhere within a second.
A key that is unknown here waits for the next reading, which all that wait share."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from services.payments.merchants.domain import (
    CredentialsUnverifiable,
    Key,
    Merchant,
    MerchantKey,
    OperatorKey,
)
from services.payments.merchants.ports import CredentialSource
from services.payments.model.timing import (
    CREDENTIALS_DAY,
    CREDENTIALS_FORGET_SECONDS,
    CREDENTIALS_FRESH_SECONDS,
    CREDENTIALS_PAUSE_SECONDS,
    CREDENTIALS_REFRESH_SECONDS,
    CREDENTIALS_USES_SECONDS,
    CREDENTIALS_WAIT_SECONDS,
)
from services.shared.beside import beside
from services.shared.errors import DomainError
from services.shared.log import get_logger

SomeKey = TypeVar("SomeKey", bound=Key)


class HeldCredentials:
    """The port Credentials in memory."""

    def __init__(
        self,
        source: CredentialSource,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._source = source
        self._clock = clock
        self._sleep = sleep
        # Before the first one, so that the first reading takes all.
        self._version = -1
        self._as_of = float("-inf")
        self._merchants: dict[str, Merchant] = {}
        self._merchant_keys: dict[UUID, MerchantKey] = {}
        self._operator_keys: dict[UUID, OperatorKey] = {}
        self._wanted = asyncio.Event()
        # Of those that wait for a reading that begins after now; says whether it succeeded.
        self._next: asyncio.Future[bool] | None = None
        self._used: dict[type, set[UUID]] = defaultdict(set)
        self._uses_noted_at = self._forgot_at = clock()

    async def merchant_key(self, key_id: UUID) -> tuple[MerchantKey, Merchant] | None:
        """See Credentials.merchant_key."""
        if key_id not in self._merchant_keys or self._is_old():
            await self._read_again()
        key = self._merchant_keys.get(key_id)
        return (key, self._merchants[key.merchant_id]) if key else None

    async def operator_key(self, key_id: UUID) -> OperatorKey | None:
        """See Credentials.operator_key."""
        if key_id not in self._operator_keys or self._is_old():
            await self._read_again()
        return self._operator_keys.get(key_id)

    async def merchant(self, merchant_id: str) -> Merchant | None:
        """See Credentials.merchant."""
        if merchant_id not in self._merchants or self._is_old():
            await self._read_again()
        return self._merchants.get(merchant_id)

    def note_use(self, key: MerchantKey | OperatorKey) -> None:
        """See Credentials.note_use."""
        self._used[type(key)].add(key.id)

    async def load(self) -> None:
        """Reads what has changed. Raises Unavailable."""
        began = self._clock()
        changes = await self._source.changes(self._version)
        self._merchants |= {one.id: one for one in changes.merchants}
        self._merchant_keys |= {one.id: one for one in changes.merchant_keys}
        self._operator_keys |= {one.id: one for one in changes.operator_keys}
        self._version, self._as_of = changes.version, began
        if began - self._forgot_at >= CREDENTIALS_FORGET_SECONDS:
            self._forgot_at = began
            self._merchant_keys = _still_known(self._merchant_keys, changes.now)
            self._operator_keys = _still_known(self._operator_keys, changes.now)

    def refreshed(self) -> AbstractAsyncContextManager[None]:
        """Reads again and again while the block runs."""
        return beside(self._refresh)

    def _is_old(self) -> bool:
        return self._clock() - self._as_of > CREDENTIALS_FRESH_SECONDS

    async def _read_again(self) -> None:
        """Waits for a reading that begins after now."""
        if self._next is None:
            self._next = asyncio.get_running_loop().create_future()
        self._wanted.set()
        try:
            async with asyncio.timeout(CREDENTIALS_WAIT_SECONDS):
                # Others wait for the same.
                succeeded = await asyncio.shield(self._next)
        except TimeoutError:
            raise CredentialsUnverifiable from None
        if not succeeded:
            raise CredentialsUnverifiable

    async def _refresh(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(CREDENTIALS_REFRESH_SECONDS):
                    await self._wanted.wait()
            self._wanted.clear()
            waiting, self._next = self._next, None
            succeeded = await self._try_to_load()
            if waiting and not waiting.done():
                waiting.set_result(succeeded)
            # However many unknown keys there are, readings are no more frequent than this.
            await self._sleep(CREDENTIALS_PAUSE_SECONDS)

    async def _try_to_load(self) -> bool:
        try:
            await self.load()
            await self._note_uses()
        except DomainError as error:
            get_logger().warning("credentials_not_refreshed", reason=str(error))
            return False
        except Exception as error:  # noqa: BLE001 - without readings nobody would be admitted
            get_logger().error("credentials_not_refreshed", reason=type(error).__name__)
            return False
        return True

    async def _note_uses(self) -> None:
        if not self._used or self._clock() - self._uses_noted_at < CREDENTIALS_USES_SECONDS:
            return
        used, self._used = self._used, defaultdict(set)
        self._uses_noted_at = self._clock()
        await self._source.note_uses(used)


def _still_known(keys: Mapping[UUID, SomeKey], now: datetime) -> dict[UUID, SomeKey]:
    """Without the keys that ended long ago, which a new process would not read either."""
    long_ago = now - CREDENTIALS_DAY
    return {key_id: key for key_id, key in keys.items() if not key.ended_before(long_ago)}
