"""Each source against each fault of a server, through the whole service: it is away, or a pair is
missing; no other item of the batch notices, and no wrong rate ever comes out."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import grpc
import pytest
from aiohttp import web
from caravel.fx.v1 import fx_pb2, fx_pb2_grpc
from google.rpc import error_details_pb2

from services.fx.assembly import assemble
from services.fx.config import Config
from services.fx.domain import Leg, Observation
from services.fx.sources import SOURCES as TABLE
from services.fx.sources.kit import Handed, Registration
from tests.contract.lab import serving
from tests.corridors import SHIPPED
from tests.logs import logged
from tests.wire.fx.sources import (
    ECHO,
    FAULTS,
    GOOD,
    KEY,
    NOW,
    SOURCES,
    Behaviour,
    Facts,
    Server,
    answering,
    dated,
    environment,
    good,
)

each_source = pytest.mark.parametrize("facts", SOURCES, ids=lambda facts: facts.name)
BOUNDS = {"us-in": ("60", "110"), "us-ph": ("40", "80"), "us-jp": ("100", "200")}


@dataclass
class Clock:
    """Stands still until a test moves it."""

    time: datetime = NOW

    def now(self) -> datetime:
        return self.time


@dataclass
class Gate:
    """All pauses of the service: they end together, when a test says so."""

    sleepers: list[asyncio.Event] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    _asleep: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def sleep(self, seconds: float) -> None:
        over = asyncio.Event()
        async with self._asleep:
            self.sleepers.append(over)
            self.pauses.append(seconds)
            self._asleep.notify_all()
        await over.wait()

    async def end(self) -> None:
        """Ends the pauses, and returns once all sleep again, so that every load is over."""
        async with self._asleep:
            ended, self.sleepers = self.sleepers, []
            for over in ended:
                over.set()
            await asyncio.wait_for(
                self._asleep.wait_for(lambda: len(self.sleepers) == len(ended)), 20
            )


class Backup:
    """A source without a server, for every pair."""

    refresh_seconds: float | None = None

    def __init__(self, _: Handed) -> None:
        pass

    async def load(self) -> None:
        pass

    async def observe(self, base_currency: str, quote_currency: str) -> Observation | None:
        mid = {"INR": Decimal(85), "JPY": Decimal(150)}[quote_currency]
        leg = Leg(base_currency, quote_currency, mid)
        return Observation(mid=mid, legs=(leg,), observed_at=NOW, fetched_at=NOW)


def write_corridors(folder: Path, name: str, fx: str = "maximum_age_hours = 30") -> None:
    """us-in asks this source and then another one, us-ph this one alone, us-jp the other alone."""
    sources = {"us-in": [name, "backup"], "us-ph": [name], "us-jp": ["backup"]}
    for corridor, names in sources.items():
        text = (SHIPPED / f"{corridor}.toml").read_text()
        lowest, highest = BOUNDS[corridor]
        bounds = f'mid_bounds = {{ lowest = "{lowest}", highest = "{highest}" }}'
        assert 'sources = ["ecb"]' in text
        text = text.replace('sources = ["ecb"]', f"sources = {names}\n{bounds}\n{fx}")
        (folder / f"{corridor}.toml").write_text(text)


@dataclass
class Lab:
    """The service, and the source's server."""

    channel: grpc.aio.Channel
    server: Server
    gate: Gate
    clock: Clock

    async def ask(self, *corridor_ids: str) -> dict[str, fx_pb2.RateResult]:
        ids = corridor_ids or ("us-in", "us-ph", "us-jp")
        queries = [fx_pb2.RateQuery(corridor_id=one) for one in ids]
        stub = fx_pb2_grpc.FxServiceStub(self.channel)
        answer = await stub.GetRates(fx_pb2.GetRatesRequest(queries=queries), timeout=5)
        return dict(zip(ids, answer.results, strict=True))


@asynccontextmanager
async def laboratory(
    facts: Facts, behave: Behaviour, folder: Path, fx: str = "maximum_age_hours = 30"
) -> AsyncIterator[Lab]:
    server, gate, clock = Server(facts, behave), Gate(), Clock()
    write_corridors(folder, facts.name, fx)
    table = {**TABLE, "backup": Registration(open=Backup)}
    async with serving(server.app()) as url:
        config = Config.load(environment(facts, url, folder), sources=table)
        async with replica(config, clock, gate) as channel:
            yield Lab(channel, server, gate, clock)


@asynccontextmanager
async def replica(config: Config, clock: Clock, gate: Gate) -> AsyncIterator[grpc.aio.Channel]:
    table = {**TABLE, "backup": Registration(open=Backup)}
    async with assemble(
        config, clock=clock, catalogue=table, request_seconds=0.5, sleep=gate.sleep
    ) as fx:
        await fx.start("127.0.0.1", 0)
        async with grpc.aio.insecure_channel(f"127.0.0.1:{fx.port}") as channel:
            yield channel
        await fx.stop(0)


def reason_of(result: fx_pb2.RateResult) -> str:
    info = error_details_pb2.ErrorInfo()
    return info.reason if result.error.details and result.error.details[0].Unpack(info) else ""


def retry_seconds(result: fx_pb2.RateResult) -> int | None:
    retry = error_details_pb2.RetryInfo()
    found = [detail.Unpack(retry) for detail in result.error.details]
    return retry.retry_delay.seconds if any(found) else None


def mids(results: dict[str, fx_pb2.RateResult]) -> dict[str, str]:
    return {one: result.rate.mid_rate for one, result in results.items()}


AWAY = {"us-in": "85", "us-ph": "", "us-jp": "150"}
USED = {"us-in": GOOD["INR"], "us-ph": GOOD["PHP"], "us-jp": "150"}


@each_source
async def test_a_good_answer_is_a_rate_with_its_whole_trail(facts: Facts, tmp_path: Path) -> None:
    async with laboratory(facts, good, tmp_path) as lab:
        rate = (await lab.ask())["us-in"].rate

    assert (rate.mid_rate, rate.synthetic) == (GOOD["INR"], False)
    assert rate.source.partition(":")[0] == facts.name
    at = NOW.replace(hour=0) if facts.name == "frankfurter" else NOW
    assert rate.observed_at.ToDatetime(UTC) == at
    assert rate.fetched_at.ToDatetime(UTC) == NOW
    assert [(leg.base_currency, leg.quote_currency, leg.rate) for leg in rate.legs] == [
        ("USD", "INR", GOOD["INR"])
    ]
    body = Server(facts, good).body().encode()
    assert rate.payload_sha256 == hashlib.sha256(body).hexdigest()


@each_source
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_is_a_source_that_is_away_and_never_a_wrong_rate(
    facts: Facts, fault: str, tmp_path: Path
) -> None:
    with logged("fx") as lines:
        async with laboratory(facts, FAULTS[fault], tmp_path) as lab:
            first = await lab.ask()
            lab.server.behave = good
            await lab.gate.end()
            recovered = await lab.ask()
            lab.server.behave = FAULTS[fault]
            await lab.gate.end()
            last_good = await lab.ask()
            address = str(lab.server.requests[0].url.origin())

    assert mids(first) == AWAY
    assert reason_of(first["us-ph"]) == "FX_RATE_UNAVAILABLE"
    assert retry_seconds(first["us-ph"]) in (30, 3600)
    assert mids(recovered) == USED
    assert mids(last_good) == USED
    said = repr(lines())
    assert KEY not in said
    assert address not in said


@pytest.mark.parametrize("facts", SOURCES[1:], ids=lambda facts: facts.name)
async def test_an_answer_that_repeats_the_key_goes_no_further(facts: Facts, tmp_path: Path) -> None:
    async with laboratory(facts, ECHO, tmp_path) as lab:
        assert mids(await lab.ask()) == AWAY


@each_source
async def test_a_pair_that_is_missing_leaves_the_others(facts: Facts, tmp_path: Path) -> None:
    only = answering(lambda server: server.body({"PHP": GOOD["PHP"]}))
    async with laboratory(facts, only, tmp_path) as lab:
        assert mids(await lab.ask()) == USED | {"us-in": "85"}


@each_source
async def test_an_absurd_value_of_one_pair_leaves_the_others(facts: Facts, tmp_path: Path) -> None:
    one = answering(lambda server: server.body({**GOOD, "INR": "0"}))
    async with laboratory(facts, one, tmp_path) as lab:
        assert mids(await lab.ask()) == USED | {"us-in": "85"}


@each_source
async def test_an_old_rate_is_stale_until_a_newer_one_comes(facts: Facts, tmp_path: Path) -> None:
    async with laboratory(facts, dated(timedelta(days=-4)), tmp_path) as lab:
        old = await lab.ask()
        lab.clock.time += timedelta(seconds=600)
        later = await lab.ask("us-ph")
        lab.server.behave = good
        await lab.gate.end()
        new = await lab.ask()

    assert mids(old) == AWAY
    assert [reason_of(one["us-ph"]) for one in (old, later)] == ["FX_RATE_STALE"] * 2
    # As long as it takes until the source is read again.
    assert [retry_seconds(one["us-ph"]) for one in (old, later)] == [3600, 3000]
    assert mids(new) == USED


@each_source
async def test_an_older_answer_takes_no_newer_ones_place(facts: Facts, tmp_path: Path) -> None:
    async with laboratory(facts, good, tmp_path) as lab:
        lab.server.behave = answering(
            lambda server: server.body({"INR": "80", "PHP": "50"}, NOW - timedelta(days=1))
        )
        await lab.gate.end()
        assert mids(await lab.ask()) == USED


@each_source
async def test_the_last_good_rate_holds_up_to_its_age_limit(facts: Facts, tmp_path: Path) -> None:
    async with laboratory(facts, good, tmp_path) as lab:
        lab.server.behave = FAULTS["500"]
        lab.clock.time += timedelta(hours=17)
        await lab.gate.end()
        held = await lab.ask("us-ph")
        lab.clock.time += timedelta(hours=14)
        await lab.gate.end()
        over = await lab.ask("us-ph")

    assert mids(held) == {"us-ph": GOOD["PHP"]}
    assert reason_of(over["us-ph"]) == "FX_RATE_STALE"


@each_source
async def test_calls_are_answered_from_memory_while_a_load_hangs(
    facts: Facts, tmp_path: Path
) -> None:
    async with laboratory(facts, good, tmp_path) as lab:
        asked, answer = asyncio.Event(), asyncio.Event()

        async def wait(server: Server, request: object) -> object:
            asked.set()
            await answer.wait()
            return await good(server, request)  # type: ignore[arg-type]

        lab.server.behave = wait  # type: ignore[assignment]
        ended = asyncio.create_task(lab.gate.end())
        await asyncio.wait_for(asked.wait(), 5)
        answers = await asyncio.gather(*(lab.ask() for _ in range(50)))
        assert not answer.is_set()
        answer.set()
        await ended

    assert [mids(one) for one in answers] == [USED] * 50
    # One request for the start and one for the refresh, however many ask.
    assert len(lab.server.requests) == 2


@each_source
async def test_a_source_that_fails_is_left_alone_for_longer_each_time(
    facts: Facts, tmp_path: Path
) -> None:
    async with laboratory(facts, FAULTS["500"], tmp_path) as lab:
        for _ in range(6):
            await lab.gate.end()
        failing = [pause for pause in lab.gate.pauses if pause != 30][:6]
        lab.server.behave = good
        await lab.gate.end()

    assert failing == [60, 120, 240, 480, 900, 900]
    assert lab.gate.pauses.count(3600) == 1


@each_source
async def test_a_source_that_asks_for_time_gets_it(facts: Facts, tmp_path: Path) -> None:
    async def limited(_: Server, __: object) -> web.Response:
        return web.Response(status=429, headers={"retry-after": "1200"})

    async with laboratory(facts, limited, tmp_path) as lab:  # type: ignore[arg-type]
        refused = (await lab.ask())["us-ph"]

    assert retry_seconds(refused) == 1200


@each_source
async def test_two_replicas_agree_after_one_refresh(facts: Facts, tmp_path: Path) -> None:
    async with laboratory(facts, good, tmp_path) as lab:
        config = Config.load(
            environment(facts, str(lab.server.requests[0].url.origin()), tmp_path),
            sources={**TABLE, "backup": Registration(open=Backup)},
        )
        gate = Gate()
        async with replica(config, lab.clock, gate) as channel:
            other = Lab(channel, lab.server, gate, lab.clock)
            before = [mids(await one.ask()) for one in (lab, other)]
            lab.server.behave = answering(lambda server: server.body({**GOOD, "INR": "84.6"}))
            await lab.gate.end()
            between = [mids(await one.ask()) for one in (lab, other)]
            await gate.end()
            after = [mids(await one.ask()) for one in (lab, other)]

    assert before == [USED, USED]
    assert between == [USED | {"us-in": "84.6"}, USED]
    assert after == [USED | {"us-in": "84.6"}] * 2


@pytest.mark.parametrize("facts", SOURCES[1:], ids=lambda facts: facts.name)
async def test_a_key_follows_its_file(facts: Facts, tmp_path: Path) -> None:
    server, gate = Server(facts, good), Gate()
    write_corridors(tmp_path, facts.name)
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n")
    async with serving(server.app()) as url:
        variables = environment(facts, url, tmp_path)
        [name] = [name for name, value in variables.items() if value == KEY]
        del variables[name]
        table = {**TABLE, "backup": Registration(open=Backup)}
        later = NOW.timestamp() + 10**9
        config = Config.load({**variables, f"{name}_FILE": str(file)}, lambda: later, sources=table)
        async with replica(config, Clock(), gate):
            beside = tmp_path / "beside"
            beside.write_text("k-another-key-of-ours")
            beside.replace(file)
            await gate.end()

    sent = [f"{request.headers} {request.rel_url}" for request in server.requests]
    assert [KEY in one for one in sent] == [True, False]
    assert ["k-another-key-of-ours" in one for one in sent] == [False, True]
