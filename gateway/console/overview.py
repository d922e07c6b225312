"""The first page: everything that waits for a person, with the first of each kind."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from starlette.responses import Response

from gateway.console import listings
from gateway.console.client import Acting, Record, may
from gateway.console.listings import Listing
from gateway.console.pages import Pages, Visit
from gateway.console.tables import unreadable_of, with_query

# So many are counted, and so many are on the page.
COUNTED, SHOWN = 200, 5


@dataclass(frozen=True)
class Part:
    """A list, narrowed, and its beginning."""

    listing: Listing
    address: str
    records: Sequence[Record]
    count: str
    unreadable: Sequence[str]


def _narrowed(listing: Listing, title: str, name: str, value: str) -> tuple[Listing, str]:
    narrow = replace(listing, title=title, fixed={**listing.fixed, name: value})
    return narrow, with_query(listing.path, {name: value})


_PARTS = (
    (listings.HELD, listings.HELD.path),
    (listings.OVERDUE, listings.OVERDUE.path),
    _narrowed(listings.PROPOSALS, "Proposals to decide", "state", "PROPOSED"),
    *(
        _narrowed(listings.DEAD_LETTERS, title, "kind", kind)
        for kind, title in listings.LETTERS.items()
    ),
    (listings.DISPUTES, listings.DISPUTES.path),
    (listings.MERCHANTS_TURN, listings.MERCHANTS_TURN.path),
)


class Overview:
    """The first page."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages

    async def show(self, visit: Visit) -> Response:
        """All that waits for a person."""
        parts = await asyncio.gather(
            *(
                self._part(visit.acting, listing, address)
                for listing, address in _PARTS
                if may(visit.operator, listing.call)
            )
        )
        return self._pages.render(visit, "overview.html", parts=parts)

    async def _part(self, acting: Acting, listing: Listing, address: str) -> Part:
        request = {**listing.fixed, "page_size": COUNTED}
        page = await self._pages.payments.call(acting, listing.call, request)
        records, unreadable = page[listing.items], unreadable_of(page)
        number = len(records) + len(unreadable)
        count = f"{number} or more" if page["next_page_token"] else str(number)
        return Part(listing, address, records[:SHOWN], count, unreadable)
