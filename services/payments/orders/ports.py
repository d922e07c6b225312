"""The store of payments and quotes, as the verbs see it, each call one short transaction or one
read; and the declarations of the providers."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from services.payments.base.idempotency import IdempotencyKey, StoredAnswer
from services.payments.model.attempt import Capabilities
from services.payments.model.pause import Paused
from services.payments.model.payment import (
    Payment,
    RecordedEvent,
    State,
    UnreadableEvent,
    UnreadablePayment,
)
from services.payments.model.principal import MerchantId
from services.payments.model.quote import Quote
from services.shared.errors import DomainError


@dataclass(frozen=True, kw_only=True)
class NewPayment:
    """All that one creation writes, in one transaction with the others of the batch."""

    key: IdempotencyKey
    fingerprint: bytes
    response: bytes
    payment: Payment
    quote: Quote
    # True where the quote was made earlier and is now consumed.
    quote_exists: bool


@dataclass(frozen=True, kw_only=True)
class PaymentFilter:
    """Which payments to list; absent fields do not filter."""

    states: Collection[State] | None = None
    held: bool | None = None
    sent: bool | None = None
    user_id: UUID | None = None
    destination_currency: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None


class Declared(Protocol):
    """The newest declarations of the providers, held in memory."""

    @property
    def current(self) -> Mapping[str, Capabilities]:
        """By provider: another mapping whenever something has changed; empty where nothing is known
        yet."""
        ...


class ExposureLimits(Protocol):
    """The limits of our exchange positions, held in memory."""

    def refuse(self, currency: str) -> None:
        """Raises ExposureLimitReached where we owe as much of this currency as we may, and
        Unavailable where that is limited and not known yet."""
        ...


class Pauses(Protocol):
    """The pauses of providers and corridors, held in memory."""

    async def in_force(self) -> Paused:
        """The targets that are paused now. Raises Unavailable where that is not known as it was
        less than a second ago."""
        ...


class PaymentStore(Protocol):
    """Payments and quotes, each call one short transaction or one read."""

    async def answers(
        self, keys: Sequence[IdempotencyKey]
    ) -> tuple[datetime, Mapping[IdempotencyKey, StoredAnswer]]:
        """The database's time, and the first answers of those keys that have one."""
        ...

    async def create(self, new: Sequence[NewPayment]) -> Sequence[StoredAnswer | DomainError]:
        """Creates all in one commit; gives each item's stored answer, in order.

        A key that somebody else has used meanwhile gives that one's answer, and a quote that was
        used or has expired meanwhile its error; such an item changes nothing.
        """
        ...

    async def get(self, merchant_id: MerchantId, payment_id: UUID) -> Payment:
        """One payment. Raises PaymentNotFound, PaymentUnreadable."""
        ...

    async def payment_of_refund(self, merchant_id: MerchantId, refund_id: UUID) -> UUID | None:
        """The id of the payment that a refund belongs to; None where there is no such refund."""
        ...

    async def page(
        self, merchant_id: MerchantId, wanted: PaymentFilter, *, before: UUID | None, limit: int
    ) -> Sequence[Payment | UnreadablePayment]:
        """Up to limit payments, newest first, those older than `before`; one whose record cannot be
        read is named in its place."""
        ...

    async def events(
        self, merchant_id: MerchantId, payment_id: UUID
    ) -> Sequence[RecordedEvent | UnreadableEvent]:
        """A payment's whole history, oldest first; one whose record cannot be read is named in its
        place. Raises PaymentNotFound."""
        ...

    async def add_quote(self, quote: Quote) -> None:
        """Keeps an open quote."""
        ...

    async def quotes(
        self, keys: Sequence[tuple[MerchantId, UUID]]
    ) -> tuple[datetime, Mapping[tuple[MerchantId, UUID], Quote]]:
        """The database's time, and those quotes of (merchant, id) that exist."""
        ...
