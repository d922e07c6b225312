"""The service as its callers meet it: a real server and socket, over the shipped corridors."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest
from caravel.common.v1 import corridors_pb2, money_pb2
from caravel.fees.v1 import fees_pb2, fees_pb2_grpc
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from services.fees.assembly import assemble
from services.fees.config import Config
from services.shared.corridors import CorridorsError
from tests.corridors import corridor_files, replaced

CORRIDORS = Path(__file__).parents[3] / "deploy" / "corridors"


class FixedClock:
    def now(self) -> datetime:
        return datetime(2026, 11, 23, 12, tzinfo=UTC)


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


def query(
    corridor_id: str = "us-in", amount_minor: int = 10000, on_date: str = ""
) -> fees_pb2.FeeQuery:
    amount = money_pb2.Money(currency_code="USD", amount_minor=amount_minor)
    return fees_pb2.FeeQuery(corridor_id=corridor_id, amount=amount, on_date=on_date)


async def calculate(
    channel: grpc.aio.Channel, *queries: fees_pb2.FeeQuery
) -> list[fees_pb2.FeeResult]:
    stub = fees_pb2_grpc.FeeServiceStub(channel)
    request = fees_pb2.CalculateFeesRequest(queries=queries)
    return list((await stub.CalculateFees(request, timeout=5)).results)


def reason_of(status: status_pb2.Status) -> str:
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    return str(info.reason)


async def test_payment_is_priced_line_by_line(channel: grpc.aio.Channel) -> None:
    [result] = await calculate(channel, query())

    assert [(line.name, line.amount.amount_minor) for line in result.fees.lines] == [
        ("flat", 100),
        ("percentage", 150),
    ]
    assert result.fees.total == money_pb2.Money(currency_code="USD", amount_minor=250)
    assert result.fees.schedule_version == "2025-01"


async def test_bad_query_carries_its_own_error(channel: grpc.aio.Channel) -> None:
    results = await calculate(
        channel, query(), query(corridor_id="us-zz"), query(amount_minor=-1), query()
    )

    assert [result.WhichOneof("result") for result in results] == ["fees", "error", "error", "fees"]
    assert results[1].error.code == grpc.StatusCode.FAILED_PRECONDITION.value[0]
    assert reason_of(results[1].error) == "CORRIDOR_UNSUPPORTED"
    assert results[2].error.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert reason_of(results[2].error) == "FIELD_INVALID"


async def test_query_without_any_field_is_refused_alone(channel: grpc.aio.Channel) -> None:
    empty, good = await calculate(channel, fees_pb2.FeeQuery(), query())

    assert empty.WhichOneof("result") == "error"
    assert good.WhichOneof("result") == "fees"


async def test_thousand_queries_are_answered_in_their_order(channel: grpc.aio.Channel) -> None:
    amounts = range(100_000, 200_000, 100)

    results = await calculate(channel, *(query(amount_minor=amount) for amount in amounts))

    totals = [result.fees.total.amount_minor for result in results]
    assert len(totals) == 1000
    assert totals == sorted(totals)


async def test_one_query_too_many_refuses_the_call(channel: grpc.aio.Channel) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await calculate(channel, *[query()] * 1001)

    status = rpc_status.from_call(refusal.value)
    assert refusal.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert reason_of(status) == "FIELD_INVALID"


async def test_health_says_serving(channel: grpc.aio.Channel) -> None:
    health = health_pb2_grpc.HealthStub(channel)
    request = health_pb2.HealthCheckRequest(service="caravel.fees.v1.FeeService")

    answer = await health.Check(request, timeout=5)

    assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_service_refuses_to_start_without_corridors(tmp_path: Path) -> None:
    with pytest.raises(CorridorsError):
        async with assemble(Config.load({"CORRIDORS_DIR": str(tmp_path), "DEPLOYMENT": "live"})):
            pass


async def test_files_are_checked_and_not_kept(channel: grpc.aio.Channel) -> None:
    stub, files = fees_pb2_grpc.FeeServiceStub(channel), replaced("flat_usd", "flat_eur")
    request = fees_pb2.CheckCorridorsRequest(files=corridor_files(CORRIDORS))
    assert await stub.CheckCorridors(request, timeout=5) == fees_pb2.CheckCorridorsResponse()

    for wrong in (corridor_files(files), [*request.files, request.files[0]], []):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.CheckCorridors(fees_pb2.CheckCorridorsRequest(files=wrong), timeout=5)
        status = rpc_status.from_call(refused.value)  # type: ignore[arg-type]
        assert reason_of(status) == "CORRIDORS_REFUSED"

    [result] = await calculate(channel, query())
    assert result.HasField("fees")


async def test_an_unknown_version_is_refused_as_a_whole(channel: grpc.aio.Channel) -> None:
    stub = fees_pb2_grpc.FeeServiceStub(channel)
    named = corridors_pb2.CorridorsVersion(version="0" * 64)
    request = fees_pb2.CalculateFeesRequest(queries=[query()], corridors=named)

    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stub.CalculateFees(request, timeout=5)

    status = rpc_status.from_call(refused.value)  # type: ignore[arg-type]
    assert reason_of(status) == "CORRIDORS_VERSION_UNKNOWN"
