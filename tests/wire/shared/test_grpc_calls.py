"""Calls as no generated client makes them: without a message, without an end, without credentials,
of a method that nobody serves. Each is answered in the one shape, and takes nothing from others."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, cast

import grpc
import pytest
from caravel.providers.v1 import providers_pb2, providers_pb2_grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from services.shared.errors import NotAuthenticated
from services.shared.grpc_calls import Caller, wrapper
from services.shared.grpc_server import GrpcServer
from services.shared.limits import MESSAGE_MAX_BYTES
from tests.logs import logged
from tests.wire.shared.scripted import NAME, Scripted, serving, unary

HELD = 2100
SERVED = ["ListProviders", "Execute"]
HEALTH = "/grpc.health.v1.Health"
REFLECTION = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
REQUEST = (("x-request-id", "req-1"),)


def begin(channel: grpc.aio.Channel, path: str, **options: Any) -> Any:
    """A call whose HEADERS are sent, and nothing else."""
    return channel.stream_stream(path)(timeout=60, **options)


async def ended(call: Any) -> Any:
    """The call's refusal, read to its end."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        async for _ in call:
            pass
    return refused.value


def reason_and_request_id(refused: grpc.aio.AioRpcError) -> tuple[str, str]:
    """The reason and the request id that the one shape of an error carries."""
    status = rpc_status.from_call(cast("grpc.Call", refused))
    assert status is not None
    info, request = error_details_pb2.ErrorInfo(), error_details_pb2.RequestInfo()
    assert status.details[0].Unpack(info)
    assert status.details[-1].Unpack(request)
    return info.reason, request.request_id


@pytest.fixture
def servicer() -> Scripted:
    return Scripted()


@pytest.fixture
async def channel(servicer: Scripted) -> AsyncIterator[grpc.aio.Channel]:
    async with serving(servicer) as target, grpc.aio.insecure_channel(target) as opened:
        yield opened


@asynccontextmanager
async def served(servicer: Scripted, **settings: Any) -> AsyncIterator[grpc.aio.Channel]:
    """The same service by a server of these settings."""
    server = GrpcServer(**settings)
    server.add(providers_pb2_grpc.add_ProviderServiceServicer_to_server, servicer, NAME)
    await server.start("127.0.0.1", 0)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as opened:
        yield opened
    await server.stop(0)


@pytest.mark.parametrize(
    "path", [*(f"/{NAME}/{method}" for method in SERVED), f"{HEALTH}/Check", f"{HEALTH}/Watch"]
)
async def test_a_call_without_a_message_is_refused(
    channel: grpc.aio.Channel, servicer: Scripted, path: str
) -> None:
    call = begin(channel, path, metadata=REQUEST)
    await call.done_writing()

    refused = await ended(call)

    assert refused.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert reason_and_request_id(refused) == ("MESSAGE_MISSING", "req-1")
    assert servicer.calls == 0


@pytest.mark.parametrize(
    "path", [*(f"/{NAME}/{method}" for method in SERVED), f"{HEALTH}/Check", f"{HEALTH}/Watch"]
)
async def test_a_second_message_is_refused(
    channel: grpc.aio.Channel, servicer: Scripted, path: str
) -> None:
    call = begin(channel, path, metadata=REQUEST)
    for _ in range(2):
        await call.write(b"")

    refused = await ended(call)

    assert refused.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert reason_and_request_id(refused) == ("MESSAGE_SURPLUS", "req-1")
    assert servicer.calls == 0


@pytest.mark.parametrize("method", SERVED)
async def test_a_call_made_of_a_rest_request_is_answered_after_its_one_message(
    channel: grpc.aio.Channel, servicer: Scripted, method: str
) -> None:
    """Its end does not come, and the call is not waited with."""
    metadata = (*REQUEST, ("x-envoy-original-path", "/api/payments"))
    call = begin(channel, f"/{NAME}/{method}", metadata=metadata)
    await call.write(b"")

    assert await call.read() is not grpc.aio.EOF
    assert servicer.calls == 1


@pytest.mark.parametrize("method", SERVED)
async def test_a_message_that_does_not_come_is_not_awaited_for_ever(
    servicer: Scripted, method: str
) -> None:
    settings = {"wrap": partial(wrapper, message_seconds=0.05)}
    async with served(servicer, **settings) as channel:
        refused = await ended(begin(channel, f"/{NAME}/{method}", metadata=REQUEST))

    assert refused.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert reason_and_request_id(refused) == ("REQUEST_TOO_SLOW", "req-1")
    assert servicer.calls == 0


async def test_a_conversation_that_falls_silent_is_ended(servicer: Scripted) -> None:
    settings = {"wrap": partial(wrapper, conversation_seconds=0.05)}
    async with served(servicer, **settings) as channel:
        refused = await ended(begin(channel, REFLECTION, metadata=REQUEST))

    assert reason_and_request_id(refused) == ("REQUEST_TOO_SLOW", "req-1")


async def nobody(_: str, __: Caller) -> None:
    raise NotAuthenticated


@pytest.mark.parametrize("method", SERVED)
async def test_credentials_are_asked_for_before_the_message(
    servicer: Scripted, method: str
) -> None:
    """The message never comes, and the refusal does."""
    async with served(servicer, admit=nobody) as channel:
        refused = await ended(begin(channel, f"/{NAME}/{method}", metadata=REQUEST))

    assert refused.code() is grpc.StatusCode.UNAUTHENTICATED
    assert reason_and_request_id(refused) == ("CREDENTIALS_MISSING", "req-1")


async def test_health_and_reflection_ask_for_no_credentials(servicer: Scripted) -> None:
    async with served(servicer, admit=nobody) as channel:
        check = begin(channel, f"{HEALTH}/Check")
        await check.write(b"")
        await check.done_writing()
        assert await check.read()

        listing = begin(channel, REFLECTION)
        await listing.write(b"\x3a\x00")
        assert NAME.encode() in await listing.read()


@pytest.mark.parametrize(
    "path", [f"/{NAME}/Nothing", "/caravel.nobody.v1.NobodyService/Get", "/x", f"{HEALTH}/Nothing"]
)
async def test_a_method_that_nobody_serves_is_refused_in_the_one_shape(
    channel: grpc.aio.Channel, path: str
) -> None:
    with logged("providers") as lines:
        refused = await ended(begin(channel, path, metadata=REQUEST))
        [line] = [one for one in lines() if one["event"] == "call"]

    assert refused.code() is grpc.StatusCode.UNIMPLEMENTED
    assert reason_and_request_id(refused) == ("METHOD_UNKNOWN", "req-1")
    assert path not in line.values()


@pytest.mark.parametrize("method", ["Execute", "LookUp"])
async def test_a_number_that_an_enum_does_not_have_is_refused_by_name(
    channel: grpc.aio.Channel, servicer: Scripted, method: str
) -> None:
    request = providers_pb2.ExecuteRequest(
        operations=[
            providers_pb2.Operation(kind=providers_pb2.PAYOUT),
            providers_pb2.Operation(kind=99),  # type: ignore[arg-type] - as any client may
        ]
    )
    call = begin(channel, f"/{NAME}/{method}")
    await call.write(request.SerializeToString())

    refused = await ended(call)

    assert refused.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "operations[1].kind" in (refused.details() or "")
    assert servicer.calls == 0


async def test_a_message_larger_than_the_server_takes_never_reaches_it(
    channel: grpc.aio.Channel, servicer: Scripted
) -> None:
    call = begin(channel, f"/{NAME}/ListProviders")
    await call.write(bytes(MESSAGE_MAX_BYTES + 1))

    refused = await ended(call)

    assert refused.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert servicer.calls == 0


async def test_many_headers_within_the_bound_are_all_served(channel: grpc.aio.Channel) -> None:
    """gRPC's own bound would turn some of them away by lot."""
    metadata = (("x-long", "x" * 10_000),)

    for _ in range(20):
        assert await unary(channel, metadata=metadata) == ["acme"]


@pytest.mark.parametrize(
    "path", [f"/{NAME}/ListProviders", f"{HEALTH}/Watch", f"{HEALTH}/Check", REFLECTION]
)
@pytest.mark.parametrize("with_end", [True, False])
async def test_others_are_served_beside_calls_that_are_held(
    channel: grpc.aio.Channel, path: str, with_end: bool
) -> None:
    target_held = [begin(channel, path) for _ in range(HELD)]
    if with_end:
        await asyncio.gather(*(call.done_writing() for call in target_held))

    assert await asyncio.gather(*(unary(channel) for _ in range(50))) == [["acme"]] * 50

    for call in target_held:
        call.cancel()


async def test_of_one_connection_only_so_many_may_watch(channel: grpc.aio.Channel) -> None:
    calls = [begin(channel, f"{HEALTH}/Watch") for _ in range(200)]
    for call in calls:
        await call.write(b"")
        await call.done_writing()

    answers = await asyncio.gather(*(call.read() for call in calls), return_exceptions=True)

    refused = [one for one in answers if isinstance(one, grpc.aio.AioRpcError)]
    assert {reason_and_request_id(one)[0] for one in refused} == {"OVERLOADED"}
    assert len(answers) - len(refused) == 128
    for call in calls:
        call.cancel()
