"""The common floor of every service, over sockets: errors as one Status, traces, health,
reflection, and a stop that leaves nobody without an answer. The life of a whole process is in
test_run_service."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any, cast

import grpc
import pytest
from google.rpc import status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from grpc_status import rpc_status
from prometheus_client import REGISTRY

from services.shared import errors
from services.shared.grpc_status import to_status
from tests.logs import logged
from tests.polling import until
from tests.refusals import Busy, Expired, KeyReused, Missing, TooMuch
from tests.wire.shared.scripted import NAME, Scripted, serve, serving, stream, unary

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
REQUEST = ("x-request-id", "req-1")
CALLERS = 4000
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
Call = Callable[..., Coroutine[Any, Any, list[str]]]


class Counted(errors.NotAllowedNow):
    """Nobody else refuses with this reason."""

    reason = "COUNTED"


REFUSALS = [
    errors.field_invalid("user_id", "user_id must be a UUID"),
    TooMuch("Too much.", maximum="10000.00"),
    Missing(),
    Busy(),
    Expired(),
    errors.NotAuthenticated(),
    errors.Overloaded(),
    errors.Unavailable("The database cannot answer now. \N{SNOWMAN}"),
    KeyReused(),
]
both_ways = pytest.mark.parametrize("call", [unary, stream])


@pytest.fixture
def servicer() -> Scripted:
    return Scripted()


@pytest.fixture
async def channel(servicer: Scripted) -> AsyncIterator[grpc.aio.Channel]:
    async with serving(servicer) as target, grpc.aio.insecure_channel(target) as channel:
        yield channel


async def refusal_of(answer: Awaitable[Any]) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await answer
    return refused.value


def status_of(refused: grpc.aio.AioRpcError) -> status_pb2.Status:
    status: status_pb2.Status = rpc_status.from_call(cast("grpc.Call", refused))
    return status


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


@both_ways
async def test_successful_call_is_answered_and_counted(
    call: Call, channel: grpc.aio.Channel
) -> None:
    method = f"/{NAME}/{'ListProviders' if call is unary else 'Execute'}"
    before = counted("caravel_rpc_seconds_count", method=method, code="OK")

    answer = await call(channel)

    assert answer == (["acme"] if call is unary else ["last"])
    assert counted("caravel_rpc_seconds_count", method=method, code="OK") == before + 1


@both_ways
@pytest.mark.parametrize("error", REFUSALS, ids=lambda error: type(error).__name__)
async def test_a_refusal_is_one_status_with_the_name_of_the_request(
    call: Call, error: errors.DomainError, servicer: Scripted, channel: grpc.aio.Channel
) -> None:
    servicer.errors = [error]

    refused = await refusal_of(call(channel, metadata=[REQUEST]))

    assert status_of(refused) == to_status(error, "req-1")


@both_ways
async def test_a_refusal_is_counted_by_its_reason(
    call: Call, servicer: Scripted, channel: grpc.aio.Channel
) -> None:
    async def refusals() -> float:
        return counted("caravel_refusals_total", reason=Counted.reason)

    servicer.errors = [Counted(), Counted()]
    before = await refusals()

    await refusal_of(call(channel))
    await refusal_of(call(channel))

    # Each is counted once it has been sent.
    await until(refusals, lambda seen: seen == before + 2)


@pytest.mark.parametrize("error", REFUSALS, ids=lambda error: type(error).__name__)
async def test_a_refusal_after_some_answers_is_the_same_status(
    error: errors.DomainError, servicer: Scripted, channel: grpc.aio.Channel
) -> None:
    servicer.errors = [error]

    refused = await refusal_of(stream(channel, "one", "two", metadata=[REQUEST]))

    assert status_of(refused) == to_status(error, "req-1")


@both_ways
async def test_unexpected_error_is_internal_and_shows_no_details(
    call: Call, servicer: Scripted, channel: grpc.aio.Channel
) -> None:
    servicer.errors = [RuntimeError("the password is swordfish")]
    traceparent = ("traceparent", f"00-{TRACE_ID}-b7ad6b7169203331-01")

    with logged("providers") as lines:
        refused = await refusal_of(call(channel, metadata=[REQUEST, traceparent]))

    assert refused.code() is grpc.StatusCode.INTERNAL
    assert "swordfish" not in str(status_of(refused))
    assert "swordfish" not in str(refused.trailing_metadata())
    [failed] = [line for line in lines() if line["event"] == "call_failed"]
    assert (failed["trace_id"], failed["request_id"]) == (TRACE_ID, "req-1")
    assert failed["exception"][0]["exc_value"] == "the password is swordfish"
    assert failed["exception"][0]["frames"][-1]["name"] == "_take"


@pytest.mark.parametrize("unreadable", [b"\x0a\x02\xff\xfe", b"\x0a\x7f", b"\xff" * 9])
@pytest.mark.parametrize("method", ["ReadWebhooks", "Execute"])
async def test_a_request_that_cannot_be_read_is_the_callers_fault(
    channel: grpc.aio.Channel, method: str, unreadable: bytes
) -> None:
    path = f"/{NAME}/{method}"
    call: Any = channel.unary_stream(path) if method == "Execute" else channel.unary_unary(path)

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        if method == "Execute":
            [_ async for _ in call(unreadable)]
        else:
            await call(unreadable)

    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "Error" not in (caught.value.details() or "")


@both_ways
async def test_a_fault_fails_no_later_call(
    call: Call, servicer: Scripted, channel: grpc.aio.Channel
) -> None:
    servicer.errors = [RuntimeError("once")]
    await refusal_of(call(channel))

    assert await call(channel)


@both_ways
async def test_each_call_is_logged_once_with_how_it_ended(
    call: Call, servicer: Scripted, channel: grpc.aio.Channel
) -> None:
    servicer.errors = [Missing(), RuntimeError("once")]

    with logged("providers") as lines:
        await refusal_of(call(channel))
        await refusal_of(call(channel))
        await call(channel)

        async def ends() -> list[tuple[str, str]]:
            return [(one["code"], one["reason"]) for one in lines() if one["event"] == "call"]

        # A refusal is logged once it has been sent.
        seen = await until(ends, lambda seen: len(seen) >= 3)

    not_found = ("NOT_FOUND", Missing.reason)
    assert sorted(seen) == [("INTERNAL", "INTERNAL_ERROR"), not_found, ("OK", "")]


@both_ways
@pytest.mark.parametrize("kind", [Busy, errors.Overloaded, errors.Unavailable])
async def test_retryable_error_states_when_to_retry_in_its_trailers_only(
    call: Call,
    kind: type[errors.DomainError],
    servicer: Scripted,
    channel: grpc.aio.Channel,
) -> None:
    servicer.errors = [kind()]

    refused = await refusal_of(call(channel))

    assert dict(refused.trailing_metadata())["retry-after"] == "1"
    assert "retry-after" not in dict(refused.initial_metadata())


@both_ways
async def test_a_callers_trace_and_request_are_continued(
    call: Call, servicer: Scripted, channel: grpc.aio.Channel
) -> None:
    traceparent = ("traceparent", f"00-{TRACE_ID}-b7ad6b7169203331-01")

    await call(channel, metadata=[REQUEST, traceparent])

    assert servicer.contexts == [(TRACE_ID, "req-1")]


@both_ways
@pytest.mark.parametrize("metadata", [[], [("traceparent", "00-nonsense-01")]])
async def test_without_a_valid_traceparent_each_call_begins_a_trace(
    call: Call, metadata: list[Any], servicer: Scripted, channel: grpc.aio.Channel
) -> None:
    await call(channel, metadata=metadata)
    await call(channel, metadata=metadata)

    traces, requests = zip(*servicer.contexts, strict=True)
    assert [len(trace) for trace in traces] == [32, 32]
    assert len(set(traces)) == len(set(requests)) == 2
    assert all(requests)


@both_ways
async def test_a_caller_who_hangs_up_is_no_fault(
    call: Call, servicer: Scripted, channel: grpc.aio.Channel
) -> None:
    servicer.gate.clear()
    with logged("providers") as lines:
        hung_up = asyncio.create_task(call(channel))
        await servicer.entered.wait()
        hung_up.cancel()
        await servicer.left.wait()

        [line] = lines()
    assert (line["event"], line["code"], line["reason"]) == ("call", "CANCELLED", "")


async def test_each_of_many_callers_is_answered(
    servicer: Scripted, channel: grpc.aio.Channel
) -> None:
    """More than wait for Python while it is busy, as it is here with the callers themselves."""
    answers = await asyncio.gather(
        *(unary(channel) for _ in range(CALLERS)), return_exceptions=True
    )

    assert [answer for answer in answers if answer != ["acme"]] == []


async def test_a_health_check_overtakes_many_calls(
    servicer: Scripted, channel: grpc.aio.Channel
) -> None:
    health: Any = health_pb2_grpc.HealthStub(channel)
    many = [asyncio.create_task(unary(channel)) for _ in range(CALLERS)]
    # After each of the many callers has asked.
    await asyncio.sleep(0)

    await health.Check(health_pb2.HealthCheckRequest(service=NAME))
    answered = len(servicer.contexts)

    await asyncio.gather(*many)
    assert answered < CALLERS * 0.9


async def test_health_is_not_serving_until_it_is_set() -> None:
    server = serve(Scripted())
    await server.start("127.0.0.1", 0)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        requests = [health_pb2.HealthCheckRequest(service=name) for name in ("", NAME)]

        before = [(await health.Check(request)).status for request in requests]
        await server.set_serving()
        after = [(await health.Check(request)).status for request in requests]
    await server.stop(0)

    assert before == [NOT_SERVING, NOT_SERVING]
    assert after == [SERVING, SERVING]


async def test_a_service_nobody_added_has_no_health(channel: grpc.aio.Channel) -> None:
    request = health_pb2.HealthCheckRequest(service="caravel.nobody.v1.NobodyService")
    health: Any = health_pb2_grpc.HealthStub(channel)

    refused = await refusal_of(health.Check(request))

    assert refused.code() is grpc.StatusCode.NOT_FOUND


async def test_a_stop_says_so_first_and_lets_running_calls_finish() -> None:
    servicer = Scripted()
    servicer.gate.clear()
    server = serve(servicer)
    await server.start("127.0.0.1", 0)
    await server.set_serving()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        watch = health.Watch(health_pb2.HealthCheckRequest(service=NAME))
        assert (await watch.read()).status == SERVING
        running = asyncio.create_task(unary(channel))
        await servicer.entered.wait()

        stopping = asyncio.create_task(server.stop())
        assert (await watch.read()).status == NOT_SERVING
        watch.cancel()
        assert not stopping.done()
        servicer.gate.set()

        assert await running == ["acme"]
        await stopping
        refused = await refusal_of(unary(channel))
    assert refused.code() is grpc.StatusCode.UNAVAILABLE
    assert servicer.calls == 1


async def test_grace_ends() -> None:
    servicer = Scripted()
    servicer.gate.clear()
    server = serve(servicer)
    await server.start("127.0.0.1", 0)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        running = asyncio.create_task(unary(channel))
        await servicer.entered.wait()

        await server.stop(0)

        refused = await refusal_of(running)
    assert refused.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}


async def test_a_busy_port_is_an_error_in_one_sentence() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        with pytest.raises(OSError) as refused:
            await serve(Scripted()).start("127.0.0.1", port)

    assert str(refused.value) == f"cannot listen on 127.0.0.1:{port}: the port is in use"


async def test_a_port_another_of_us_serves_on_is_busy_too() -> None:
    async with serving(Scripted()) as target:
        with pytest.raises(OSError, match="is in use"):
            await serve(Scripted()).start("127.0.0.1", int(target.rpartition(":")[2]))


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
async def test_reflection_lists_and_describes_what_is_served(
    version: str, channel: grpc.aio.Channel
) -> None:
    ask = channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    requests = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol=NAME),
    ]

    listed, described = [answer async for answer in ask(iter(requests))]

    names = {service.name for service in listed.list_services_response.service}
    assert {NAME, "grpc.health.v1.Health"} <= names
    assert described.file_descriptor_response.file_descriptor_proto
