"""The inbox, as the use cases see it: verified webhooks are kept before they are answered."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from services.payments.mesh.ports import ProviderEvent
from services.payments.model.payment import PaymentNotFound


class Receipt(StrEnum):
    """The result for a webhook; the names of the public API."""

    ACCEPTED = "ACCEPTED"
    DUPLICATE = "DUPLICATE"
    IGNORED = "IGNORED"
    ORPHANED = "ORPHANED"


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """A verified webhook on its way to the inbox, as its bytes came."""

    event: ProviderEvent
    # None where the event names no payment of ours.
    payment_id: UUID | None
    body: bytes
    # Whether it is kept as unmatched where there is no such payment, or refused.
    keep_unmatched: bool


class Inbox(Protocol):
    """Verified webhooks, kept before they are answered."""

    async def receive(self, arrivals: Sequence[Arrival]) -> Sequence[Receipt | PaymentNotFound]:
        """Keeps each event once, all in one commit, and makes their payments due; in order.

        An event that is kept as unmatched is ORPHANED.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a provider's list of events is to be read, by the one who holds its lease."""

    provider: str
    lease_token: int
    # When the newest of all read events happened; None where nothing was read.
    read_until: datetime | None
    # Where a reading is under way: its next page, and the newest event before that.
    page: str = ""
    newest_at: datetime | None = None


class EventLists(Protocol):
    """How far the lists of events of providers are read; one worker reads each at a time."""

    async def claim(self, providers: Sequence[str], *, lease_seconds: float) -> Place | None:
        """The place in one of the lists that are due, for nobody else until the lease ends; None
        where none is due."""
        ...

    async def move(self, place: Place, *, due_in_seconds: float) -> bool:
        """Writes down a place, from which the list is read again after so long; False where the
        lease has gone to somebody else, who goes on from the place before."""
        ...

    async def known(self, provider: str, event_ids: Collection[str]) -> set[str]:
        """Those of a provider's events that are in the inbox."""
        ...
