"""Reads the lists of our operations that providers have, within the limits of each, so that
payments can compare them with its database."""

import time
from collections.abc import Mapping
from datetime import timedelta

from services.providers.domain import ProviderNotFound
from services.providers.limits import Gate
from services.providers.listed import OperationPage, OperationQuery
from services.providers.ports import Adapter, OperationLister
from services.shared.errors import Unavailable, field_invalid
from services.shared.log import get_logger

# For one page.
LISTING = timedelta(seconds=10)
PAGE_LENGTH_MAX = 255
EXPECTED_MAX = 1000


class OperationLists:
    """The lists of all providers that have one."""

    def __init__(
        self,
        adapters: Mapping[str, Adapter],
        gates: Mapping[str, Gate],
        within: timedelta = LISTING,
    ) -> None:
        self._adapters = adapters
        self._gates = gates
        self._within_seconds = within.total_seconds()

    async def read(self, provider: str, query: OperationQuery) -> OperationPage:
        """One page of a provider's list. Raises ProviderNotFound, Invalid, Unavailable."""
        adapter = self._adapters.get(provider)
        if not isinstance(adapter, OperationLister) or not _lists(adapter, query):
            words = "No provider of this name lists operations of this kind."
            raise ProviderNotFound(words, provider=provider[:64])
        if len(query.page) > PAGE_LENGTH_MAX:
            raise field_invalid("page", f"page has at most {PAGE_LENGTH_MAX} characters")
        if len(query.expected_keys) > EXPECTED_MAX:
            raise field_invalid("expected_keys", f"there are at most {EXPECTED_MAX} expected keys")
        started = time.monotonic()
        listed = await self._asked(provider, adapter, query)
        get_logger().info(
            "operations_listed",
            provider=provider,
            kind=query.kind.name,
            operations=len(listed.operations),
            has_more=bool(listed.next_page),
            milliseconds=round((time.monotonic() - started) * 1000, 2),
        )
        return listed

    async def _asked(
        self, provider: str, adapter: OperationLister, query: OperationQuery
    ) -> OperationPage:
        try:
            return await self._gates[provider].asked(
                self._within_seconds, lambda: adapter.list_operations(query)
            )
        except TimeoutError:
            words = "The provider has not answered in time."
            raise Unavailable(words, provider=provider) from None


def _lists(adapter: OperationLister, query: OperationQuery) -> bool:
    declared = adapter.capabilities
    return declared.lists_operations and query.kind in declared.kinds
