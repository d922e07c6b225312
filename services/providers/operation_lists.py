"""Reads the lists of our operations that providers have, within the limits of each, so that
payments can compare them with its database."""

import time

from services.providers.domain import ProviderNotFound
from services.providers.listed import OperationPage, OperationQuery
from services.providers.ports import OperationLister
from services.providers.questions import Questions, check_page
from services.shared.errors import field_invalid
from services.shared.log import get_logger

EXPECTED_MAX = 1000


class OperationLists(Questions):
    """The lists of all providers that have one."""

    async def read(self, provider: str, query: OperationQuery) -> OperationPage:
        """One page of a provider's list. Raises ProviderNotFound, Invalid, Unavailable."""
        adapter = self._adapters.get(provider)
        if not isinstance(adapter, OperationLister) or not _lists(adapter, query):
            words = "No provider of this name lists operations of this kind."
            raise ProviderNotFound(words, provider=provider[:64])
        check_page(query.page)
        if len(query.expected_keys) > EXPECTED_MAX:
            raise field_invalid("expected_keys", f"there are at most {EXPECTED_MAX} expected keys")
        started = time.monotonic()
        listed = await self._asked(provider, lambda: adapter.list_operations(query))
        get_logger().info(
            "operations_listed",
            provider=provider,
            kind=query.kind.name,
            operations=len(listed.operations),
            has_more=bool(listed.next_page),
            milliseconds=round((time.monotonic() - started) * 1000, 2),
        )
        return listed


def _lists(adapter: OperationLister, query: OperationQuery) -> bool:
    declared = adapter.capabilities
    return declared.lists_operations and query.kind in declared.kinds
