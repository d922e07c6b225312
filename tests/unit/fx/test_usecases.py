"""Sources are asked in the corridor's order, and the first with a fresh rate wins."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from services.fx.domain import (
    MarketClosed,
    Observation,
    Rate,
    RateQuery,
    RateStale,
    RateUnavailable,
    SourcesDisagree,
)
from services.fx.feed import Feed
from services.fx.usecases import QUERIES_MAX, Rates
from services.shared.corridors import CorridorUnsupported, load_corridors
from services.shared.errors import DomainError, Invalid
from services.shared.grpc_status import retry_after_seconds
from tests.logs import logged

# A Wednesday, so that no weekend is among the hours that these tests count.
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
CORRIDOR = """
id = "us-in"
source = { country = "US", currency = "USD" }
destination = { country = "IN", currency = "INR" }
limits = { minimum_usd = "2.00", maximum_usd = "10000.00" }
providers = { onramps = ["stripe"], offramps = ["local_wallet"] }
fx = { sources = ["first", "second"], markup_basis_points = 50, maximum_age_hours = 24 }
quote = { lifetime_seconds = 60 }
late_funds = { grace_seconds = 300, tolerance_basis_points = 100 }
recipients.wallet.rail = "wallet"
recipients.wallet.required = { wallet_id = "wallet_id" }
recipients.wallet.example = { wallet_id = "wallet-0001" }
fees = [{ version = "1", effective_from = 2026-01-01 }]
"""
INDIA = RateQuery("us-in")


class FixedClock:
    def __init__(self, time: datetime = NOW) -> None:
        self.time = time

    def now(self) -> datetime:
        return self.time


class Source:
    """Has one rate, of an age, for one pair; or none at all. Counts how often it is asked."""

    refresh_seconds: float | None = None

    def __init__(self, mid: str | None, age_hours: int = 1) -> None:
        self.mid = mid
        self.observed_at = NOW - timedelta(hours=age_hours)
        self.asked = 0

    async def load(self) -> None:
        pass

    async def observe(self, base_currency: str, quote_currency: str) -> Observation | None:
        self.asked += 1
        if self.mid is None or (base_currency, quote_currency) != ("USD", "INR"):
            return None
        return Observation(
            mid=Decimal(self.mid), legs=(), observed_at=self.observed_at, fetched_at=NOW
        )


async def rates(
    folder: Path,
    sources: Mapping[str, Source],
    corridor: str = CORRIDOR,
    clock: FixedClock | None = None,
) -> Rates:
    (folder / "us-in.toml").write_text(corridor)
    clock = clock or FixedClock()
    feeds = {name: Feed(name, source, clock) for name, source in sources.items()}
    for feed in feeds.values():
        await feed.open()
    return Rates(load_corridors(folder, live=False), feeds, clock)


@pytest.mark.parametrize(
    ("first", "second", "winner"),
    [
        (Source("84"), Source("85"), "first"),
        (Source(None), Source("85"), "second"),
        (Source("84", age_hours=25), Source("85"), "second"),
        (Source("84", age_hours=24), Source("85"), "first"),
        (Source("84", age_hours=-1), Source("85"), "second"),
        (Source("84", age_hours=-60 * 24), Source("85"), "second"),
        (Source("0"), Source("85"), "second"),
        (Source("NaN"), Source("85"), "second"),
    ],
    ids=["has it", "lacks it", "stale", "just fresh", "future", "far future", "zero", "NaN"],
)
async def test_first_source_with_a_fresh_rate_wins(
    first: Source, second: Source, winner: str, tmp_path: Path
) -> None:
    answers = await (await rates(tmp_path, {"first": first, "second": second})).get_rates([INDIA])

    answer = answers["us-in"]
    assert isinstance(answer, Rate)
    assert answer.source == winner
    assert (answer.base_currency, answer.quote_currency) == ("USD", "INR")
    assert answer.markup_basis_points == 50


async def test_rate_that_no_source_has_is_unavailable(tmp_path: Path) -> None:
    sources = {"first": Source(None), "second": Source(None)}

    answers = await (await rates(tmp_path, sources)).get_rates([INDIA])

    refusal = answers["us-in"]
    assert isinstance(refusal, RateUnavailable)
    assert refusal.metadata == {"pair": "USD/INR"}


async def test_rate_that_is_too_old_everywhere_is_stale(tmp_path: Path) -> None:
    sources = {"first": Source("84", age_hours=25), "second": Source(None)}

    answers = await (await rates(tmp_path, sources)).get_rates([INDIA])

    refusal = answers["us-in"]
    assert isinstance(refusal, RateStale)
    assert refusal.metadata == {"pair": "USD/INR"}


async def test_corridor_without_an_age_limit_takes_any_age(tmp_path: Path) -> None:
    unlimited = CORRIDOR.replace(", maximum_age_hours = 24", "")
    sources = {"first": Source("84", age_hours=100_000), "second": Source("85")}

    answers = await (await rates(tmp_path, sources, unlimited)).get_rates([INDIA])

    answer = answers["us-in"]
    assert isinstance(answer, Rate)
    assert answer.source == "first"


async def test_unknown_corridor_does_not_fail_the_others(tmp_path: Path) -> None:
    sources = {"first": Source("84"), "second": Source("85")}

    answers = await (await rates(tmp_path, sources)).get_rates(
        [RateQuery("us-fr"), INDIA, RateQuery("")]
    )

    assert isinstance(answers["us-fr"], CorridorUnsupported)
    assert isinstance(answers[""], CorridorUnsupported)
    assert isinstance(answers["us-in"], Rate)


async def test_corridor_asked_for_many_times_is_answered_once(tmp_path: Path) -> None:
    sources = {"first": Source("84"), "second": Source("85")}

    await (await rates(tmp_path, sources)).get_rates([INDIA] * QUERIES_MAX)

    assert sources["first"].asked == 1


async def test_batch_beyond_the_contract_s_bound_is_refused(tmp_path: Path) -> None:
    sources = {"first": Source("84"), "second": Source("85")}

    with pytest.raises(Invalid) as refusal:
        await (await rates(tmp_path, sources)).get_rates([INDIA] * (QUERIES_MAX + 1))

    assert refusal.value.metadata == {"field": "queries"}


async def test_a_future_rate_alone_is_no_rate(tmp_path: Path) -> None:
    sources = {"first": Source("84", age_hours=-60 * 24), "second": Source(None)}
    unlimited = CORRIDOR.replace(", maximum_age_hours = 24", "")

    answers = await (await rates(tmp_path, sources, unlimited)).get_rates([INDIA])

    assert isinstance(answers["us-in"], RateUnavailable)


class Broken(Source):
    """Raises for one pair, and has a rate of every other."""

    async def observe(self, base_currency: str, quote_currency: str) -> Observation | None:
        if quote_currency == "INR":
            raise RuntimeError
        return Observation(mid=Decimal(20), legs=(), observed_at=NOW, fetched_at=NOW)


async def test_a_source_that_raises_fails_no_other_item_of_the_batch(tmp_path: Path) -> None:
    mexico = CORRIDOR.replace("us-in", "us-mx").replace('"IN"', '"MX"').replace('"INR"', '"MXN"')
    (tmp_path / "us-mx.toml").write_text(mexico)
    sources = {"first": Broken("84"), "second": Source(None)}

    answers = await (await rates(tmp_path, sources)).get_rates([INDIA, RateQuery("us-mx")])

    assert isinstance(answers["us-in"], RateUnavailable)
    assert isinstance(answers["us-mx"], Rate)


async def test_a_survey_names_each_corridor_without_a_rate(tmp_path: Path) -> None:
    asked = await rates(tmp_path, {"first": Source(None), "second": Source(None)})

    with logged("fx") as lines:
        await asked.survey()

    [line] = [line for line in lines() if line["event"] == "corridor_without_rate"]
    assert (line["corridor_id"], line["level"]) == ("us-in", "warning")


async def test_a_survey_says_it_again_only_where_it_has_changed(tmp_path: Path) -> None:
    first = Source(None)
    asked = await rates(tmp_path, {"first": first, "second": Source(None)})
    labels = {"corridor": "us-in"}

    def available() -> float | None:
        return REGISTRY.get_sample_value("caravel_fx_rate_available", labels)

    with logged("fx") as lines:
        await asked.survey()
        await asked.survey()
        without = available()
        first.mid = "84"
        await asked.survey()
        having = available()
        first.mid = None
        await asked.survey()

    assert [line["event"] for line in lines()].count("corridor_without_rate") == 2
    assert (without, having, available()) == (0, 1, 0)


def _published(name: str) -> float | None:
    return REGISTRY.get_sample_value(f"caravel_fx_{name}", {"corridor": "us-in"})


async def test_a_survey_publishes_age_and_divergence_by_corridor(tmp_path: Path) -> None:
    compared = with_terms("maximum_deviation_basis_points = 200")
    sources = {"first": Source("100", age_hours=3), "second": Source("101", age_hours=2)}

    await (await rates(tmp_path, sources, compared)).survey()

    assert _published("corridor_rate_age_seconds") == 2 * 3600
    assert _published("corridor_rate_age_max_seconds") == 240 * 3600
    assert _published("divergence_ratio") == 0.5


async def test_an_age_that_is_published_leaves_out_the_closed_market(tmp_path: Path) -> None:
    sources = {"first": Source("100", age_hours=20), "second": Source(None)}
    asked = await rates(tmp_path, sources, clock=FixedClock(SATURDAY))

    await asked.survey()

    # From Tuesday 16:00 to Friday 22:00 in UTC, when the market closed.
    assert _published("corridor_rate_age_seconds") == 78 * 3600


SATURDAY = datetime(2026, 11, 28, 12, tzinfo=UTC)


def with_terms(terms: str) -> str:
    more = f", {terms}" if terms else ""
    return CORRIDOR.replace("maximum_age_hours = 24", f"maximum_age_hours = 240{more}")


async def answer(
    folder: Path, corridor: str, now: datetime = NOW, **sources: Source
) -> Rate | DomainError:
    asked = await rates(folder, sources, corridor, FixedClock(now))
    return (await asked.get_rates([INDIA]))["us-in"]


@pytest.mark.parametrize(("now", "margin", "rate"), [(NOW, 0, "99.5"), (SATURDAY, 75, "98.75")])
async def test_a_closed_market_costs_the_margin_of_the_corridor(
    now: datetime, margin: int, rate: str, tmp_path: Path
) -> None:
    closed = with_terms("closed_market_basis_points = 75")

    given = await answer(tmp_path, closed, now, first=Source("100"), second=Source(None))

    assert isinstance(given, Rate)
    assert (given.markup_basis_points, given.closed_market_basis_points) == (50, margin)
    assert given.rate == Decimal(rate)


async def test_a_closed_market_refuses_where_the_corridor_says_so(tmp_path: Path) -> None:
    refusing = with_terms("refused_while_closed = true")
    sources = {"first": Source("100"), "second": Source(None)}

    assert isinstance(await answer(tmp_path, refusing, **sources), Rate)
    refused = await answer(tmp_path, refusing, SATURDAY, **sources)

    assert isinstance(refused, MarketClosed)
    assert refused.metadata == {"pair": "USD/INR", "opens_at": "2026-11-29T22:00:00Z"}
    assert retry_after_seconds(refused) == 34 * 3600


async def test_a_closed_market_changes_nothing_where_the_corridor_says_nothing(
    tmp_path: Path,
) -> None:
    given = await answer(
        tmp_path, with_terms(""), SATURDAY, first=Source("100"), second=Source(None)
    )

    assert isinstance(given, Rate)
    assert given.closed_market_basis_points == 0


@pytest.mark.parametrize(
    ("second", "refused"),
    [
        (Source("101"), False),
        (Source("101.01"), True),
        (Source("98.99"), True),
        (Source(None), False),
        # A rate that is too old, or nonsense, contradicts nobody.
        (Source("200", age_hours=400), False),
        (Source("0"), False),
    ],
    ids=["within", "above", "below", "lacks it", "stale", "zero"],
)
async def test_fresh_sources_that_differ_by_more_than_agreed_are_refused(
    second: Source, refused: bool, tmp_path: Path
) -> None:
    compared = with_terms("maximum_deviation_basis_points = 100")

    given = await answer(tmp_path, compared, first=Source("100"), second=second)

    assert isinstance(given, SourcesDisagree) is refused
    if refused:
        assert isinstance(given, DomainError)
        assert given.metadata == {"pair": "USD/INR"}
    else:
        assert isinstance(given, Rate)
        assert (given.source, given.observation.mid) == ("first", 100)


async def test_a_rate_beyond_the_corridors_bounds_is_none(tmp_path: Path) -> None:
    bounded = with_terms('mid_bounds = { lowest = "60", highest = "110" }')

    given = await answer(tmp_path, bounded, first=Source("0.0118"), second=Source("85"))

    assert isinstance(given, Rate)
    assert given.source == "second"


class Passing(Source):
    """Passes on the rates of an institution."""

    async def observe(self, base_currency: str, quote_currency: str) -> Observation | None:
        found = await super().observe(base_currency, quote_currency)
        return replace(found, published_by="CBN") if found else None


async def test_a_source_names_the_institution_whose_rate_it_passes_on(tmp_path: Path) -> None:
    given = await answer(tmp_path, CORRIDOR, first=Passing("84"), second=Source(None))

    assert isinstance(given, Rate)
    assert given.source == "first:CBN"


async def test_a_refusal_says_when_a_source_is_read_again(tmp_path: Path) -> None:
    never, hourly, daily = Source("84", 400), Source("84", 400), Source("84", 400)
    hourly.refresh_seconds, daily.refresh_seconds = 3600, 86400
    limited = with_terms("")

    waiting = await answer(tmp_path, limited, first=daily, second=hourly)
    hopeless = await answer(tmp_path, limited, first=never, second=never)

    assert isinstance(waiting, RateStale)
    assert isinstance(hopeless, RateStale)
    assert retry_after_seconds(waiting) == 3600
    # Neither is read again, so that waiting changes nothing.
    assert retry_after_seconds(hopeless) is None


async def test_refusals_are_counted_by_corridor_and_reason(tmp_path: Path) -> None:
    labels = {"corridor": "us-in", "reason": "FX_RATE_UNAVAILABLE"}

    def refusals() -> float:
        return REGISTRY.get_sample_value("caravel_fx_refusals_total", labels) or 0

    before = refusals()
    asked = await rates(tmp_path, {"first": Source(None), "second": Source(None)})
    await asked.get_rates([INDIA, INDIA, RateQuery("us-fr")])

    assert refusals() == before + 2
