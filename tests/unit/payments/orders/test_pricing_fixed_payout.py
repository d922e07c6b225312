"""A quote for what the recipient gets: exactly that, for the fewest cents; by one call to fees and
one to fx, and within the limits of corridor and rails."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from services.fees import domain as fees_domain
from services.fees.usecases import FeeCalculator
from services.payments.mesh.ports import FeeQuery
from services.payments.model.attempt import Capabilities
from services.payments.model.payouts import payout_of
from services.payments.model.quote import FeeLine, Fees, FixedSide, Quote
from services.payments.orders.pricing import Pricing, QuoteOrder
from services.shared.corridors import Corridor, Corridors, FeeSchedule, fee_of, load_corridors
from services.shared.errors import DomainError, Unavailable
from services.shared.money import Money
from services.shared.recipients import RecipientKind, recipient_of
from tests.conftest import ROOT
from tests.fakes import FixedFees, FixedRates
from tests.makers import NOW, make_trail
from tests.pricing import make_pricing
from tests.rails import declared_rails
from tests.schedules import LEAST, MOST, corridor_with, refusals, schedules, usd

CORRIDORS = load_corridors(ROOT / "deploy" / "corridors", live=False)
# Of a rupee a cent is worth much more than the smallest part, about one, and much less.
MIDS = ("9412.7", "94.9552", "1.02", "0.43")


class Clock:
    def now(self) -> datetime:
        return datetime(2026, 11, 23, tzinfo=UTC)


class RealFees(FixedFees):
    """The port FeeBook with the fees service behind it, without the wire."""

    def __init__(self, corridors: Corridors) -> None:
        super().__init__()
        self._calculator = FeeCalculator(corridors, Clock())

    async def calculate(self, queries: Sequence[FeeQuery]) -> Sequence[Fees | DomainError]:
        self.calls.append(len(queries))
        asked = [
            fees_domain.FeeQuery(
                corridor_id=query.corridor_id,
                currency=query.amount.currency,
                amount_minor=None if query.is_net else query.amount.amount_minor,
                net_minor=query.amount.amount_minor if query.is_net else None,
            )
            for query in queries
        ]
        return [_seen(answer) for answer in self._calculator.calculate_fees(asked)]


def _seen(answer: fees_domain.Fees | DomainError) -> Fees | DomainError:
    if isinstance(answer, DomainError):
        return answer
    lines = tuple(FeeLine(name=line.name, amount=line.amount) for line in answer.lines)
    return Fees(lines=lines, schedule_version=answer.schedule_version)


def _order(minor: int, currency: str) -> QuoteOrder:
    return QuoteOrder(
        merchant_id="sandbox",
        amount=Money(minor, currency),
        currency="INR" if currency == "USD" else currency,
        trace_id="0" * 32,
    )


def _pricing(
    corridors: Corridors, mid: str, declared: Mapping[str, Capabilities] | None = None
) -> Pricing:
    return make_pricing(corridors, RealFees(corridors), FixedRates(mid=mid), declared)


def _priced(pricing: Pricing, orders: Sequence[QuoteOrder]) -> Sequence[Quote | DomainError]:
    return asyncio.run(pricing.quotes(orders, NOW))


def _payouts(schedule: FeeSchedule, mid: str, currency: str = "INR") -> dict[int, int]:
    """The payout of every amount in cents, by the rule of a fixed amount."""
    rate = make_trail(mid).rate
    payouts = {}
    for minor in range(1, MOST + 1):
        net = minor - fee_of(schedule, usd(minor)).amount_minor
        if net > 0:
            payouts[minor] = payout_of(usd(net), rate, currency).amount_minor
    return payouts


@settings(max_examples=25, deadline=None)
@given(schedules(), st.sampled_from(MIDS), st.data())
def test_no_cheaper_cent_brings_the_payout(
    schedule: FeeSchedule, mid: str, data: st.DataObject
) -> None:
    payouts = _payouts(schedule, mid)
    reached = sorted({max(payout, 1) for payout in payouts.values()})
    assume(reached and not refusals(schedule))
    gaps = [(low + high) // 2 for low, high in pairwise(reached) if high - low > 1]
    asked = data.draw(st.lists(st.sampled_from([*reached, *gaps]), min_size=1, max_size=40))
    pricing = _pricing(Corridors((corridor_with(schedule),)), mid)

    for payout, found in zip(
        asked, _priced(pricing, [_order(one, "INR") for one in asked]), strict=True
    ):
        cheapest = next(minor for minor, comes in payouts.items() if comes >= payout)
        if cheapest < LEAST:
            assert isinstance(found, DomainError)
            assert found.error_reason == "AMOUNT_BELOW_MINIMUM"
            continue
        assert isinstance(found, Quote)
        terms = found.terms
        assert (terms.payout, terms.amount) == (Money(payout, "INR"), usd(cheapest))
        assert terms.fixed_side is FixedSide.DESTINATION
        assert terms.net + terms.fee == terms.amount
        assert sum(line.amount.amount_minor for line in terms.fees) == terms.fee.amount_minor


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(list(CORRIDORS)),
    st.sampled_from(["0.0051", "0.93", "17.2", "129.4", "1530.25", "25310"]),
    st.data(),
)
def test_a_payout_of_a_fixed_amount_costs_no_more_when_it_is_fixed_itself(
    corridor: Corridor, mid: str, data: st.DataObject
) -> None:
    """Over the corridors and the rails that ship."""
    limits, currency = corridor.limits, corridor.destination.currency
    minor = data.draw(st.integers(limits.minimum.amount_minor, limits.maximum.amount_minor))
    pricing = _pricing(CORRIDORS, mid, declared_rails())
    country = corridor.destination.country

    def asked(amount: Money) -> QuoteOrder:
        order = replace(_order(amount.amount_minor, amount.currency), currency=currency)
        return replace(order, country=country)

    by_amount, of_least = _priced(pricing, [asked(usd(minor)), asked(limits.minimum)])
    assume(isinstance(by_amount, Quote))
    assert isinstance(by_amount, Quote)
    (by_payout,) = _priced(pricing, [asked(by_amount.terms.payout)])

    if isinstance(by_payout, DomainError):
        # Fewer cents than the corridor takes come to the payout of the fewest that it takes.
        assert by_payout.error_reason == "AMOUNT_BELOW_MINIMUM"
        assert isinstance(of_least, Quote)
        assert of_least.terms.payout == by_amount.terms.payout
        return
    assert by_payout.terms.payout == by_amount.terms.payout
    assert by_payout.terms.amount <= by_amount.terms.amount


async def test_a_batch_of_both_kinds_is_one_call_to_fees_and_one_to_fx() -> None:
    fees, rates = RealFees(CORRIDORS), FixedRates(mid="94.9552")

    quotes = await make_pricing(CORRIDORS, fees, rates).quotes(
        [_order(10_000, "USD"), _order(921_184, "INR"), _order(10_000, "USD")], NOW
    )

    assert (fees.calls, rates.calls) == ([3], [["us-in"]])
    assert [str(q.terms.amount) for q in quotes if isinstance(q, Quote)] == [
        "100.00",
        "100.00",
        "100.00",
    ]
    sides = [q.terms.fixed_side for q in quotes if isinstance(q, Quote)]
    assert sides == [FixedSide.SOURCE, FixedSide.DESTINATION, FixedSide.SOURCE]


async def test_an_order_without_a_rate_is_refused_alone_and_no_fees_are_asked_for_it() -> None:
    fees = RealFees(CORRIDORS)
    rates = FixedRates({"us-in": Unavailable("no rate")}, mid="1530.25")

    refused, quote = await make_pricing(CORRIDORS, fees, rates).quotes(
        [_order(921_000, "INR"), _order(14_845_339, "NGN")], NOW
    )

    assert isinstance(refused, Unavailable)
    assert isinstance(quote, Quote)
    assert fees.calls == [1]


@pytest.mark.parametrize(
    ("order", "reason", "metadata"),
    [
        (_order(1_000, "INR"), "AMOUNT_BELOW_MINIMUM", {"minimum_usd": "2.00"}),
        (_order(10**8, "INR"), "AMOUNT_ABOVE_MAXIMUM", {"maximum_usd": "10000.00"}),
        # The net is within the limits, and the amount is not.
        (_order(94_000_000, "INR"), "AMOUNT_ABOVE_MAXIMUM", {"maximum_usd": "10000.00"}),
        (_order(10**15, "INR"), "AMOUNT_ABOVE_MAXIMUM", {"maximum_usd": "10000.00"}),
    ],
    ids=["too little", "too much", "too much with its fees", "the largest amount there is"],
)
async def test_the_amount_that_a_payout_takes_is_held_to_the_limits(
    order: QuoteOrder, reason: str, metadata: dict[str, str]
) -> None:
    (refused,) = await _pricing(CORRIDORS, "94.9552").quotes([order], NOW)

    assert isinstance(refused, DomainError)
    assert (refused.error_reason, refused.metadata) == (reason, metadata)


PHONE = recipient_of(
    RecipientKind.MOBILE_MONEY, {"holder_name": "Ada", "phone_number": "+254700000000"}
)


@pytest.mark.parametrize(
    ("minor", "reason", "metadata"),
    [
        (99, "AMOUNT_PRECISION_EXCEEDED", {"field": "payout_amount", "max_decimals": "0"}),
        (50_000_000, "PAYOUT_ABOVE_MAXIMUM", {"payout_amount": "500000.00"}),
    ],
)
async def test_a_payout_that_no_rail_to_the_recipient_sends_is_refused_before_it_is_priced(
    minor: int, reason: str, metadata: dict[str, str]
) -> None:
    fees, rates = RealFees(CORRIDORS), FixedRates()
    pricing = make_pricing(CORRIDORS, fees, rates, declared_rails())

    (refused,) = await pricing.quotes([replace(_order(minor, "KES"), recipient=PHONE)], NOW)

    assert isinstance(refused, DomainError)
    assert refused.error_reason == reason
    assert metadata.items() <= refused.metadata.items()
    assert (fees.calls, rates.calls) == ([], [])


async def test_a_payout_that_some_rails_send_is_offered_with_those() -> None:
    """A phone gets whole shillings, and up to what its network takes; a bank gets cents."""
    pricing = _pricing(CORRIDORS, "129.4", declared_rails())

    whole, exact = await pricing.quotes([_order(100_000, "KES"), _order(100_001, "KES")], NOW)

    assert isinstance(whole, Quote)
    assert isinstance(exact, Quote)
    routes = [quote.conditions.route for quote in (whole, exact) if quote.conditions]
    assert [route.payout_decimals for route in routes] == [0, 2]
    assert [str(quote.terms.payout) for quote in (whole, exact)] == ["1000.00", "1000.01"]
