"""The stored facts, as this folder reads them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from services.payments.model.payment import Payment, RecordedEvent, UnreadableEvent
from services.payments.model.principal import MerchantId
from services.payments.model.quote import Quote


class Stored(Protocol):
    """Payments and quotes, each call one read."""

    async def get(self, merchant_id: MerchantId, payment_id: UUID) -> Payment:
        """One payment. Raises PaymentNotFound, PaymentUnreadable."""
        ...

    async def quotes(
        self, keys: Sequence[tuple[MerchantId, UUID]]
    ) -> tuple[datetime, Mapping[tuple[MerchantId, UUID], Quote]]:
        """The database's time, and those quotes of (merchant, id) that exist."""
        ...

    async def events(
        self, merchant_id: MerchantId, payment_id: UUID
    ) -> Sequence[RecordedEvent | UnreadableEvent]:
        """The history of a payment. Raises PaymentNotFound."""
        ...
