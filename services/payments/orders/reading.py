"""Shows payments, their history, and quotes; nothing is changed."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.payments.base.paging import cut
from services.payments.model.payment import (
    Payment,
    RecordedEvent,
    UnreadableEvent,
    UnreadablePayment,
    read_transaction_id,
)
from services.payments.model.principal import MerchantId
from services.payments.model.quote import Quote, QuoteNotFound, read_quote_id
from services.payments.orders.ports import PaymentFilter, PaymentStore


class Reading:
    """Shows payments, one, a page, or the history of one; and quotes."""

    def __init__(self, store: PaymentStore) -> None:
        self._store = store

    async def payment(self, merchant_id: MerchantId, transaction_id: str) -> Payment:
        """One payment as it is now. Raises PaymentNotFound, PaymentUnreadable."""
        return await self._store.get(merchant_id, read_transaction_id(transaction_id))

    async def payments(
        self, merchant_id: MerchantId, wanted: PaymentFilter, *, before: UUID | None, limit: int
    ) -> tuple[Sequence[Payment | UnreadablePayment], UUID | None]:
        """A page, newest first, and the id to go on before; None at the end."""
        found = await self._store.page(merchant_id, wanted, before=before, limit=limit + 1)
        page, last = cut(found, limit)
        return page, last.id if last else None

    async def events(
        self, merchant_id: MerchantId, transaction_id: str
    ) -> Sequence[RecordedEvent | UnreadableEvent]:
        """A payment's history, oldest first, with its gaps. Raises PaymentNotFound."""
        return await self._store.events(merchant_id, read_transaction_id(transaction_id))

    async def quote(self, merchant_id: MerchantId, quote_id: str) -> tuple[Quote, datetime]:
        """A quote, and the time by which its state is meant. Raises QuoteNotFound."""
        key = (merchant_id, read_quote_id(quote_id))
        now, found = await self._store.quotes([key])
        if key not in found:
            raise QuoteNotFound(quote_id=quote_id)
        return found[key], now
