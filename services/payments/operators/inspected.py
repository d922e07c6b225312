"""One payment of any merchant as operators see it: all that is on record about it, bounded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from services.payments.model.adjustment import Adjusted
from services.payments.model.attempt import Attempt
from services.payments.model.ledger import Posting
from services.payments.model.operator import OperatorAction
from services.payments.model.payment import Payment, RecordedEvent, UnreadableEvent
from services.payments.model.quote import Quote
from services.payments.operators.payout_options import PayoutOptions
from services.payments.operators.proposal import Proposal
from services.shared.ids import Prefix, encode_id

# The most items that a list of one answer shows.
SHOWN_MAX = 500


@dataclass(frozen=True, kw_only=True)
class Queued:
    """When workers look at a payment, at one moment."""

    now: datetime
    # None where nothing is left to do.
    due_at: datetime | None
    # Until when a worker has it.
    lease_until: datetime | None
    # How often in a row its step has broken down on our side.
    step_failures: int
    # Until when a pause keeps the attempt that comes next from leaving.
    paused_until: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class RecordedPosting:
    """A posting as the book has it."""

    sequence: int
    position: int
    posting: Posting
    posted_at: datetime


@dataclass(frozen=True, kw_only=True)
class Received:
    """An event of a provider as it was received."""

    provider: str
    event_id: str
    event_type: str
    step: str
    state: str
    received_at: datetime
    failures: int
    last_error: str
    outcome: str
    signed: bool


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """An event on its way to one endpoint."""

    endpoint: UUID
    sequence: int
    event_type: str
    state: str
    failures: int
    last_error: str
    due_at: datetime
    created_at: datetime
    delivered_at: datetime | None
    delivery_id: str

    @property
    def dead_letter_id(self) -> str:
        """The id of one that is set aside; empty else."""
        return self.delivery_id if self.state == "SET_ASIDE" else ""

    @property
    def endpoint_id(self) -> str:
        """The endpoint's public id."""
        return encode_id(Prefix.ENDPOINT, self.endpoint)


@dataclass(frozen=True, kw_only=True)
class InspectedPayment:
    """A payment and its lists, each oldest first."""

    payment: Payment
    queued: Queued
    events: Sequence[RecordedEvent | UnreadableEvent]
    attempts: Sequence[Attempt]
    postings: Sequence[RecordedPosting]
    quotes: Sequence[Quote]
    received: Sequence[Received]
    deliveries: Sequence[Delivery]
    # Of its merchant's endpoints, by their ids.
    urls: Mapping[UUID, str]
    actions: Sequence[OperatorAction]
    proposals: Sequence[Proposal]
    # Names of the lists that have more than is shown.
    cut: Sequence[str] = ()
    # The tables of rows that cannot be read.
    unreadable: Sequence[str] = ()
    # None where they are not known now.
    options: PayoutOptions | None = None
    # How often its recipient was corrected.
    corrected_before: int = 0
    # The facts on which an adjustment depends, without the ones before.
    adjusted: Adjusted = field(default_factory=Adjusted)
    # The verbs that it allows operators now.
    verbs: Sequence[str] = ()


class Inspected(Protocol):
    """The payments of all merchants."""

    async def payment(self, payment_id: UUID, before_sequence: int | None) -> InspectedPayment:
        """One payment as it is now, with the newest events and postings, or those before a number.

        Raises PaymentNotFound, PaymentUnreadable.
        """
        ...
