"""The service as its callers meet it: a real server and socket, over the shipped corridors."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import grpc
import pytest
from caravel.fx.v1 import fx_pb2, fx_pb2_grpc
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status
from prometheus_client import REGISTRY

from services.fx.assembly import assemble
from services.fx.config import Config
from services.fx.domain import Leg, Observation
from services.fx.ports import RateSource
from services.fx.sources.kit import Handed, Registration
from services.shared.corridors import CorridorFiles, CorridorsError, read_folder
from services.shared.deployment import Deployment
from tests.corridors import corridor_files, replaced

CORRIDORS = Path(__file__).parents[3] / "deploy" / "corridors"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


SATURDAY = datetime(2026, 11, 28, 12, tzinfo=UTC)


class FixedClock:
    def __init__(self, time: datetime = NOW) -> None:
        self.time = time

    def now(self) -> datetime:
        return self.time


class Yen:
    """A source that has seen one pair, long ago."""

    refresh_seconds: float | None = None

    def __init__(self, _: Handed) -> None:
        self.loaded = False

    async def load(self) -> None:
        self.loaded = True

    async def observe(self, base_currency: str, quote_currency: str) -> Observation | None:
        if quote_currency != "JPY":
            return None
        return Observation(
            mid=Decimal("149.317"),
            legs=(Leg("USD", "JPY", Decimal("149.317")),),
            observed_at=datetime(2026, 1, 1, tzinfo=UTC),
            fetched_at=NOW,
        )


YEN = {"yen": Registration(open=Yen)}


@pytest.fixture
async def channel() -> AsyncIterator[grpc.aio.Channel]:
    async with assemble(
        Config.load({"CORRIDORS_DIR": str(CORRIDORS), "DEPLOYMENT": "sandbox"}), clock=FixedClock()
    ) as server:
        await server.start("127.0.0.1", 0)
        await server.set_serving()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            yield channel
        await server.stop(0)


async def get_rates(channel: grpc.aio.Channel, *corridor_ids: str) -> list[fx_pb2.RateResult]:
    queries = [fx_pb2.RateQuery(corridor_id=corridor_id) for corridor_id in corridor_ids]
    stub = fx_pb2_grpc.FxServiceStub(channel)
    return list((await stub.GetRates(fx_pb2.GetRatesRequest(queries=queries), timeout=5)).results)


def reason_of(status: status_pb2.Status) -> str:
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    return str(info.reason)


async def test_rate_comes_with_its_whole_trail(channel: grpc.aio.Channel) -> None:
    [result] = await get_rates(channel, "us-in")

    rate = result.rate
    dollars, rupees = rate.legs
    assert (rate.base_currency, rate.quote_currency) == ("USD", "INR")
    assert (rate.source, rate.synthetic, rate.markup_basis_points) == ("ecb", False, 50)
    assert (dollars.base_currency, dollars.quote_currency) == ("EUR", "USD")
    assert (rupees.base_currency, rupees.quote_currency) == ("EUR", "INR")
    assert rate.fetched_at.ToDatetime(UTC) == NOW
    assert datetime(2026, 1, 1, tzinfo=UTC) < rate.observed_at.ToDatetime(UTC) < NOW
    middle = Decimal(rupees.rate) / Decimal(dollars.rate)
    assert abs(Decimal(rate.mid_rate) / middle - 1) < Decimal("1e-17")
    assert abs(Decimal(rate.rate) / middle - Decimal("0.995")) < Decimal("1e-17")


async def test_made_up_rate_is_labelled(channel: grpc.aio.Channel) -> None:
    [result] = await get_rates(channel, "us-ng")

    assert (result.rate.source, result.rate.synthetic) == ("synthetic", True)
    assert (result.rate.mid_rate, result.rate.rate) == ("1530.25", "1522.59875")


def override(**changes: Any) -> fx_pb2.RateOverride:
    usual: dict[str, Any] = {
        "override_id": "ovr_1",
        "rate": "1540.5",
        "expire_time": NOW + timedelta(seconds=1),
        "maximum_deviation_basis_points": 300,
        "proposed_by": "ada",
        "approved_by": "grace",
        "reason": "thin market",
    }
    return fx_pb2.RateOverride(**{**usual, **changes})


async def ask_with(
    channel: grpc.aio.Channel, *overrides: fx_pb2.RateOverride
) -> list[fx_pb2.RateResult]:
    queries = [fx_pb2.RateQuery(corridor_id="us-ng", override=one) for one in overrides]
    stub = fx_pb2_grpc.FxServiceStub(channel)
    return list((await stub.GetRates(fx_pb2.GetRatesRequest(queries=queries), timeout=5)).results)


async def test_each_query_gets_the_rate_by_its_own_override(channel: grpc.aio.Channel) -> None:
    none = fx_pb2.RateOverride(expire_time=NOW)
    margin = override(rate="", markup_basis_points=0)

    results = await ask_with(channel, override(), margin, none)

    rates = [result.rate for result in results]
    assert [rate.mid_rate for rate in rates] == ["1540.5", "1530.25", "1530.25"]
    assert [rate.rate for rate in rates] == ["1532.7975", "1530.25", "1522.59875"]
    assert [rate.override.market_mid_rate for rate in rates] == ["1530.25", "1530.25", ""]
    assert rates[0].override.approved_by == "grace"
    assert not rates[2].HasField("override")


@pytest.mark.parametrize("rate", ["1600", "a lot"])
async def test_an_override_too_far_from_the_market_refuses_its_query_alone(
    rate: str, channel: grpc.aio.Channel
) -> None:
    labels = {"corridor": "us-ng", "outcome": "out_of_bounds"}
    before = REGISTRY.get_sample_value("caravel_fx_overrides_total", labels) or 0

    far, near = await ask_with(channel, override(rate=rate), override())

    assert far.error.code == grpc.StatusCode.UNAVAILABLE.value[0]
    assert reason_of(far.error) == "FX_OVERRIDE_OUT_OF_BOUNDS"
    assert near.rate.mid_rate == "1540.5"
    assert REGISTRY.get_sample_value("caravel_fx_overrides_total", labels) == before + 1


async def test_an_override_cures_no_stale_rate(tmp_path: Path) -> None:
    config = write_corridor(tmp_path, '["yen"]', "maximum_age_hours = 24")

    async with assemble(config, clock=FixedClock(), catalogue=YEN) as server:
        await server.start("127.0.0.1", 0)
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            query = fx_pb2.RateQuery(corridor_id="us-jp", override=override(rate="149.317"))
            request = fx_pb2.GetRatesRequest(queries=[query])
            answer = await fx_pb2_grpc.FxServiceStub(channel).GetRates(request, timeout=5)
        await server.stop(0)

    assert reason_of(answer.results[0].error) == "FX_RATE_STALE"


async def test_bad_query_carries_its_own_error(channel: grpc.aio.Channel) -> None:
    results = await get_rates(channel, "us-jp", "us-zz", "", "us-mx")

    kinds = [result.WhichOneof("result") for result in results]
    assert kinds == ["rate", "error", "error", "rate"]
    assert [result.rate.quote_currency for result in results] == ["JPY", "", "", "MXN"]
    assert results[1].error.code == grpc.StatusCode.FAILED_PRECONDITION.value[0]
    assert reason_of(results[1].error) == "CORRIDOR_UNSUPPORTED"


async def test_thousand_queries_are_answered_in_their_order(channel: grpc.aio.Channel) -> None:
    results = await get_rates(channel, *["us-in", "us-ph"] * 500)

    assert [result.rate.quote_currency for result in results] == ["INR", "PHP"] * 500


async def test_one_query_too_many_refuses_the_call(channel: grpc.aio.Channel) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await get_rates(channel, *["us-in"] * 1001)

    status = rpc_status.from_call(refusal.value)
    assert refusal.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert reason_of(status) == "FIELD_INVALID"


async def test_health_says_serving(channel: grpc.aio.Channel) -> None:
    health = health_pb2_grpc.HealthStub(channel)
    request = health_pb2.HealthCheckRequest(service="caravel.fx.v1.FxService")

    answer = await health.Check(request, timeout=5)

    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def write_corridor(folder: Path, sources: str, fx: str = "") -> Config:
    text = (CORRIDORS / "us-jp.toml").read_text()
    text = text.replace('sources = ["ecb"]', f"sources = {sources}\n{fx}")
    (folder / "us-jp.toml").write_text(text)
    return Config.load({"CORRIDORS_DIR": str(folder), "DEPLOYMENT": "sandbox"})


async def test_sources_are_loaded_before_there_is_a_server(tmp_path: Path) -> None:
    created: list[Yen] = []

    def create(handed: Handed) -> RateSource:
        created.append(Yen(handed))
        return created[-1]

    catalogue = {"yen": Registration(open=create)}
    async with assemble(write_corridor(tmp_path, '["yen"]'), catalogue=catalogue):
        [source] = created
        assert source.loaded


async def test_source_that_no_corridor_names_is_not_even_made(tmp_path: Path) -> None:
    def refuse(_: Handed) -> RateSource:
        raise AssertionError("nobody asked for it")

    config = write_corridor(tmp_path, '["yen"]')

    async with assemble(config, catalogue={**YEN, "other": Registration(open=refuse)}) as server:
        assert server.port == 0


@pytest.mark.parametrize(
    ("limit", "corridor", "reason"),
    [("maximum_age_hours = 24", "us-jp", "FX_RATE_STALE"), ("", "us-in", "FX_RATE_UNAVAILABLE")],
)
async def test_corridor_without_a_usable_rate_is_answered_unavailable(
    limit: str, corridor: str, reason: str, tmp_path: Path
) -> None:
    config = write_corridor(tmp_path, '["yen"]', limit)
    india = (CORRIDORS / "us-in.toml").read_text().replace('"ecb"', '"yen"')
    (tmp_path / "us-in.toml").write_text(india)

    async with assemble(config, clock=FixedClock(), catalogue=YEN) as server:
        await server.start("127.0.0.1", 0)
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            [result] = await get_rates(channel, corridor)
        await server.stop(0)

    assert result.error.code == grpc.StatusCode.UNAVAILABLE.value[0]
    assert reason_of(result.error) == reason


async def test_service_refuses_to_start_with_an_unknown_source(tmp_path: Path) -> None:
    config = write_corridor(tmp_path, '["ecb", "crystal_ball"]')

    with pytest.raises(CorridorsError, match="us-jp names the rate source crystal_ball"):
        async with assemble(config):
            pass


class Broken(Yen):
    """A source that cannot even be loaded."""

    async def load(self) -> None:
        raise OSError("the table is gone")

    async def observe(self, base_currency: str, quote_currency: str) -> Observation | None:
        raise AssertionError("it is not loaded")


async def test_a_source_that_fails_at_its_load_leaves_the_service_and_the_next_source(
    tmp_path: Path,
) -> None:
    config = write_corridor(tmp_path, '["broken", "yen"]')
    catalogue = {**YEN, "broken": Registration(open=Broken)}

    async with assemble(
        config, clock=FixedClock(), catalogue=catalogue, load_seconds=0.01
    ) as server:
        await server.start("127.0.0.1", 0)
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            [result] = await get_rates(channel, "us-jp")
        await server.stop(0)

    assert (result.rate.source, result.rate.mid_rate) == ("yen", "149.317")


@pytest.mark.parametrize(
    ("fx", "missing"),
    [
        ("", "fx.maximum_age_hours is required where it is live"),
        ("maximum_age_hours = 72", "fx.sources names synthetic"),
    ],
)
async def test_service_refuses_to_start_live_without_an_age_limit_or_on_made_up_rates(
    fx: str, missing: str, tmp_path: Path
) -> None:
    sources = '["ecb", "synthetic"]' if fx else '["ecb"]'
    config = write_corridor(tmp_path, sources, fx).model_copy(
        update={"deployment": Deployment.LIVE}
    )

    with pytest.raises(CorridorsError, match=missing):
        async with assemble(config):
            pass


@pytest.mark.parametrize(
    ("terms", "now", "margin", "wait"),
    [
        ("closed_market_basis_points = 40", NOW, 0, None),
        ("closed_market_basis_points = 40", SATURDAY, 40, None),
        ("refused_while_closed = true", NOW, 0, None),
        ("refused_while_closed = true", SATURDAY, 0, 34 * 3600),
    ],
)
async def test_a_closed_market_is_stated_or_refused_until_it_opens(
    terms: str, now: datetime, margin: int, wait: int | None, tmp_path: Path
) -> None:
    config = write_corridor(tmp_path, '["yen"]', terms)

    async with assemble(config, clock=FixedClock(now), catalogue=YEN) as server:
        await server.start("127.0.0.1", 0)
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            [result] = await get_rates(channel, "us-jp")
        await server.stop(0)

    rate, retry = result.rate, error_details_pb2.RetryInfo()
    if wait is None:
        assert rate.closed_market_basis_points == margin
        kept = 1 - Decimal(rate.markup_basis_points + margin) / 10_000
        assert Decimal(rate.rate) == Decimal("149.317") * kept
    else:
        assert reason_of(result.error) == "FX_MARKET_CLOSED"
        assert any(detail.Unpack(retry) for detail in result.error.details)
        assert retry.retry_delay.seconds == wait


async def checked(channel: grpc.aio.Channel, files: CorridorFiles) -> str:
    """The refusal of these files, or nothing."""
    request = fx_pb2.CheckCorridorsRequest(files=corridor_files(files))
    try:
        await fx_pb2_grpc.FxServiceStub(channel).CheckCorridors(request, timeout=5)
    except grpc.aio.AioRpcError as error:
        status = rpc_status.from_call(error)  # type: ignore[arg-type]
        assert reason_of(status) == "CORRIDORS_REFUSED"
        return str(status.message)
    return ""


async def test_files_that_need_a_source_that_is_not_open_need_a_restart(
    channel: grpc.aio.Channel,
) -> None:
    assert not await checked(channel, read_folder(CORRIDORS))

    said = await checked(channel, replaced('sources = ["ecb"]', 'sources = ["frankfurter"]'))

    assert said == (
        "us-in.toml: it names the rate source frankfurter, which is not open; restart fx with "
        "these files first"
    )


async def test_a_pair_needs_a_restart_where_its_source_neither_asks_for_it_nor_has_it(
    channel: grpc.aio.Channel,
) -> None:
    # The bank publishes the franc, and no naira.
    swiss = replaced('currency = "INR"', 'currency = "CHF"')
    naira = replaced('currency = "INR"', 'currency = "NGN"')

    assert not await checked(channel, swiss)
    assert "USD/NGN of ecb, which does not ask for it" in await checked(channel, naira)
