"""Reads the lists of events that providers keep, within the limits of each provider, so that an
event whose webhooks were all lost is found."""

import time
from collections.abc import Mapping
from datetime import datetime, timedelta

from services.providers.domain import EventPage, ProviderNotFound
from services.providers.limits import Gate
from services.providers.ports import Adapter, EventLister
from services.shared.errors import DomainError, Unavailable, field_invalid
from services.shared.log import get_logger

# For one page.
LISTING = timedelta(seconds=10)
PAGE_LENGTH_MAX = 255


class Listing:
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

    async def list_events(self, provider: str, since: datetime | None, page: str) -> EventPage:
        """One page of a provider's events. Raises ProviderNotFound, Invalid, Unavailable."""
        adapter = self._adapters.get(provider)
        if not isinstance(adapter, EventLister) or not adapter.capabilities.lists_events:
            raise ProviderNotFound("No provider of this name lists events.", provider=provider[:64])
        if len(page) > PAGE_LENGTH_MAX:
            raise field_invalid("page", f"page has at most {PAGE_LENGTH_MAX} characters")
        started = time.monotonic()
        listed = await self._asked(provider, adapter, since, page)
        get_logger().info(
            "events_listed",
            provider=provider,
            events=len(listed.events),
            unreadable=sum(isinstance(one.read, DomainError) for one in listed.events),
            has_more=bool(listed.next_page),
            milliseconds=round((time.monotonic() - started) * 1000, 2),
        )
        return listed

    async def _asked(
        self, provider: str, adapter: EventLister, since: datetime | None, page: str
    ) -> EventPage:
        try:
            return await self._gates[provider].asked(
                self._within_seconds, lambda: adapter.list_events(since, page)
            )
        except TimeoutError:
            words = "The provider has not answered in time."
            raise Unavailable(words, provider=provider) from None
