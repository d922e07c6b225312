"""Makes quotes: one call to fees and one to fx prices a whole batch. A quote is what binds us, so
limits, corridors and fees that leave nothing are refused here."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.payments.mesh.ports import FeeBook, FeeQuery, RateQuery, Rates
from services.payments.model.quote import (
    Conditions,
    Fees,
    LateFunds,
    Quote,
    QuoteMismatch,
    RateTrail,
    RefundFees,
    Route,
    agree_terms,
)
from services.shared.corridors import Corridor, Corridors
from services.shared.errors import DomainError, OutOfRange
from services.shared.ids import new_id
from services.shared.money import Money
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

    merchant_id: str
    amount: Money
    currency: str
    trace_id: str
    # Needed where corridors to several countries pay this currency; empty where it was not given.
    country: str = ""
    # As it was given.
    recipient: Recipient | None = None


class Pricing:
    """Prices orders by the corridors' terms."""

    def __init__(self, corridors: Corridors, fees: FeeBook, rates: Rates) -> None:
        self._corridors = corridors
        self._fees = fees
        self._rates = rates
        # Made once: every quote has those of its corridor.
        self._conditions = {corridor.id: _conditions(corridor) for corridor in corridors}

    async def quotes(
        self, orders: Sequence[QuoteOrder], now: datetime
    ) -> Sequence[Quote | DomainError]:
        """A quote for each order, or why there is none, in order. Raises Unavailable."""
        corridors = [self._corridor(order) for order in orders]
        offered = [
            (order, corridor)
            for order, corridor in zip(orders, corridors, strict=True)
            if isinstance(corridor, Corridor)
        ]
        if not offered:
            return [corridor for corridor in corridors if isinstance(corridor, DomainError)]
        fees, rates = await asyncio.gather(self._ask_fees(offered), self._ask_rates(offered))
        next_fees = iter(fees)
        return [
            corridor
            if isinstance(corridor, DomainError)
            else self._quote(order, corridor, next(next_fees), rates[corridor.id], now)
            for order, corridor in zip(orders, corridors, strict=True)
        ]

    async def indicative(self) -> Sequence[tuple[Corridor, RateTrail | None]]:
        """Every corridor, with the rate one would get now where there is one."""
        corridors = sorted(self._corridors, key=lambda corridor: corridor.id)
        try:
            rates = await self._rates.get([RateQuery(corridor_id=c.id) for c in corridors])
        except DomainError:
            return [(corridor, None) for corridor in corridors]
        return [
            (corridor, rate if isinstance(rate, RateTrail) else None)
            for corridor, rate in zip(corridors, rates, strict=True)
        ]

    def check_country(self, quote: Quote, country: str) -> None:
        """Raises QuoteMismatch where the quote pays out in another country than the one given, and
        CorridorUnsupported."""
        if country and self._corridors.get(quote.corridor_id).destination.country != country:
            raise QuoteMismatch(field="destination_country")

    def conditions(self, corridor_id: str) -> Conditions:
        """The present conditions of a corridor. Raises CorridorUnsupported."""
        return self._conditions[self._corridors.get(corridor_id).id]

    def _corridor(self, order: QuoteOrder) -> Corridor | DomainError:
        try:
            corridor = self._corridors.leading_to(order.currency, order.country)
            limits = corridor.limits
            if order.amount < limits.minimum:
                raise AmountBelowMinimum(minimum_usd=limits.minimum_usd)
            if order.amount > limits.maximum:
                raise AmountAboveMaximum(maximum_usd=limits.maximum_usd)
        except DomainError as error:
            return error
        return corridor

    def _quote(
        self,
        order: QuoteOrder,
        corridor: Corridor,
        fees: Fees | DomainError,
        trail: RateTrail | DomainError,
        now: datetime,
    ) -> Quote | DomainError:
        if isinstance(fees, DomainError):
            return fees
        if isinstance(trail, DomainError):
            return trail
        try:
            terms = agree_terms(order.amount, order.currency, fees, trail)
        except DomainError as error:
            return error
        return Quote(
            merchant_id=order.merchant_id,
            id=new_id(),
            corridor_id=corridor.id,
            terms=terms,
            trail=trail,
            fee_schedule_version=fees.schedule_version,
            created_at=now,
            expires_at=now + timedelta(seconds=corridor.quote.lifetime_seconds),
            conditions=self._conditions[corridor.id],
        )

    async def _ask_fees(
        self, offered: Sequence[tuple[QuoteOrder, Corridor]]
    ) -> Sequence[Fees | DomainError]:
        return await self._fees.calculate(
            [
                FeeQuery(corridor_id=corridor.id, amount=order.amount, trace_id=order.trace_id)
                for order, corridor in offered
            ]
        )

    async def _ask_rates(
        self, offered: Sequence[tuple[QuoteOrder, Corridor]]
    ) -> dict[str, RateTrail | DomainError]:
        traces: dict[str, list[str]] = defaultdict(list)
        for order, corridor in offered:
            traces[corridor.id].append(order.trace_id)
        queries = [
            RateQuery(corridor_id=name, trace_ids=tuple(ids))
            for name, ids in sorted(traces.items())
        ]
        return dict(zip(sorted(traces), await self._rates.get(queries), strict=True))


def _conditions(corridor: Corridor) -> Conditions:
    providers, late_funds = corridor.providers, corridor.late_funds
    return Conditions(
        route=Route(
            onramps=providers.onramps,
            offramps=providers.offramps,
            patience=timedelta(seconds=providers.patience_seconds),
            correction=timedelta(hours=corridor.action_required.deadline_hours),
            expected={
                step: timedelta(seconds=within)
                for step, within in providers.expected_seconds.items()
            },
        ),
        late_funds=LateFunds(
            grace=timedelta(seconds=late_funds.grace_seconds),
            tolerance_basis_points=late_funds.tolerance_basis_points,
        ),
        refund_fees=RefundFees(corridor.refunds.fees),
        recipients=corridor.recipient_rules,
    )
