"""The exchange positions are held in memory: a limit refuses by the last look, a failed look
changes nothing, and a rate that is not known is not made up."""

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from services.payments.model.exposure import ExposureLimitReached
from services.payments.operators.exposure import ExposureMetrics, ExposureWatch
from services.payments.operators.exposure_limits import ExposureLimitsFile
from services.shared.corridors import load_corridors
from services.shared.errors import Unavailable
from tests.conftest import ROOT
from tests.fakes import AlwaysCorridors, FixedRates
from tests.makers import NOW

CORRIDORS = load_corridors(ROOT / "deploy" / "corridors", live=False)
AWAY = Unavailable("fx cannot answer now")


class _Book:
    """The port PositionBook: what a test says, or its error."""

    def __init__(self, **amounts: int) -> None:
        self.amounts: Mapping[str, int] = amounts
        self.broken: Exception | None = None

    async def positions(self) -> Mapping[str, int]:
        if self.broken:
            raise self.broken
        return self.amounts


class _Clock:
    def __init__(self) -> None:
        self.at = NOW

    def now(self) -> datetime:
        return self.at


class Bench:
    """A watch with all that is around it."""

    def __init__(self, folder: Path, limits: str = "", **amounts: int) -> None:
        self.file = folder / "exposure.toml"
        self.limit(limits)
        self.book, self.rates, self.clock = _Book(**amounts), FixedRates(mid="1000"), _Clock()
        self.registry = CollectorRegistry()
        self.watch = ExposureWatch(
            self.book,
            self.rates,
            AlwaysCorridors(CORRIDORS),
            ExposureLimitsFile(self.file),
            self.clock,
            metrics=ExposureMetrics(self.registry),
        )

    def limit(self, lines: str) -> None:
        """Writes the limits."""
        self.file.write_text(f"[maximum_owed]\n{lines}\n")

    def sample(self, name: str, currency: str = "") -> float | None:
        """The value of a metric."""
        labels = {"currency": currency} if currency else {}
        return self.registry.get_sample_value(f"caravel_exposure_{name}", labels)


async def test_a_currency_is_refused_from_its_limit_on_and_no_other_is(tmp_path: Path) -> None:
    bench = Bench(tmp_path, 'NGN = "500.00"', NGN=-49_999, INR=-(10**12), USD=10_000)
    await bench.watch.look()
    bench.watch.refuse("NGN")

    bench.book.amounts = {"NGN": -50_000, "INR": -(10**12)}
    await bench.watch.look()

    with pytest.raises(ExposureLimitReached) as refused:
        bench.watch.refuse("NGN")
    assert refused.value.metadata == {"currency": "NGN"}
    bench.watch.refuse("INR")


async def test_a_limited_currency_is_not_priced_before_the_first_look(tmp_path: Path) -> None:
    bench = Bench(tmp_path, 'NGN = "500.00"')

    with pytest.raises(Unavailable):
        bench.watch.refuse("NGN")
    bench.watch.refuse("INR")
    with pytest.raises(Unavailable):
        _ = bench.watch.current

    await bench.watch.look()
    bench.watch.refuse("NGN")


async def test_a_failed_look_leaves_what_was_seen_before(tmp_path: Path) -> None:
    bench = Bench(tmp_path, 'NGN = "500.00"', NGN=-50_000)
    async with bench.watch.watched():
        bench.book.broken = Unavailable("the database is away")
        with pytest.raises(Unavailable):
            await bench.watch.look()

    with pytest.raises(ExposureLimitReached):
        bench.watch.refuse("NGN")
    assert bench.watch.current.seen_at == NOW


async def test_a_broken_first_look_does_not_stop_the_service(tmp_path: Path) -> None:
    bench = Bench(tmp_path, NGN=-1)
    bench.book.broken = RuntimeError("a mistake")

    async with bench.watch.watched():
        bench.watch.refuse("NGN")


async def test_limits_count_also_where_no_rate_is_known_and_no_worth_is_made_up(
    tmp_path: Path,
) -> None:
    bench = Bench(tmp_path, 'NGN = "1.00"', NGN=-200, USD=100)
    bench.rates.refuse("us-ng", AWAY)

    await bench.watch.look()

    naira = next(one for one in bench.watch.current.positions if one.currency == "NGN")
    assert naira.worth_minor is None
    assert bench.watch.current.result_minor is None
    with pytest.raises(ExposureLimitReached):
        bench.watch.refuse("NGN")
    assert bench.sample("worth_minor", "NGN") is None
    result = bench.sample("result_minor")
    assert result is not None
    assert math.isnan(result)


async def test_the_first_corridor_of_a_currency_that_has_a_rate_values_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path, EUR=-100)
    bench.rates.refuse("us-de", AWAY)

    await bench.watch.look()

    assert bench.rates.calls == [["us-fr", "us-es", "us-de"]]
    assert bench.watch.current.positions[0].trail is not None


async def test_rates_are_asked_once_a_minute_and_at_once_for_a_new_currency(tmp_path: Path) -> None:
    bench = Bench(tmp_path, NGN=-100)
    await bench.watch.look()
    await bench.watch.look()
    assert len(bench.rates.calls) == 1

    bench.book.amounts = {"NGN": -100, "INR": -100}
    await bench.watch.look()
    assert len(bench.rates.calls) == 2

    bench.clock.at += timedelta(seconds=60)
    await bench.watch.look()
    assert len(bench.rates.calls) == 3


async def test_without_positions_nobody_is_asked(tmp_path: Path) -> None:
    bench = Bench(tmp_path)

    await bench.watch.look()

    assert bench.rates.calls == []
    assert bench.watch.current.result_minor == 0


async def test_numbers_are_published_and_those_that_are_gone_are_not(tmp_path: Path) -> None:
    bench = Bench(tmp_path, 'NGN = "500.00"', NGN=-100_000, USD=150)

    await bench.watch.look()

    assert bench.sample("position_minor", "NGN") == -100_000
    assert bench.sample("worth_minor", "NGN") == -100
    assert bench.sample("maximum_minor", "NGN") == 50_000
    assert bench.sample("result_minor") == 50
    assert bench.sample("seen_timestamp_seconds") == NOW.timestamp()

    bench.limit("")
    await bench.watch.look()
    assert bench.sample("maximum_minor", "NGN") is None

    bench.book.amounts = {}
    await bench.watch.look()
    assert bench.sample("position_minor", "NGN") is None
    assert bench.sample("result_minor") == 0


async def test_a_changed_file_counts_from_the_next_look_on(tmp_path: Path) -> None:
    bench = Bench(tmp_path, 'NGN = "500.00"', NGN=-50_000)
    await bench.watch.look()

    bench.limit('NGN = "500.01"')
    await bench.watch.look()

    bench.watch.refuse("NGN")
