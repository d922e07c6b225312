"""The first page: whether the database is older than what has happened, how all payments stand, in
figures, and everything that waits for a person."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from starlette.responses import Response

from gateway.console import figures
from gateway.console.client import Acting, Record, may
from gateway.console.listings import payments as listings
from gateway.console.listings.model import Listing
from gateway.console.pages import Pages, Visit
from gateway.console.tables import Column, unreadable_of, with_query
from services.shared.errors import Unavailable
from services.shared.money import SOURCE_CURRENCY

# So many are counted, and so many are on the page.
COUNTED, SHOWN = 200, 5
_QUEUE = (
    Column("Queue", "name"),
    Column("Waiting", "waiting", "number"),
    Column("Oldest", "oldest_seconds", "seconds"),
    Column("Set aside", "set_aside", "number"),
)
_INBOX = (
    Column("Provider", "provider"),
    Column("Waiting", "waiting", "number"),
    Column("Oldest", "oldest_seconds", "seconds"),
    Column("Set aside", "set_aside", "number"),
    Column("Of no payment here", "orphans", "number"),
)
_BREAKER = (
    Column("Provider", "provider"),
    Column("Step", "step"),
    Column("Breaker", "breaker", "state"),
    Column("Since", "breaker_since", "age"),
)
_RATE = (
    Column("Corridor", "corridor_id"),
    Column("Source", "source"),
    Column("Age", "observed_at", "age", absent="no rate"),
    Column("Synthetic", "synthetic", "yes"),
    Column("Why there is none", "unavailable_reason", "word"),
)


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


def _held_back(overview: Record) -> Sequence[Record]:
    """The steps of providers that are not sent all that is due."""
    return [one for one in overview["providers"] if one["breaker"] not in ("", "CLOSED")]


class Overview:
    """The first page of the console: figures, and all that waits for a person."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages

    async def show(self, visit: Visit) -> Response:
        """The figures, and all that waits for a person."""
        reading = asyncio.gather(
            *(
                self._part(visit.acting, listing, address)
                for listing, address in _PARTS
                if may(visit.operator, listing.call)
            )
        )
        overview, standing, parts = await asyncio.gather(
            self._read(visit.acting, "GetOverview"),
            self._read(visit.acting, "GetDatabaseStanding"),
            reading,
        )
        return self._pages.render(
            visit,
            "overview.html",
            live="all",
            standing=standing,
            parts=parts,
            overview=overview,
            under_way=figures.under_way(overview) if overview else [],
            providers=figures.providers(overview) if overview else [],
            corridors=figures.corridors(overview) if overview else [],
            queue_columns=_QUEUE,
            inbox_columns=_INBOX,
            breaker_columns=_BREAKER,
            held_back=_held_back(overview) if overview else [],
            rate_columns=_RATE,
            currency=SOURCE_CURRENCY,
        )

    async def _read(self, acting: Acting, call: str) -> Record | None:
        try:
            return await self._pages.payments.call(acting, call)
        except Unavailable:
            return None

    async def _part(self, acting: Acting, listing: Listing, address: str) -> Part:
        request = {**listing.fixed, "page_size": COUNTED}
        page = await self._pages.payments.call(acting, listing.call, request)
        records, unreadable = page[listing.items], unreadable_of(page)
        number = len(records) + len(unreadable)
        count = f"{number} or more" if page["next_page_token"] else str(number)
        return Part(listing, address, records[:SHOWN], count, unreadable)
