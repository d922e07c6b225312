"""Reads the events that providers keep, page by page, and puts those that no webhook has brought
into the inbox, under the same ids. The inbox is committed before the place in the list is: after a
crash between the two, a page is read again, and what it holds is known."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from prometheus_client import Counter

from services.payments.base.errors import describe
from services.payments.mesh.ports import EventPage, ListedEvent, ProviderEvent, Providers
from services.payments.model.attempt import Capabilities
from services.payments.model.timing import LISTING_LEASE_SECONDS, LISTING_OVERLAP
from services.payments.webhooks_in.ports import Arrival, EventLists, Inbox, Place
from services.payments.webhooks_in.usecases import read_listed, report_receipt
from services.shared.errors import DomainError, Invalid, Unavailable
from services.shared.log import get_logger

LISTED = Counter(
    "caravel_listed_events_total",
    "Events that no webhook had brought, and UNREADABLE ones, of providers' lists; alarm on many.",
    ["provider", "result"],
)


class EventReader:
    """Reads until it is stopped."""

    def __init__(
        self,
        providers: Providers,
        inbox: Inbox,
        lists: EventLists,
        declared: Mapping[str, Capabilities],
        *,
        every_seconds: float,
    ) -> None:
        self._providers = providers
        self._inbox = inbox
        self._lists = lists
        self._declared = declared
        self._every_seconds = every_seconds
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Has it look at once."""
        self._wake.set()

    async def run(self, stopping: asyncio.Event) -> None:
        """The first reading is due at once."""
        while not stopping.is_set():
            self._wake.clear()
            while not stopping.is_set() and await self.run_once():
                pass
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), self._every_seconds)

    async def run_once(self) -> bool:
        """One page of a list that is due; whether another one may be due at once."""
        listing = sorted(name for name, one in self._declared.items() if one.lists_events)
        if not listing:
            return False
        try:
            place = await self._lists.claim(listing, lease_seconds=LISTING_LEASE_SECONDS)
            if place is not None:
                await self._read(place)
        except Unavailable as error:
            get_logger().warning("event_list_waits", reason=str(error))
            return False
        except Exception as error:  # noqa: BLE001 - the lease ends, and it is read again
            get_logger().error("event_list_failed", error=describe(error))
            return False
        return place is not None

    async def _read(self, place: Place) -> None:
        since = place.read_until - LISTING_OVERLAP if place.read_until else None
        try:
            page = await self._providers.list_events(place.provider, since, place.page)
        except Unavailable as error:
            get_logger().warning("events_not_listed", provider=place.provider, reason=str(error))
            await self._lists.move(place, due_in_seconds=self._every_seconds)
            return
        except Invalid:
            # The event that it began after is kept no more: the reading begins again.
            again = replace(place, page="", newest_at=None)
            await self._lists.move(again, due_in_seconds=self._every_seconds)
            return
        await self._keep(place.provider, page.events)
        moved = _after(place, page)
        due_in_seconds = 0.0 if moved.page else self._every_seconds
        await self._lists.move(moved, due_in_seconds=due_in_seconds)

    async def _keep(self, provider: str, events: Sequence[ListedEvent]) -> None:
        read = [one for one in events if isinstance(one.read, ProviderEvent)]
        _report_unreadable(provider, events)
        ids = {one.read.event_id for one in read if isinstance(one.read, ProviderEvent)}
        known = await self._lists.known(provider, ids) if ids else set()
        found = (read_listed(one) for one in read)
        # In the order in which they happened, as webhooks come.
        arrivals = [one for one in found if one and one.event.event_id not in known][::-1]
        receipts = await self._inbox.receive(arrivals) if arrivals else ()
        for arrival, receipt in zip(arrivals, receipts, strict=True):
            LISTED.labels(provider, report_receipt(arrival, receipt)).inc()
            _report_found(arrival)


def _after(place: Place, page: EventPage) -> Place:
    """The place after a page; after the last one the list is read from its newest event on."""
    newest = _newest(place.newest_at, *(one.created_at for one in page.events))
    if page.next_page:
        return replace(place, page=page.next_page, newest_at=newest)
    return replace(place, page="", newest_at=None, read_until=_newest(place.read_until, newest))


def _newest(*instants: datetime | None) -> datetime | None:
    return max((one for one in instants if one is not None), default=None)


def _report_unreadable(provider: str, events: Sequence[ListedEvent]) -> None:
    for one in events:
        if isinstance(one.read, DomainError):
            LISTED.labels(provider, "UNREADABLE").inc()
            get_logger().warning("listed_event_unreadable", provider=provider, reason=str(one.read))


def _report_found(arrival: Arrival) -> None:
    """Its webhook was lost, or is late: many of these say that webhooks do not arrive."""
    get_logger().warning(
        "event_found_in_list",
        provider=arrival.event.provider,
        event_id=arrival.event.event_id,
        event_type=arrival.event.event_type,
    )
