"""The shipped rates, as they are: every source keeps its word, and every corridor has a rate."""

from datetime import UTC, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from currency_converter import CurrencyConverter

from services.fx.domain import cross_rate
from services.fx.sources import SOURCES
from services.fx.sources.ecb import EcbSource
from services.fx.sources.kit import Handed
from services.fx.sources.synthetic import SyntheticSource
from services.shared.corridors import load_corridors

CORRIDORS = Path(__file__).parents[3] / "deploy" / "corridors"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


class FixedClock:
    def now(self) -> datetime:
        return NOW


def handed(*bases: str) -> Handed:
    """The context of a source, without a session: the shipped ones use none."""
    nothing: Any = None
    return Handed(
        name="shipped",
        clock=FixedClock(),
        http=nothing,
        settings=nothing,
        pairs=frozenset((base, "JPY") for base in bases or ("USD",)),
    )


@pytest.fixture(scope="module")
async def ecb() -> EcbSource:
    source = EcbSource(handed())
    await source.load()
    return source


@pytest.fixture(scope="module")
def published() -> CurrencyConverter:
    return CurrencyConverter(decimal=True)


async def test_ecb_rate_is_the_cross_of_the_two_published_legs(
    ecb: EcbSource, published: CurrencyConverter
) -> None:
    day = published.bounds["INR"].last_date

    observation = await ecb.observe("USD", "INR")

    assert observation is not None
    dollars, rupees = observation.legs
    assert (dollars.base_currency, dollars.quote_currency) == ("EUR", "USD")
    assert (rupees.base_currency, rupees.quote_currency) == ("EUR", "INR")
    assert dollars.rate == published.convert(1, "EUR", "USD", day)
    assert rupees.rate == published.convert(1, "EUR", "INR", day)
    assert observation.mid == cross_rate(dollars.rate, rupees.rate)
    assert observation.observed_at == datetime.combine(day, time.min, tzinfo=UTC)
    assert observation.fetched_at == NOW
    assert not observation.synthetic


async def test_ecb_rate_of_the_euro_has_one_leg(ecb: EcbSource) -> None:
    observation = await ecb.observe("USD", "EUR")

    assert observation is not None
    [leg] = observation.legs
    assert (leg.base_currency, leg.quote_currency) == ("EUR", "USD")
    assert observation.mid == cross_rate(leg.rate, Decimal(1))


async def test_currency_that_ended_keeps_the_day_it_was_last_seen(
    ecb: EcbSource, published: CurrencyConverter
) -> None:
    observation = await ecb.observe("USD", "EEK")

    assert observation is not None
    assert observation.observed_at.date() == published.bounds["EEK"].last_date
    assert observation.observed_at.year == 2010


@pytest.mark.parametrize("newest_first", [True, False])
async def test_the_newest_day_counts_in_whatever_order_the_history_stands(
    newest_first: bool, tmp_path: Path
) -> None:
    # The last column is the empty one of the bank's own file.
    days = ["2026-11-23,1.10,99,", "2026-11-19,1.20,98,", "2026-11-18,1.30,97,"]
    # The rupee was not published on the newest day, the dollar not on the one before.
    days[0], days[1] = days[0].replace("99", "N/A"), days[1].replace("1.20", "N/A")
    # Today is taken, and a day that has not come yet is not.
    days = ["2026-11-24,9.99,9,", *days, "2026-11-17,1.40,96,"]
    with ZipFile(tmp_path / "history.zip", "w") as archive:
        lines = ["Date,USD,INR,", *(days if newest_first else reversed(days))]
        archive.writestr("history.csv", "\n".join(lines))
    source = EcbSource(handed(), tmp_path / "history.zip")
    await source.load()

    euro, rupee = [await source.observe("USD", currency) for currency in ("EUR", "INR")]

    assert euro is not None
    assert rupee is not None
    assert euro.observed_at == datetime(2026, 11, 23, tzinfo=UTC)
    assert rupee.observed_at == datetime(2026, 11, 18, tzinfo=UTC)
    assert rupee.mid == cross_rate(Decimal("1.30"), Decimal(97))


async def test_ecb_has_every_currency_it_publishes(
    ecb: EcbSource, published: CurrencyConverter
) -> None:
    for currency in published.currencies - {"USD"}:
        observation = await ecb.observe("USD", currency)
        assert observation is not None
        assert observation.mid > 0


@pytest.mark.parametrize(
    ("base", "quote", "priced"),
    [("GBP", "INR", ["GBP", "INR"]), ("EUR", "INR", ["INR"]), ("GBP", "EUR", ["GBP"])],
)
async def test_ecb_crosses_from_whatever_currency_corridors_collect(
    base: str, quote: str, priced: list[str], published: CurrencyConverter
) -> None:
    source = EcbSource(handed("GBP", "EUR"))
    await source.load()

    observation = await source.observe(base, quote)

    assert observation is not None
    assert [leg.quote_currency for leg in observation.legs] == priced
    day = observation.observed_at.date()
    per_euro = {
        code: published.convert(1, "EUR", code, day) if code != "EUR" else Decimal(1)
        for code in (base, quote)
    }
    assert observation.mid == cross_rate(per_euro[base], per_euro[quote])
    assert await source.observe("USD", "INR") is None


@pytest.mark.parametrize(
    "pair", [("USD", "NGN"), ("USD", "KES"), ("USD", "GHS"), ("GBP", "INR"), ("USD", "USD")]
)
async def test_ecb_lacks_other_pairs(pair: tuple[str, str], ecb: EcbSource) -> None:
    assert await ecb.observe(*pair) is None


async def test_synthetic_rate_says_so_and_when_it_was_made_up() -> None:
    source = SyntheticSource(handed())
    await source.load()

    observation = await source.observe("USD", "NGN")

    assert observation is not None
    assert observation.mid == Decimal("1530.25")
    assert observation.synthetic
    assert observation.observed_at == datetime(2026, 11, 2, tzinfo=UTC)
    assert observation.fetched_at == NOW
    [leg] = observation.legs
    assert (leg.base_currency, leg.quote_currency, leg.rate) == ("USD", "NGN", observation.mid)


@pytest.mark.parametrize("currency", ["NGN", "KES", "GHS"])
async def test_synthetic_table_holds_only_what_the_ecb_lacks(currency: str, ecb: EcbSource) -> None:
    source = SyntheticSource(handed())
    await source.load()

    assert await source.observe("USD", currency) is not None
    assert await ecb.observe("USD", currency) is None
    assert await source.observe("GBP", currency) is None
    assert await source.observe("USD", "INR") is None


@pytest.mark.parametrize("name", ["ecb", "synthetic"])
async def test_source_is_empty_until_it_is_loaded(name: str) -> None:
    source = SOURCES[name].open(handed())

    assert await source.observe("USD", "INR") is None
    assert await source.observe("USD", "NGN") is None


@pytest.mark.parametrize("path", sorted(CORRIDORS.glob("*.toml")), ids=lambda path: path.stem)
async def test_every_source_a_corridor_names_has_its_pair(path: Path) -> None:
    corridor = load_corridors(CORRIDORS, live=False).get(path.stem)

    for name in corridor.fx.sources:
        source = SOURCES[name].open(handed())
        await source.load()
        assert await source.observe("USD", corridor.destination.currency) is not None
