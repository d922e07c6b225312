"""Makes quotes: one call to fees and one to fx prices a whole batch. A quote is what binds us, so
limits, corridors and fees that leave nothing are refused here."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from services.payments.mesh.ports import FeeBook, FeeQuery, RateQuery, Rates
from services.payments.model.fixed_payout import agree_payout, smallest_net_minor
from services.payments.model.pause import Paused
from services.payments.model.principal import MerchantId
from services.payments.model.quote import (
    ROUNDING,
    Fees,
    Quote,
    QuoteMismatch,
    RateTrail,
    Route,
    Terms,
)
from services.payments.model.rails import agree_by_rails, decimals_of, sending, target_of
from services.payments.orders.ports import ExposureLimits, Pauses
from services.payments.orders.routes import Rails, Routes, unpaused
from services.shared.corridors import Corridor, Corridors
from services.shared.errors import DomainError, OutOfRange
from services.shared.ids import new_id
from services.shared.money import SOURCE_CURRENCY, Money
from services.shared.recipients import Recipient


class AmountBelowMinimum(OutOfRange):
    """The amount is below what the corridor takes."""

    reason = "AMOUNT_BELOW_MINIMUM"


class AmountAboveMaximum(OutOfRange):
    """The amount is above what the corridor takes."""

    reason = "AMOUNT_ABOVE_MAXIMUM"


@dataclass(frozen=True, kw_only=True)
class QuoteOrder:
    """A request for a quote."""

    merchant_id: MerchantId
    # The fixed one: in US dollars what the payer pays, in the currency of the payout what the
    # recipient gets.
    amount: Money
    currency: str
    trace_id: str
    # Needed where corridors to several countries pay this currency; empty where it was not given.
    country: str = ""
    # None for an offer to whichever kind of recipient the corridor pays.
    recipient: Recipient | None = None

    @property
    def fixes_payout(self) -> bool:
        """Whether the amount is what the recipient gets."""
        return self.amount.currency != SOURCE_CURRENCY


@dataclass(frozen=True)
class _Offered:
    """An order that its corridor takes, and the rails that it may take."""

    order: QuoteOrder
    corridor: Corridor
    onramps: tuple[str, ...]
    rails: Rails
    # The dollars that a fixed payout takes at the rate, once that is known.
    net: Money | None = None


class Pricing:
    """Prices orders by the corridors' terms."""

    def __init__(
        self,
        corridors: Corridors,
        fees: FeeBook,
        rates: Rates,
        routes: Routes,
        *,
        exposure: ExposureLimits,
        pauses: Pauses,
    ) -> None:
        self._corridors = corridors
        self._fees = fees
        self._rates = rates
        self._routes = routes
        self._exposure = exposure
        self._pauses = pauses

    async def quotes(
        self, orders: Sequence[QuoteOrder], now: datetime
    ) -> Sequence[Quote | DomainError]:
        """A quote for each order, or why there is none, in order. Raises Unavailable."""
        paused = await self._pauses.in_force()
        found = [self._find(order, paused) for order in orders]
        offered = [one for one in found if isinstance(one, _Offered)]
        if not offered:
            return [one for one in found if isinstance(one, DomainError)]
        if any(one.order.fixes_payout for one in offered):
            # The fees follow from the net, and that from the rate.
            rates = await self._ask_rates(offered)
            found = [_with_net(one, rates) if isinstance(one, _Offered) else one for one in found]
            fees = await self._ask_fees([one for one in found if isinstance(one, _Offered)])
        else:
            fees, rates = await asyncio.gather(self._ask_fees(offered), self._ask_rates(offered))
        next_fees = iter(fees)
        return [
            one
            if isinstance(one, DomainError)
            else self._quote(one, next(next_fees), rates[one.corridor.id], now)
            for one in found
        ]

    async def rates(self) -> Sequence[tuple[Corridor, RateTrail | None]]:
        """Every corridor, with the rate one would get now where there is one."""
        corridors = sorted(self._corridors, key=lambda corridor: corridor.id)
        try:
            rates = await self._rates.get([self._rate_query(c.id) for c in corridors])
        except DomainError:
            return [(corridor, None) for corridor in corridors]
        return [
            (corridor, rate if isinstance(rate, RateTrail) else None)
            for corridor, rate in zip(corridors, rates, strict=True)
        ]

    def check_country(self, quote: Quote, country: str) -> None:
        """Raises QuoteMismatch where the quote pays out in another country than the one given, and
        CorridorUnsupported where that was not kept with it and its corridor is gone."""
        kept = quote.conditions.route.country if quote.conditions else ""
        if not country or country == kept:
            return
        if kept or self._corridors.get(quote.corridor_id).destination.country != country:
            raise QuoteMismatch(field="destination_country")

    async def paused(self) -> Paused:
        """The providers and corridors that are paused now. Raises Unavailable."""
        return await self._pauses.in_force()

    def fitted(self, quote: Quote, recipient: Recipient, paused: Paused) -> tuple[Quote, Route]:
        """The quote for a payment to this recipient, and its route: with a route that can send it.

        Raises CorridorPaused, ProviderPaused, RailUnsupported, PayoutBelowMinimum,
        PayoutAboveMaximum, CorridorUnsupported, Unavailable.
        """
        paused.refuse(quote.corridor_id)
        agreed = quote.conditions or self._routes.all_offramps(
            self._corridors.get(quote.corridor_id).id
        )
        target = target_of(recipient)
        conditions = self._routes.fitted(agreed, quote.terms.payout, target, paused)
        return replace(quote, conditions=conditions), conditions.route

    def _find(self, order: QuoteOrder, paused: Paused) -> _Offered | DomainError:
        try:
            corridor = self._corridors.leading_to(order.currency, order.country)
            paused.refuse(corridor.id)
            onramps = paused.open(corridor.providers.onramps)
            self._exposure.refuse(order.currency)
            if not order.fixes_payout:
                check_limits(corridor, order.amount)
            target = target_of(order.recipient) if order.recipient else None
            rails = unpaused(self._routes.rails(corridor, target), paused)
            if order.fixes_payout:
                rails = sending(rails, order.amount)
        except DomainError as error:
            return error
        return _Offered(order, corridor, onramps, rails)

    def _quote(
        self,
        offered: _Offered,
        fees: Fees | DomainError,
        trail: RateTrail | DomainError,
        now: datetime,
    ) -> Quote | DomainError:
        if isinstance(fees, DomainError):
            return fees
        if isinstance(trail, DomainError):
            return trail
        order, corridor = offered.order, offered.corridor
        try:
            terms, rails = _agree(offered, fees, trail)
        except DomainError as error:
            return error
        return Quote(
            merchant_id=order.merchant_id,
            id=new_id(),
            corridor_id=corridor.id,
            terms=terms,
            trail=trail,
            fee_schedule_version=fees.schedule_version,
            schedule_terms=fees.schedule_terms,
            rounding=ROUNDING,
            created_at=now,
            expires_at=now + timedelta(seconds=corridor.quote.lifetime_seconds),
            # With every offramp where nobody is named yet: the payment leaves out those that
            # cannot pay its recipient.
            conditions=self._routes.conditions(
                corridor.id,
                offered.onramps,
                rails if order.recipient else offered.rails,
                decimals_of(rails),
            ),
        )

    async def _ask_fees(self, offered: Sequence[_Offered]) -> Sequence[Fees | DomainError]:
        if not offered:
            return []
        return await self._fees.calculate(
            [
                FeeQuery(
                    corridor_id=one.corridor.id,
                    merchant_id=one.order.merchant_id,
                    amount=one.net or one.order.amount,
                    is_net=one.net is not None,
                    trace_id=one.order.trace_id,
                    corridors_version=self._corridors.version,
                )
                for one in offered
            ]
        )

    async def _ask_rates(self, offered: Sequence[_Offered]) -> dict[str, RateTrail | DomainError]:
        traces: dict[str, list[str]] = defaultdict(list)
        for one in offered:
            traces[one.corridor.id].append(one.order.trace_id)
        queries = [self._rate_query(name, ids) for name, ids in sorted(traces.items())]
        return dict(zip(sorted(traces), await self._rates.get(queries), strict=True))

    def _rate_query(self, corridor_id: str, trace_ids: Sequence[str] = ()) -> RateQuery:
        return RateQuery(
            corridor_id=corridor_id,
            corridors_version=self._corridors.version,
            trace_ids=tuple(trace_ids),
        )


def check_limits(corridor: Corridor, amount: Money) -> None:
    """Raises AmountBelowMinimum or AmountAboveMaximum where the corridor takes no such amount."""
    limits = corridor.limits
    if amount < limits.minimum:
        raise AmountBelowMinimum(minimum_usd=limits.minimum_usd)
    if amount > limits.maximum:
        raise AmountAboveMaximum(maximum_usd=limits.maximum_usd)


def _with_net(
    offered: _Offered, rates: Mapping[str, RateTrail | DomainError]
) -> _Offered | DomainError:
    """The order with the dollars that its payout takes, where that is what it fixes."""
    order, corridor = offered.order, offered.corridor
    if not order.fixes_payout:
        return offered
    trail = rates[corridor.id]
    if isinstance(trail, DomainError):
        return trail
    net = smallest_net_minor(order.amount, trail.rate, decimals_of(offered.rails))
    maximum = corridor.limits.maximum
    if net > maximum.amount_minor:
        return AmountAboveMaximum(maximum_usd=str(maximum))
    return replace(offered, net=Money(net, maximum.currency))


def _agree(offered: _Offered, fees: Fees, trail: RateTrail) -> tuple[Terms, Rails]:
    """The terms of an order, and the rails that can send its payout."""
    amount, rails = offered.order.amount, offered.rails
    if offered.net is None:
        return agree_by_rails(amount, fees, trail, rails)
    terms = agree_payout(offered.net, amount, fees, trail)
    check_limits(offered.corridor, terms.amount)
    return terms, rails
