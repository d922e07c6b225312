"""The operators' listeners lead to the operators' calls and to nothing else, and the public ones to
everything else."""

from typing import Any

import aiohttp
import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_reflection.v1alpha import reflection_pb2
from grpc_status import rpc_status

from gateway.config import DESCRIPTOR
from gateway.contract import Listener, read_contract, verb_and_path
from tests.unit.gateway.conftest import Gateway

CONTRACT = read_contract(DESCRIPTOR)
CALLS = {
    listener: [
        (verb_and_path(rule), f"/{service}/{method.name}")
        for service, method, rule in CONTRACT.served_by(listener).bindings()
    ]
    for listener in Listener
}
OTHER = {Listener.PUBLIC: Listener.OPERATORS, Listener.OPERATORS: Listener.PUBLIC}
ADMIN = "caravel.payments.v1.AdminService"


def rest_of(gateway: Gateway, listener: Listener) -> str:
    return gateway.rest if listener is Listener.PUBLIC else gateway.operators


def target_of(gateway: Gateway, listener: Listener) -> str:
    return gateway.grpc if listener is Listener.PUBLIC else gateway.operators_grpc


@pytest.mark.parametrize("listener", Listener)
async def test_rest_of_the_other_listener_is_an_unknown_path(
    gateway: Gateway, listener: Listener
) -> None:
    async with aiohttp.ClientSession(rest_of(gateway, listener)) as http:
        async with http.get("/api/nonsense") as answer:
            nonsense = await answer.json()
        for (verb, path), _ in CALLS[OTHER[listener]]:
            async with http.request(verb, path.replace("{", "").replace("}", "")) as answer:
                body = await answer.json()
                assert answer.status == 404
                assert body["message"] == nonsense["message"]
                assert body["details"][0] == nonsense["details"][0]
                assert body["details"][0]["reason"] == "ROUTE_NOT_FOUND"
    assert not gateway.backend.requests


async def reason_of(channel: grpc.aio.Channel, method: str) -> tuple[grpc.StatusCode, str]:
    call: Any = channel.unary_unary(method)
    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await call(b"", timeout=10)
    error: Any = refusal.value
    status = rpc_status.from_call(error)
    assert status
    info = error_details_pb2.ErrorInfo()
    status.details[0].Unpack(info)
    return refusal.value.code(), info.reason


@pytest.mark.parametrize("listener", Listener)
async def test_native_calls_of_the_other_listener_are_unknown(
    gateway: Gateway, listener: Listener
) -> None:
    unknown = (grpc.StatusCode.UNIMPLEMENTED, "METHOD_UNKNOWN")
    async with grpc.aio.insecure_channel(target_of(gateway, listener)) as channel:
        assert await reason_of(channel, f"/{ADMIN}/Nonsense") == unknown
        for _, method in CALLS[OTHER[listener]]:
            assert await reason_of(channel, method) == unknown
    assert not gateway.backend.requests


@pytest.mark.parametrize("listener", Listener)
async def test_native_calls_of_a_listener_arrive(gateway: Gateway, listener: Listener) -> None:
    async with grpc.aio.insecure_channel(target_of(gateway, listener)) as channel:
        for _, method in CALLS[listener]:
            call: Any = channel.unary_unary(method)
            await call(b"", timeout=10)
    assert len(gateway.backend.requests) == len(CALLS[listener])


async def described(channel: grpc.aio.Channel, principals: str | None = None) -> tuple[Any, Any]:
    reflect: Any = channel.stream_stream(
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    questions = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol=ADMIN),
    ]
    metadata = (("x-caravel-principals", principals),) if principals else None
    listed, found = [one async for one in reflect(questions, timeout=10, metadata=metadata)]
    names = {one.name for one in listed.list_services_response.service}
    return {name for name in names if name.startswith("caravel.")}, found


async def test_reflection_describes_what_the_listener_leads_to(gateway: Gateway) -> None:
    async with grpc.aio.insecure_channel(gateway.grpc) as public:
        # A caller's own word about the listener is not believed.
        listed, found = await described(public, "OPERATOR")
    assert "caravel.payments.v1.PaymentService" in listed
    assert ADMIN not in listed
    assert found.HasField("error_response")

    async with grpc.aio.insecure_channel(gateway.operators_grpc) as operators:
        listed, found = await described(operators)
    others = (
        "CorridorVersionService",
        "InspectionService",
        "MerchantService",
        "OperatorKeyService",
        "OverviewService",
        "PauseService",
        "ProposalService",
        "RecoveryService",
        "ReplayService",
        "SearchService",
        "VerbService",
    )
    assert listed == {ADMIN, *(f"caravel.payments.v1.{name}" for name in others)}
    assert found.HasField("file_descriptor_response")


async def test_operators_have_a_page_a_document_and_health_of_their_own(gateway: Gateway) -> None:
    async with aiohttp.ClientSession(gateway.operators) as http:
        async with http.get("/openapi.json") as answer:
            paths = (await answer.json())["paths"]
        async with http.get("/docs") as page, http.get("/healthz") as health:
            statuses = (page.status, health.status)

    assert paths
    assert all(path.startswith("/api/admin/") for path in paths)
    assert statuses == (200, 200)
