"""Firm offers: made on request and kept. Their amounts, fees and rates are in pricing, their
recipients in payees; reading shows them."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from services.payments.model.principal import MerchantId
from services.payments.model.quote import Quote
from services.payments.orders.limits import Offer, Offers
from services.payments.orders.payees import Payees
from services.payments.orders.ports import PaymentStore
from services.payments.orders.pricing import Pricing, QuoteOrder
from services.shared.errors import DomainError


class Quotes:
    """Makes quotes on request, and shows the corridors."""

    def __init__(
        self, pricing: Pricing, offers: Offers, payees: Payees, store: PaymentStore
    ) -> None:
        self._pricing = pricing
        self._offers = offers
        self._payees = payees
        self._store = store

    async def corridors(self, merchant_id: MerchantId) -> Sequence[Offer]:
        """Every corridor, sorted by id, by the merchant's prices, and at the rate one would get now
        where there is one. Raises Unavailable."""
        paused = await self._pricing.paused()
        rates = await self._pricing.rates()
        return [
            self._offers.offer(corridor, trail, merchant_id, paused) for corridor, trail in rates
        ]

    async def create(self, order: QuoteOrder) -> tuple[Quote, datetime]:
        """A firm offer, kept, and the time it was made. Raises what pricing and payees refuse."""
        recipient = self._payees.of_quote(order.recipient, order.currency, order.country)
        now, _ = await self._store.answers([])
        (quote,) = await self._pricing.quotes([order], now)
        if isinstance(quote, DomainError):
            raise quote
        quote = replace(quote, recipient=recipient)
        await self._store.add_quote(quote)
        return quote, now
