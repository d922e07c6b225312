"""Errors on the native listener: the answer of Envoy, and of gRPC below the service, is a Status
with a reason and the request's id, in words of ours."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import aiohttp
import grpc
import pytest
from caravel.payments.v1 import payments_pb2
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from tests.unit.gateway.conftest import Backend, Gateway, created, run_envoy, start_backend
from tests.unit.gateway.test_native_grpc import stub

CREATE = "/caravel.payments.v1.PaymentService/CreatePayment"


async def refusal(call: Any) -> tuple[grpc.StatusCode, str]:
    """The code and reason of a refusal, whose request id must be the one in its headers."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call.read() if hasattr(call, "read") else await call
    error = refused.value
    headers = {**dict(error.initial_metadata()), **dict(error.trailing_metadata())}
    status = rpc_status.from_call(cast("grpc.Call", error))
    assert status is not None, error
    info, request = error_details_pb2.ErrorInfo(), error_details_pb2.RequestInfo()
    assert status.details[0].Unpack(info)
    assert status.details[-1].Unpack(request)
    assert info.domain == "caravel.dev"
    assert request.request_id == headers["x-request-id"]
    assert not {"x-error-reason", "x-error-request-id"} & headers.keys()
    assert "upstream" not in str(error.details())
    return error.code(), info.reason


def begin(channel: grpc.aio.Channel, path: str, **options: Any) -> Any:
    return channel.stream_stream(path)(timeout=20, **options)


@pytest.mark.parametrize(
    "path", ["/caravel.fees.v1.FeeService/CalculateFees", "/x", "/caravel.payments.v1.Nobody/Get"]
)
async def test_an_unknown_method(gateway: Gateway, channel: grpc.aio.Channel, path: str) -> None:
    call = begin(channel, path)
    await call.write(b"")
    await call.done_writing()

    assert await refusal(call) == (grpc.StatusCode.UNIMPLEMENTED, "METHOD_UNKNOWN")


@pytest.mark.parametrize(
    "path", [CREATE, "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"]
)
async def test_a_call_without_a_message(
    gateway: Gateway, channel: grpc.aio.Channel, path: str
) -> None:
    asked = len(gateway.backend.requests)
    call = begin(channel, path)
    await call.done_writing()

    assert await refusal(call) == (grpc.StatusCode.INVALID_ARGUMENT, "MESSAGE_MISSING")
    assert len(gateway.backend.requests) == asked


async def test_a_message_that_is_too_large(gateway: Gateway, channel: grpc.aio.Channel) -> None:
    request = payments_pb2.CreatePaymentRequest(reference="x" * 294912)

    assert await refusal(stub(channel).CreatePayment(request, timeout=20)) == (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "REQUEST_TOO_LARGE",
    )


async def test_a_health_question_about_nobody(gateway: Gateway, channel: grpc.aio.Channel) -> None:
    call = begin(channel, "/grpc.health.v1.Health/Check")
    await call.write(b"\x0a\x01x")
    await call.done_writing()

    assert await refusal(call) == (grpc.StatusCode.NOT_FOUND, "HEALTH_UNKNOWN")


async def test_long_headers_are_served_by_both_listeners_each_time(
    gateway: Gateway, channel: grpc.aio.Channel
) -> None:
    long = "x" * 10_000
    async with aiohttp.ClientSession(gateway.rest) as session:
        for _ in range(20):
            await stub(channel).GetPayment(
                payments_pb2.GetPaymentRequest(), metadata=(("x-long", long),), timeout=20
            )
            async with session.get("/api/payments", headers={"x-long": long}) as answer:
                assert answer.status == 200


@pytest.fixture
async def narrow(tmp_path: Path) -> AsyncIterator[Gateway]:
    """A gateway that lets one call of each kind go on its way, and whose payments answers none."""
    backend = Backend()
    server = await start_backend(backend)
    async with run_envoy(tmp_path, server.port, backend, calls_max=1) as gateway:
        yield gateway
    await server.stop(0)


async def test_no_place_left(narrow: Gateway) -> None:
    entered, gate = asyncio.Event(), asyncio.Event()

    async def wait(request: Any, context: Any) -> Any:
        entered.set()
        await gate.wait()
        return await created(request, context)

    narrow.backend.answer = wait
    request = payments_pb2.CreatePaymentRequest()
    async with grpc.aio.insecure_channel(narrow.grpc) as channel:
        first = asyncio.ensure_future(stub(channel).CreatePayment(request, timeout=20))
        await entered.wait()
        second = stub(channel).CreatePayment(request, timeout=20)
        assert await refusal(second) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
        assert dict(await second.trailing_metadata())["retry-after"] == "1"
        # Nobody's by REST are taken, and the gateway can serve a merchant.
        async with aiohttp.ClientSession(narrow.rest) as http, http.get("/healthz") as answer:
            assert answer.status == 200
        gate.set()
        await first


async def test_healthz_says_no_while_merchants_have_no_place(narrow: Gateway) -> None:
    entered, gate = asyncio.Event(), asyncio.Event()

    async def wait(request: Any, context: Any) -> Any:
        entered.set()
        await gate.wait()
        return await created(request, context)

    narrow.backend.answer = wait
    async with aiohttp.ClientSession(narrow.rest) as session:
        body = {"amount_usd": "1.00"}
        first = asyncio.ensure_future(session.post("/api/payments", json=body))
        await entered.wait()
        async with session.get("/healthz") as answer:
            assert answer.status == 503
            assert (await answer.json())["details"][0]["reason"] == "SERVICE_UNAVAILABLE"
        gate.set()
        async with await first as served:
            assert served.status == 201
        async with session.get("/healthz") as answer:
            assert (answer.status, await answer.json()) == (200, {"status": "ok"})


async def test_no_replica(tmp_path: Path) -> None:
    backend = Backend()
    server = await start_backend(backend)
    async with run_envoy(tmp_path, server.port, backend) as gateway:
        await server.stop(0)
        async with grpc.aio.insecure_channel(gateway.grpc) as channel:
            call = stub(channel).GetPayment(payments_pb2.GetPaymentRequest(), timeout=20)

            assert await refusal(call) == (grpc.StatusCode.UNAVAILABLE, "SERVICE_UNAVAILABLE")


@pytest.mark.parametrize(
    ("metadata", "message"), [((), b"\x0a\x7f"), ((("trace-bin", b"x"),), b"\x0a\x02\xff\xfe")]
)
async def test_a_message_that_cannot_be_read(
    gateway: Gateway, channel: grpc.aio.Channel, metadata: Any, message: bytes
) -> None:
    call = begin(channel, CREATE, metadata=metadata)
    await call.write(message)
    await call.done_writing()

    assert await refusal(call) == (grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID")
