"""A batch is priced by one call to fees and one to fx, and one order's refusal is nobody else's."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from services.payments.mesh.ports import FeeQuery
from services.payments.model.pause import CorridorPaused, ProviderPaused
from services.payments.model.quote import AmountTooSmallAfterFees, Fees, Quote, QuoteMismatch
from services.payments.orders.pricing import (
    AmountAboveMaximum,
    AmountBelowMinimum,
    QuoteOrder,
)
from services.shared.corridors import (
    CorridorAmbiguous,
    Corridors,
    CorridorUnsupported,
    load_corridors,
)
from services.shared.errors import DomainError, Unavailable
from services.shared.money import Money
from services.shared.recipients import RecipientKind
from tests.conftest import ROOT
from tests.fakes import FixedFees, FixedRates, Pausing
from tests.makers import CONDITIONS, NOW, make_quote
from tests.pricing import make_pricing
from tests.rails import declared_rails

CORRIDORS = load_corridors(ROOT / "deploy" / "corridors", live=False)


class FreeOfCharge(FixedFees):
    """So that the lowest amount leaves something."""

    async def calculate(self, queries: Sequence[FeeQuery]) -> Sequence[Fees | DomainError]:
        return [Fees(lines=(), schedule_version="free") for _ in queries]


def _order(amount_minor: int = 10_000, currency: str = "INR") -> QuoteOrder:
    return QuoteOrder(
        merchant_id="sandbox",
        amount=Money(amount_minor, "USD"),
        currency=currency,
        trace_id="0" * 32,
    )


async def test_a_batch_is_one_call_to_fees_and_one_rate_a_corridor() -> None:
    fees, rates = FixedFees(), FixedRates()

    quotes = await make_pricing(CORRIDORS, fees, rates).quotes(
        [_order(), _order(currency="JPY"), _order()], NOW
    )

    assert [q.corridor_id for q in quotes if isinstance(q, Quote)] == ["us-in", "us-jp", "us-in"]
    assert (fees.calls, rates.calls) == ([3], [["us-in", "us-jp"]])


def _order_to(country: str) -> QuoteOrder:
    return replace(_order(currency="EUR"), country=country)


async def test_where_several_countries_pay_a_currency_an_order_names_its_country(
    tmp_path: Path,
) -> None:
    india = (ROOT / "deploy" / "corridors" / "us-in.toml").read_text()
    for country in ("DE", "FR"):
        text = india.replace("us-in", f"us-{country.lower()}").replace('"IN"', f'"{country}"')
        (tmp_path / f"us-{country.lower()}.toml").write_text(text.replace('"INR"', '"EUR"'))
    pricing = make_pricing(load_corridors(tmp_path, live=False), FixedFees(), FixedRates())

    results = await pricing.quotes([_order_to(country) for country in ("FR", "", "DE", "IT")], NOW)

    assert [
        result.corridor_id if isinstance(result, Quote) else type(result) for result in results
    ] == ["us-fr", CorridorAmbiguous, "us-de", CorridorUnsupported]


async def test_a_quote_lives_as_long_as_its_corridor_says() -> None:
    (quote,) = await make_pricing(CORRIDORS, FixedFees(), FixedRates()).quotes([_order()], NOW)

    assert isinstance(quote, Quote)
    assert quote.expires_at - quote.created_at == timedelta(seconds=60)
    assert quote.fee_schedule_version == "2026-01"


async def test_each_order_is_refused_for_its_own_reason() -> None:
    results = await make_pricing(CORRIDORS, FixedFees(), FixedRates()).quotes(
        [_order(99), _order(), _order(1_000_001), _order(currency="CHF"), _order(250)], NOW
    )

    assert [type(result) for result in results] == [
        AmountBelowMinimum,
        Quote,
        AmountAboveMaximum,
        CorridorUnsupported,
        AmountTooSmallAfterFees,
    ]


async def test_the_limits_themselves_are_taken_and_a_cent_beyond_them_is_refused() -> None:
    limits = CORRIDORS.leading_to("NGN").limits
    least, most = limits.minimum.amount_minor, limits.maximum.amount_minor
    pricing = make_pricing(CORRIDORS, FreeOfCharge(), FixedRates())

    below, lowest, highest, above = await pricing.quotes(
        [_order(minor, "NGN") for minor in (least - 1, least, most, most + 1)], NOW
    )

    assert (type(lowest), type(highest)) == (Quote, Quote)
    assert isinstance(below, AmountBelowMinimum)
    assert below.metadata == {"minimum_usd": limits.minimum_usd}
    assert isinstance(above, AmountAboveMaximum)
    assert above.metadata == {"maximum_usd": limits.maximum_usd}


async def test_a_corridor_without_a_rate_fails_its_own_orders_only() -> None:
    rates = FixedRates({"us-ng": Unavailable("no rate")})

    results = await make_pricing(CORRIDORS, FixedFees(), rates).quotes(
        [_order(currency="NGN"), _order()], NOW
    )

    assert [type(result) for result in results] == [Unavailable, Quote]


async def test_nobody_is_asked_where_nothing_can_be_priced() -> None:
    fees, rates = FixedFees(), FixedRates()

    await make_pricing(CORRIDORS, fees, rates).quotes([_order(currency="CHF")], NOW)

    assert (fees.calls, rates.calls) == ([], [])


async def test_corridors_are_shown_without_a_rate_where_there_is_none() -> None:
    rates = FixedRates({"us-ng": Unavailable("no rate")})

    offers = await make_pricing(CORRIDORS, FixedFees(), rates).rates()

    assert {corridor.id for corridor, trail in offers if trail is None} == {"us-ng"}


async def test_fees_that_are_away_make_pricing_unavailable() -> None:
    class FeesAway(FixedFees):
        async def calculate(self, queries: Sequence[FeeQuery]) -> Sequence[Fees | DomainError]:
            raise Unavailable("fees cannot answer now")

    with pytest.raises(Unavailable):
        await make_pricing(CORRIDORS, FeesAway(), FixedRates()).quotes([_order()], NOW)


@pytest.mark.parametrize(
    ("kind", "payout", "decimals"),
    [
        (None, Money(1_255_300, "KES"), 0),
        ("mobile_money", Money(1_255_300, "KES"), 0),
        ("bank_account", Money(1_255_342, "KES"), 2),
    ],
)
async def test_a_quote_has_the_decimals_of_the_rails_to_its_recipient_or_of_all_without_one(
    kind: str | None, payout: Money, decimals: int
) -> None:
    corridor = CORRIDORS.get("us-ke")
    rules = corridor.recipient_rules.kinds
    recipient = rules[RecipientKind(kind)].example if kind else None
    rates = FixedRates(mid="129.4")
    pricing = make_pricing(CORRIDORS, FixedFees(), rates, declared_rails())

    (quote,) = await pricing.quotes([replace(_order(currency="KES"), recipient=recipient)], NOW)

    assert isinstance(quote, Quote)
    assert quote.conditions
    assert (quote.terms.payout, quote.conditions.route.payout_decimals) == (payout, decimals)


async def test_without_the_declarations_of_providers_no_order_is_priced() -> None:
    fees, rates = FixedFees(), FixedRates()

    (refused,) = await make_pricing(CORRIDORS, fees, rates, {}).quotes([_order()], NOW)

    assert isinstance(refused, Unavailable)
    assert (fees.calls, rates.calls) == ([], [])


@pytest.mark.parametrize("kept", ["NG", ""])
def test_the_country_of_an_offer_is_the_one_that_it_was_made_for(kept: str) -> None:
    """Kept with it, so that its corridor is not needed; of an offer from before that it is."""
    route = replace(CONDITIONS.route, country=kept)
    quote = make_quote(conditions=replace(CONDITIONS, route=route))
    gone = make_pricing(Corridors(()), FixedFees(), FixedRates())
    pricing = gone if kept else make_pricing(CORRIDORS, FixedFees(), FixedRates())

    pricing.check_country(quote, "")
    pricing.check_country(quote, "NG")

    with pytest.raises(QuoteMismatch):
        pricing.check_country(quote, "GH")
    if not kept:
        with pytest.raises(CorridorUnsupported):
            gone.check_country(quote, "NG")


async def test_a_paused_corridor_is_quoted_no_more_and_the_others_are() -> None:
    pricing = make_pricing(
        CORRIDORS, FixedFees(), FixedRates(), pauses=Pausing(corridors=("us-in",))
    )

    paused, quoted = await pricing.quotes([_order(), _order(currency="JPY")], NOW)

    assert isinstance(paused, CorridorPaused)
    assert paused.metadata == {"corridor_id": "us-in"}
    assert isinstance(quoted, Quote)


async def test_the_route_goes_to_the_next_offramp_that_is_not_paused() -> None:
    first, *others = CORRIDORS.get("us-in").providers.offramps
    pricing = make_pricing(CORRIDORS, FixedFees(), FixedRates(), pauses=Pausing(providers=(first,)))

    (quote,) = await pricing.quotes([_order()], NOW)

    assert isinstance(quote, Quote)
    assert quote.conditions is not None
    assert quote.conditions.route.offramps == tuple(others)


@pytest.mark.parametrize("leg", ["onramps", "offramps"])
async def test_a_quote_is_refused_where_every_provider_of_a_leg_is_paused(leg: str) -> None:
    providers = getattr(CORRIDORS.get("us-in").providers, leg)
    pricing = make_pricing(
        CORRIDORS, FixedFees(), FixedRates(), pauses=Pausing(providers=providers)
    )

    (refusal,) = await pricing.quotes([_order()], NOW)

    assert isinstance(refusal, ProviderPaused)
    assert refusal.metadata == {"providers": ",".join(providers)}


async def test_nothing_is_priced_while_the_pauses_are_not_known() -> None:
    pauses, fees = Pausing(), FixedFees()
    pauses.is_away = True

    with pytest.raises(Unavailable):
        await make_pricing(CORRIDORS, fees, FixedRates(), pauses=pauses).quotes([_order()], NOW)

    assert fees.calls == []
