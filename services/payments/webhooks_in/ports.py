"""The inbox, as the use cases see it: verified webhooks are kept before they are answered."""

from collections.abc import Sequence
from dataclasses import dataclass
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
