"""The declarations of the providers, held in memory: asked for at the start and again every minute,
so that neither pricing nor the engine asks for them, and new ones count without a restart."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager

from services.payments.mesh.ports import Providers
from services.payments.model.attempt import Capabilities
from services.payments.model.timing import DECLARATIONS_SECONDS, START_RETRY_SECONDS
from services.shared.beside import beside
from services.shared.errors import CannotStart, DomainError
from services.shared.log import get_logger

Check = Callable[[Mapping[str, Capabilities]], None]


def _anything(_: Mapping[str, Capabilities]) -> None:
    """Every declaration is taken."""


class DeclaredCapabilities(Mapping[str, Capabilities]):
    """The newest declarations, by provider; empty until providers has answered once."""

    def __init__(
        self,
        providers: Providers,
        *,
        check: Check = _anything,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`check` raises CannotStart for declarations that do not fit this process."""
        self._providers = providers
        self._check = check
        self._sleep = sleep
        # Replaced as a whole, and only where something has changed.
        self.current: Mapping[str, Capabilities] = {}

    def __getitem__(self, provider: str) -> Capabilities:
        return self.current[provider]

    def __iter__(self) -> Iterator[str]:
        return iter(self.current)

    def __len__(self) -> int:
        return len(self.current)

    async def load(self) -> None:
        """Asks once. Raises Unavailable, and what the check refuses."""
        declared = await self._providers.capabilities()
        if declared != self.current:
            self._check(declared)
            self.current = declared

    def refreshed(self) -> AbstractAsyncContextManager[None]:
        """Asks again and again, as long as the context is open."""
        return beside(self._refresh)

    async def _refresh(self) -> None:
        while True:
            await self._sleep(DECLARATIONS_SECONDS if self.current else START_RETRY_SECONDS)
            try:
                await self.load()
            except DomainError as error:
                get_logger().warning("declarations_not_refreshed", reason=str(error))
            except CannotStart as error:
                # The ones from before go on: they fit.
                get_logger().error("declarations_refused", reason=str(error))
