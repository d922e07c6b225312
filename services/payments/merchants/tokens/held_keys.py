"""The keys of a foreign issuer, held in memory: fetched in the background, kept while the issuer
cannot be reached, and looked for again, at a bounded rate, when a token names one that is not
there. `fetching` has the HTTP."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from services.payments.merchants.domain import CredentialsUnverifiable
from services.payments.merchants.tokens.keys import Keys, KeysUnreadable, VerifyingKey
from services.shared.log import get_logger

# How many calls wait for keys at once.
WAITING_MAX = 64
# Gets the issuer's keys. Raises OSError, TimeoutError or KeysUnreadable.
Fetch = Callable[[], Awaitable[Keys]]


@dataclass(frozen=True, kw_only=True)
class Patience:
    """Times, in seconds, of the keys of one issuer."""

    # From one successful fetch to the next.
    refresh: float = 300.0
    # From one fetch to the next, after a failure, and for a key that is not there.
    retry: float = 10.0
    # How long keys may be used since they were fetched.
    held: float = 86_400.0


class HeldKeys:
    """The last keys that were fetched."""

    def __init__(
        self,
        issuer: str,
        fetch: Fetch,
        patience: Patience | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._issuer = issuer
        self._fetch = fetch
        self._patience = patience or Patience()
        self._now = now
        self._keys: Keys = {}
        self._fetched: float | None = None
        self._tried: float | None = None
        self._failed = False
        self._waiting = 0
        self._running: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def refreshed(self) -> AsyncIterator[None]:
        """Fetches once, and then again and again within."""
        await self.fetch()
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            running = [task, *([self._running] if self._running else [])]
            for one in running:
                one.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._patience.retry if self._failed else self._patience.refresh)
            await self.fetch()

    async def fetch(self) -> None:
        """One fetch; all who ask while one is under way wait for the same."""
        if self._running is None:
            self._running = asyncio.create_task(self._fetch_once())
        # One who stops to wait takes the answer from nobody else.
        await asyncio.shield(self._running)

    def get(self, key_id: str) -> VerifyingKey | None:
        """The key of this id.

        Raises CredentialsUnverifiable where the keys are too old, or never came.
        """
        if self._fetched is None or self._now() - self._fetched > self._patience.held:
            raise self._unverifiable()
        return self._keys.get(key_id)

    async def look_for(self, key_id: str) -> VerifyingKey | None:
        """The key of this id, fetched where it is not there and the last fetch is not recent.

        Raises CredentialsUnverifiable where it is not there, and the issuer did not answer.
        """
        found = self._keys.get(key_id)
        if not found and (self._running or self._may_try()):
            # Nobody has proven anything yet, and each that waits has a place of all callers.
            if self._waiting >= WAITING_MAX:
                raise self._unverifiable()
            self._waiting += 1
            try:
                await self.fetch()
            finally:
                self._waiting -= 1
            found = self._keys.get(key_id)
        if not found and self._failed:
            # It may be a new key, which its issuer cannot show now.
            raise self._unverifiable()
        return found

    def _may_try(self) -> bool:
        return self._tried is None or self._now() - self._tried >= self._patience.retry

    async def _fetch_once(self) -> None:
        self._tried = self._now()
        try:
            fetched = await self._fetch()
        except Exception as error:  # noqa: BLE001 - the loop must outlive whatever it meets
            self._failed = True
            why = str(error) if isinstance(error, KeysUnreadable) else type(error).__name__
            get_logger().warning("issuer_keys_not_fetched", issuer=self._issuer, reason=why)
        else:
            # A key that is still the same stays the same object, by which verified tokens know it.
            self._keys = {
                key_id: known if (known := self._keys.get(key_id)) == key else key
                for key_id, key in fetched.items()
            }
            self._fetched, self._failed = self._now(), False
        finally:
            self._running = None

    def _unverifiable(self) -> CredentialsUnverifiable:
        refusal = CredentialsUnverifiable(cause=f"keys of {self._issuer}")
        refusal.retry_after_seconds = max(1, round(self._patience.retry))
        return refusal
