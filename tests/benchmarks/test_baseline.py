"""The monolith prices as the mesh does; otherwise a comparison of the two would say nothing. It
stores the same rows because it has the same tables."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from deploy import CORRIDORS
from services.fees.domain import calculate
from services.fx.ports import RateSource
from services.fx.sources import EcbSource, SyntheticSource
from services.fx.sources.kit import Handed
from services.payments.model import quote
from services.shared.clock import SystemClock
from services.shared.corridors import Corridor, load_corridors
from services.shared.money import Money, parse_amount
from tests.benchmarks.baseline import pricing

AMOUNTS = ("2.00", "99.99", "100.00", "1234.56", "10000.00")


@pytest.fixture(scope="module")
async def sources() -> dict[str, RateSource]:
    """The mesh's own sources of rates."""
    nothing: Any = None
    handed = Handed(
        name="shipped",
        clock=SystemClock(),
        http=nothing,
        settings=nothing,
        pairs=frozenset({("USD", "EUR")}),
    )
    ecb, synthetic = EcbSource(handed), SyntheticSource(handed)
    await ecb.load()
    await synthetic.load()
    return {"ecb": ecb, "synthetic": synthetic}


@pytest.fixture(scope="module")
def monolith() -> dict[str, pricing.Corridor]:
    """The monolith's corridors."""
    return pricing.load_corridors()


async def terms_of(
    corridor: Corridor, amount: Money, sources: dict[str, RateSource]
) -> quote.Terms:
    """The mesh's own quote."""
    currency = corridor.destination.currency
    observed = await sources[corridor.fx.sources[0]].observe("USD", currency)
    assert observed
    fees = calculate(corridor.schedule_on(datetime.now(UTC).date()), amount)
    rate = pricing.RATE_DIGITS.multiply(
        observed.mid, Decimal(10_000 - corridor.fx.markup_basis_points) / 10_000
    )
    return quote.agree_terms(
        amount,
        currency,
        quote.Fees(
            lines=tuple(quote.FeeLine(name=one.name, amount=one.amount) for one in fees.lines),
            schedule_version=fees.schedule_version,
        ),
        quote.RateTrail(
            rate=rate,
            mid_rate=observed.mid,
            markup_basis_points=corridor.fx.markup_basis_points,
            source="",
            synthetic=observed.synthetic,
            observed_at=observed.observed_at,
            fetched_at=observed.fetched_at,
            legs=(),
        ),
    )


@pytest.mark.parametrize(
    "corridor", list(load_corridors(CORRIDORS, live=False)), ids=lambda one: one.id
)
async def test_it_prices_every_corridor_as_the_mesh_does(
    corridor: Corridor, sources: dict[str, RateSource], monolith: dict[str, pricing.Corridor]
) -> None:
    own = monolith[corridor.destination.currency]
    for text in AMOUNTS:
        amount = parse_amount(text, "USD", field="amount")
        try:
            terms = await terms_of(corridor, amount, sources)
        except quote.AmountTooSmallAfterFees:
            with pytest.raises(pricing.Refused):
                pricing.price(Decimal(text), own)
            continue
        priced = pricing.price(Decimal(text), own)
        assert (priced.fee, priced.net) == (terms.fee.decimal, terms.net.decimal)
        assert (own.rate, priced.payout) == (terms.rate, terms.payout.decimal)
        assert [name for name, _ in priced.fees] == [line.name for line in terms.fees]
