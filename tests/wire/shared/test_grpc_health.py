"""gRPC's health service: for all services of a process at once, and for who watches."""

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.shared.errors import Unavailable
from services.shared.grpc_server import GrpcServer
from services.shared.readiness import Readiness
from tests.wire.shared.scripted import NAME, Scripted, serving
from tests.wire.shared.test_grpc_calls import reason_and_request_id

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICE_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


@pytest.fixture
async def health() -> AsyncIterator[Any]:
    async with serving(Scripted()) as target, grpc.aio.insecure_channel(target) as channel:
        yield health_pb2_grpc.HealthStub(channel)


async def test_a_service_that_nobody_serves_is_refused_in_the_one_shape(health: Any) -> None:
    request = health_pb2.HealthCheckRequest(service="caravel.nobody.v1.NobodyService")

    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await health.Check(request, metadata=(("x-request-id", "req-1"),), timeout=10)

    assert refused.value.code() is grpc.StatusCode.NOT_FOUND
    assert reason_and_request_id(refused.value) == ("HEALTH_UNKNOWN", "req-1")


async def test_a_watch_of_such_a_service_answers_that_it_is_unknown(health: Any) -> None:
    watch = health.Watch(health_pb2.HealthCheckRequest(service="nobody"))

    assert (await watch.read()).status == SERVICE_UNKNOWN
    watch.cancel()


async def test_all_states_are_listed(health: Any) -> None:
    answer = await health.List(health_pb2.HealthListRequest(), timeout=10)

    assert {name: one.status for name, one in answer.statuses.items()} == {
        "": SERVING,
        NAME: SERVING,
    }


async def test_a_process_that_cannot_work_says_so_to_who_watches_until_it_can() -> None:
    failing = True

    async def ask() -> None:
        if failing:
            raise Unavailable

    server = GrpcServer(
        readiness=lambda report: Readiness(ask, report, every_seconds=0.01, patience=0)
    )
    await server.start("127.0.0.1", 0)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        await server.set_serving()
        watch = stub.Watch(health_pb2.HealthCheckRequest(), timeout=10)
        while (await watch.read()).status == SERVING:
            pass
        failing = False
        assert (await watch.read()).status == SERVING
        watch.cancel()
    await server.stop(0)
