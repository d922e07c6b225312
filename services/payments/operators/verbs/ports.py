"""The needs of verbs outside of the folder: recipients that are corrected to, and the rows that a
transaction has written."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from services.payments.engine.decisions.corrections import Corrected
from services.payments.model.ledger import Posting
from services.payments.model.payment import Event, Payment
from services.shared.recipients import Recipient


class Corrections(Protocol):
    """The recipients that payments are corrected to."""

    async def corrected(self, payment: Payment, given: Recipient) -> Corrected:
        """The recipient as it will be sent, the result of its account check where the corridor
        demands one, and the route.

        Raises Invalid, CorridorUnsupported, RailUnsupported, PayoutBelowMinimum,
        PayoutAboveMaximum, Unavailable, RecipientNameMismatch, RecipientCheckUnavailable,
        Overloaded.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class MerchantEvent:
    """An event on its way to one endpoint of a merchant."""

    event_type: str
    endpoint_id: UUID
    url: str


@dataclass(frozen=True, kw_only=True)
class Effect:
    """All that a transaction has done to a payment so far."""

    payment: Payment
    # When it is due; None where nothing happens by itself.
    due_at: datetime | None
    events: Sequence[Event]
    postings: Sequence[Posting]
    merchant_events: Sequence[MerchantEvent]
