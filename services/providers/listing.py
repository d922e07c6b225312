"""Reads the lists of events that providers keep, within the limits of each provider, so that an
event whose webhooks were all lost is found."""

import time
from datetime import datetime

from services.providers.domain import EventPage, ProviderNotFound
from services.providers.ports import EventLister
from services.providers.questions import Questions, check_page
from services.shared.errors import DomainError
from services.shared.log import get_logger


class Listing(Questions):
    """The lists of all providers that have one."""

    async def list_events(self, provider: str, since: datetime | None, page: str) -> EventPage:
        """One page of a provider's events. Raises ProviderNotFound, Invalid, Unavailable."""
        adapter = self._adapters.get(provider)
        if not isinstance(adapter, EventLister) or not adapter.capabilities.lists_events:
            raise ProviderNotFound("No provider of this name lists events.", provider=provider[:64])
        check_page(page)
        started = time.monotonic()
        listed = await self._asked(provider, lambda: adapter.list_events(since, page))
        get_logger().info(
            "events_listed",
            provider=provider,
            events=len(listed.events),
            unreadable=sum(isinstance(one.read, DomainError) for one in listed.events),
            has_more=bool(listed.next_page),
            milliseconds=round((time.monotonic() - started) * 1000, 2),
        )
        return listed
