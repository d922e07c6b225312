"""Every call of every service, with every certificate of the mesh: the contract names those that
may make it, and the others are refused before their message is read."""

from collections.abc import AsyncIterator
from importlib import import_module
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.message_factory import GetMessageClass
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_status import rpc_status

from deploy.authority import SERVICES
from gateway.contract import read_contract
from gateway.openapi import DESCRIPTOR
from services.shared.grpc_server import GrpcServer
from tests.identities import channel_as, identity_of

CONTRACT = read_contract(DESCRIPTOR)
OURS = {name: one for name, one in CONTRACT.services.items() if name.startswith("caravel.")}
CALLS = [f"/{name}/{method.name}" for name, service in OURS.items() for method in service.method]
# All calls but these are made by somebody outside of the mesh, and come from the gateway; those of
# operators from the console too.
INSIDE = {
    "/caravel.fees.v1.FeeService/CalculateFees": {"payments", "operator"},
    "/caravel.fees.v1.FeeService/CheckCorridors": {"payments"},
    "/caravel.fx.v1.FxService/CheckCorridors": {"payments"},
    "/caravel.providers.v1.ProviderService/CheckCorridors": {"payments"},
    "/caravel.fx.v1.FxService/GetRates": {"payments", "worker", "operator"},
    "/caravel.providers.v1.ProviderService/Execute": {"worker"},
    "/caravel.providers.v1.ProviderService/LookUp": {"payments", "worker"},
    "/caravel.providers.v1.ProviderService/ListBreakers": {"payments"},
    "/caravel.providers.v1.ProviderService/ListEvents": {"worker"},
    "/caravel.providers.v1.ProviderService/ListOperations": {"payments", "worker"},
    "/caravel.providers.v1.ProviderService/LookUpDispute": {"worker"},
    "/caravel.providers.v1.ProviderService/ReadWebhooks": {"payments"},
    "/caravel.providers.v1.ProviderService/ResolveRecipient": {"payments"},
    "/caravel.providers.v1.ProviderService/ListProviders": {"payments", "worker", "operator"},
}
OUTSIDE = {
    f"/{name}/{method.name}": {"gateway", "console"}
    if CONTRACT.access(method).principal == "OPERATOR"
    else {"gateway"}
    for name, service in OURS.items()
    for method in service.method
}
# A message that none of the services could read.
NOISE = b"\xff"


@pytest.fixture(scope="session")
async def target() -> AsyncIterator[str]:
    """A server with every service of ours, and no code behind any."""
    server = GrpcServer(identity=identity_of("payments"))
    for service in OURS:
        server.add(_registering(service), object(), service)
    await server.start("127.0.0.1", 0)
    await server.set_serving()
    yield f"127.0.0.1:{server.port}"
    await server.stop(0)


def _registering(service: str) -> Any:
    """Registers a service as its generated function does."""
    for file in FileDescriptorSet.FromString(DESCRIPTOR.read_bytes()).file:
        if file.name.startswith("caravel/"):
            import_module(file.name.removesuffix(".proto").replace("/", ".") + "_pb2")
    methods: Any = descriptor_pool.Default().FindServiceByName(service).methods_by_name

    def register(_: object, server: Any) -> None:
        handlers = {name: _handler(method) for name, method in methods.items()}
        server.add_registered_method_handlers(service, handlers)

    return register


def _handler(method: Any) -> Any:
    read = GetMessageClass(method.input_type).FromString
    make = grpc.unary_stream_rpc_method_handler
    if not method.server_streaming:
        make = grpc.unary_unary_rpc_method_handler
    return make(lambda *_: None, read)


async def reason_of(channel: grpc.aio.Channel, path: str) -> str:
    """Why a call is refused: that its message is noise, where it may be made."""
    call = channel.unary_stream(path)(NOISE, timeout=20)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        async for _ in call:
            raise AssertionError("noise is answered")
    status = rpc_status.from_call(refused.value)
    assert status is not None
    said = ErrorInfo()
    assert status.details[0].Unpack(said)
    return said.reason


def test_every_call_inside_is_one_of_these_and_there_are_others() -> None:
    inside = {
        f"/{name}/{method.name}"
        for name, service in OURS.items()
        for method in service.method
        if CONTRACT.access(method).principal == "SERVICE"
    }
    assert inside == INSIDE.keys()
    assert len(CALLS) > 30


@pytest.mark.parametrize("caller", SERVICES)
async def test_a_call_is_for_those_that_the_contract_names(target: str, caller: str) -> None:
    async with channel_as(caller, "payments", target) as channel:
        answers = {path: await reason_of(channel, path) for path in CALLS}

    allowed = {path for path in CALLS if caller in INSIDE.get(path, OUTSIDE[path])}
    refused = {path for path, reason in answers.items() if reason == "SERVICE_NOT_ALLOWED"}
    assert refused == set(CALLS) - allowed
    # The others have come as far as their message.
    assert {answers[path] for path in allowed} <= {"FIELD_INVALID"}


@pytest.mark.parametrize("caller", SERVICES)
async def test_health_and_reflection_are_for_every_certificate(target: str, caller: str) -> None:
    async with channel_as(caller, "payments", target) as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        answer = await health.Check(health_pb2.HealthCheckRequest(), timeout=20)
        reflection: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
        question = reflection_pb2.ServerReflectionRequest(list_services="")
        listed = await anext(aiter(reflection.ServerReflectionInfo(iter([question]), timeout=20)))

    assert answer.status == health_pb2.HealthCheckResponse.SERVING
    assert OURS.keys() <= {one.name for one in listed.list_services_response.service}


async def test_a_method_that_there_is_not_is_refused_to_everybody(target: str) -> None:
    async with channel_as("worker", "payments", target) as channel:
        assert await reason_of(channel, "/caravel.nobody.v1.Nobody/Nothing") == "METHOD_UNKNOWN"
