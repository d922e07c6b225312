"""Brings proposals that nobody decided in time to their end, with an entry in the log. No approval
waits for it: one that comes late is refused whether this has run or not."""

import asyncio
from collections.abc import Awaitable, Callable

from services.payments.model.timing import PROPOSALS_EXPIRY_SECONDS
from services.payments.operators.ports import ProposalStore
from services.shared.errors import DomainError
from services.shared.log import get_logger


class Expiring:
    """Looks for proposals past their time, again and again."""

    def __init__(
        self, store: ProposalStore, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._store = store
        self._sleep = sleep

    async def run(self) -> None:
        """Goes on until it is cancelled."""
        while True:
            await self.once()
            await self._sleep(PROPOSALS_EXPIRY_SECONDS)

    async def once(self) -> None:
        """All that are past their time now."""
        try:
            while await self._store.expire():
                pass
        except DomainError as error:
            get_logger().warning("proposals_not_expired", reason=str(error))
        except Exception as error:  # noqa: BLE001 - the next try may succeed
            get_logger().error("proposals_not_expired", reason=type(error).__name__)
