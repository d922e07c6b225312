"""One rate source, whatever it does: it has a usable rate, has none, or is away and said to be."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from prometheus_client import REGISTRY

from services.fx.domain import Leg, Observation
from services.fx.feed import REST, Feed
from services.fx.ports import SourceAway
from tests.logs import logged

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
GOOD: dict[str, Any] = {
    "mid": Decimal("84.5"),
    "legs": (Leg("USD", "INR", Decimal("84.5")),),
    "observed_at": NOW - timedelta(hours=1),
    "fetched_at": NOW,
}


class Clock:
    """Stands still until a test moves it."""

    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> datetime:
        return self.time


class Source:
    """Does as a test says."""

    def __init__(
        self,
        observe: Callable[[], Awaitable[Any]],
        load: Callable[[], Awaitable[None]] | None = None,
        refresh_seconds: float | None = None,
    ) -> None:
        self.refresh_seconds = refresh_seconds
        self._observe = observe
        self._load = load
        self.asked = 0

    async def load(self) -> None:
        if self._load:
            await self._load()

    async def observe(self, base_currency: str, quote_currency: str) -> Observation | None:
        self.asked += 1
        answer: Observation | None = await self._observe()
        return answer


def answering_with(**changes: Any) -> Source:
    async def answer() -> Observation:
        return Observation(**{**GOOD, **changes})

    return Source(answer)


def answering(answer: object) -> Source:
    async def give() -> object:
        return answer

    return Source(give)


def raising(error: Exception) -> Source:
    async def fail() -> None:
        raise error

    return Source(fail)


def faults(source: str, reason: str) -> float:
    labels = {"source": source, "reason": reason}
    return REGISTRY.get_sample_value("caravel_fx_source_faults_total", labels) or 0


async def opened(source: Source, name: str = "src", **options: Any) -> Feed:
    feed = Feed(name, source, options.pop("clock", Clock()), **options)
    await feed.open()
    return feed


async def test_a_usable_rate_comes_as_it_is_and_its_age_is_published() -> None:
    clock = Clock()
    feed = await opened(answering_with(), "aged", clock=clock)

    observation = await feed.observe("USD", "INR")
    clock.time += timedelta(minutes=1)

    assert observation == Observation(**GOOD)
    labels = {"source": "aged", "pair": "USD/INR"}
    assert REGISTRY.get_sample_value("caravel_fx_rate_age_seconds", labels) == 3660


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (raising(RuntimeError("boom")), "error"),
        (raising(KeyError("usd")), "error"),
        (raising(ZeroDivisionError()), "error"),
        (answering("84.5"), "error"),
        (answering_with(mid=84.5), "error"),
        (answering_with(observed_at=NOW.replace(tzinfo=None)), "error"),
        (answering_with(mid=Decimal(0)), "nonsense"),
        (answering_with(mid=Decimal("-84.5")), "nonsense"),
        (answering_with(mid=Decimal("NaN")), "nonsense"),
        (answering_with(mid=Decimal("sNaN")), "nonsense"),
        (answering_with(mid=Decimal("Infinity")), "nonsense"),
        (answering_with(mid=Decimal("1e30")), "nonsense"),
        (answering_with(mid=Decimal("1e-30")), "nonsense"),
        (answering_with(legs=(Leg("EUR", "USD", Decimal(0)),)), "nonsense"),
        (answering_with(observed_at=NOW + timedelta(minutes=6)), "future"),
        (answering_with(observed_at=NOW + timedelta(days=60)), "future"),
    ],
    ids=range(16),
)
async def test_a_source_without_a_usable_rate_is_away_counted_and_logged(
    source: Source, reason: str
) -> None:
    before = faults("src", reason)
    with logged("fx") as lines:
        feed = await opened(source)
        answers = [await feed.observe("USD", "INR") for _ in range(3)]

    assert answers == [None] * 3
    assert faults("src", reason) == before + 3
    said = [line for line in lines() if line["event"] == "rate_source_away"]
    # Said once: a call a second would fill the log with it.
    assert [(one["level"], one["source"], one["reason"], one["pair"]) for one in said] == [
        ("warning", "src", reason, "USD/INR")
    ]


async def test_an_answer_beyond_the_bounds_leaves_the_last_one_within_them() -> None:
    answers = [Decimal("84.5"), Decimal("0.0118"), Decimal("84.6")]
    bounds, wide = (Decimal(60), Decimal(110)), (Decimal("0.001"), Decimal(110))

    async def answer() -> Observation:
        return Observation(**{**GOOD, "mid": answers[0]})

    feed = await opened(Source(answer))
    mids = []
    for _ in range(3):
        observations = [await feed.observe("USD", "INR", one) for one in (bounds, wide)]
        mids.append([one.mid if one else None for one in observations])
        answers.pop(0)

    # Each corridor has the newest one that it believes.
    assert [[str(mid) for mid in both] for both in mids] == [
        ["84.5", "84.5"],
        ["84.5", "0.0118"],
        ["84.6", "84.6"],
    ]


async def test_clocks_may_differ_a_little() -> None:
    feed = await opened(answering_with(observed_at=NOW + timedelta(minutes=5)))

    assert await feed.observe("USD", "INR") is not None


async def test_a_pair_that_is_missing_is_no_fault() -> None:
    before = [faults("src", reason) for reason in ("error", "nonsense")]

    assert await (await opened(answering(None))).observe("USD", "INR") is None
    assert [faults("src", reason) for reason in ("error", "nonsense")] == before


async def test_a_made_up_rate_is_never_used_where_it_is_live() -> None:
    made_up = answering_with(synthetic=True)

    assert await (await opened(made_up, live=False)).observe("USD", "INR") is not None
    assert await (await opened(made_up, live=True)).observe("USD", "INR") is None


async def test_a_source_that_hangs_is_not_waited_for_again_at_once() -> None:
    async def hang() -> None:
        await asyncio.Event().wait()

    source, clock = Source(hang), Clock()
    feed = await opened(source, clock=clock)

    assert [await feed.observe("USD", "INR") for _ in range(2)] == [None, None]
    assert source.asked == 1
    clock.time += REST
    await feed.observe("USD", "INR")
    assert source.asked == 2


async def test_a_source_that_cannot_be_loaded_is_away_and_tried_again() -> None:
    loads, again, slept = 0, asyncio.Event(), list[float]()

    async def load() -> None:
        nonlocal loads
        loads += 1
        if loads == 1:
            raise ValueError("no table")

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await again.wait()

    source = answering_with()
    source._load = load
    feed = Feed("src", source, Clock(), sleep=sleep)
    await feed.open()

    assert await feed.observe("USD", "INR") is None
    again.set()
    await asyncio.wait_for(feed.loaded(), 5)
    assert await feed.observe("USD", "INR") is not None
    assert (loads, slept) == (2, [30.0])
    await feed.close()


async def test_a_source_whose_loading_hangs_keeps_nobody_from_starting() -> None:
    never = asyncio.Event()

    async def hang() -> None:
        await never.wait()

    source = answering_with()
    source._load = hang
    feed = Feed("src", source, Clock())

    await feed.open(wait_seconds=0.01)

    assert await feed.observe("USD", "INR") is None
    await feed.close()


async def test_a_source_is_refreshed_in_its_own_time_and_keeps_its_rates_on_a_fault() -> None:
    loads, pauses = 0, list[float]()
    turns = asyncio.Semaphore(0)
    slept = asyncio.Semaphore(0)

    async def load() -> None:
        nonlocal loads
        loads += 1
        if loads == 2:
            raise OSError("unreachable")

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        slept.release()
        await turns.acquire()

    async def observe() -> Observation:
        return Observation(**GOOD)

    before = faults("src", "load")
    feed = Feed("src", Source(observe, load, refresh_seconds=600), Clock(), sleep=sleep)
    await feed.open()
    for _ in range(2):
        await slept.acquire()
        assert await feed.observe("USD", "INR") is not None
        turns.release()
    await slept.acquire()

    assert (loads, pauses) == (3, [600, 30.0, 600])
    assert faults("src", "load") == before + 1
    assert await feed.observe("USD", "INR") is not None
    await feed.close()


async def test_a_source_that_never_changes_is_loaded_once() -> None:
    loads = 0

    async def load() -> None:
        nonlocal loads
        loads += 1

    async def sleep(_: float) -> None:
        raise AssertionError("there is nothing to wait for")

    source = answering_with()
    source._load = load
    feed = await opened(source, sleep=sleep)
    await asyncio.sleep(0)

    assert loads == 1
    await feed.close()


class Turns:
    """Pauses that a test ends one by one."""

    def __init__(self) -> None:
        self.pauses: list[float] = []
        self._slept, self._turns = asyncio.Semaphore(0), asyncio.Semaphore(0)

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self._slept.release()
        await self._turns.acquire()

    async def asleep(self) -> None:
        await asyncio.wait_for(self._slept.acquire(), 5)

    async def end(self) -> None:
        self._turns.release()
        await self.asleep()


def failures(source: str) -> float | None:
    return REGISTRY.get_sample_value("caravel_fx_source_failures", {"source": source})


async def test_a_source_that_fails_again_is_left_alone_for_longer() -> None:
    failing, turns, clock = True, Turns(), Clock()

    async def load() -> None:
        if failing:
            raise OSError

    source = answering_with()
    source._load, source.refresh_seconds = load, 600
    feed = Feed("tired", source, clock, sleep=turns.sleep)
    await feed.open()
    await turns.asleep()
    for _ in range(6):
        await turns.end()
    failed = failures("tired")
    failing = False
    await turns.end()
    back = failures("tired")
    failing = True
    await turns.end()

    assert turns.pauses == [30, 60, 120, 240, 480, 900, 900, 600, 30]
    assert (failed, back, failures("tired")) == (7, 0, 1)
    await feed.close()


@pytest.mark.parametrize(("asked", "pause"), [(0, 30), (20, 30), (1200, 1200), (10**6, 3600)])
async def test_a_source_may_ask_for_more_time(asked: int, pause: float) -> None:
    async def load() -> None:
        raise SourceAway("it answered 429", asked)

    turns, source, clock = Turns(), answering_with(), Clock()
    source._load = load
    feed = Feed("src", source, clock, sleep=turns.sleep)
    with logged("fx") as lines:
        await feed.open()
        await turns.asleep()

    assert turns.pauses == [pause]
    assert feed.refreshes_at == NOW + timedelta(seconds=pause)
    [line] = [line for line in lines() if line["event"] == "rate_source_away"]
    assert (line["reason"], line["error"]) == ("load", "it answered 429")
    await feed.close()


async def test_a_source_that_never_changes_is_not_read_again() -> None:
    feed = await opened(answering_with())

    assert feed.refreshes_at is None
    await feed.close()


async def test_a_load_that_never_ends_is_given_up_and_made_again() -> None:
    loads = 0

    async def load() -> None:
        nonlocal loads
        loads += 1
        if loads == 1:
            await asyncio.Event().wait()

    turns, source = Turns(), answering_with()
    source._load, source.refresh_seconds = load, 600
    feed = Feed("src", source, Clock(), load_seconds_max=0.01, sleep=turns.sleep)
    await feed.open()
    await turns.asleep()
    without = await feed.observe("USD", "INR")
    await turns.end()

    assert without is None
    assert await feed.observe("USD", "INR") is not None
    assert turns.pauses == [30, 600]
    await feed.close()
