"""Sources are asked in the corridor's order, and the first with a fresh rate wins."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from services.fx.domain import Observation, Rate, RateQuery, RateStale, RateUnavailable
from services.fx.feed import Feed
from services.fx.usecases import QUERIES_MAX, Rates
from services.shared.corridors import CorridorUnsupported, load_corridors
from services.shared.errors import Invalid
from tests.logs import logged

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
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
    def now(self) -> datetime:
        return NOW


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


async def rates(folder: Path, sources: Mapping[str, Source], corridor: str = CORRIDOR) -> Rates:
    (folder / "us-in.toml").write_text(corridor)
    clock = FixedClock()
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
