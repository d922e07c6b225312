"""Limits at the gateway: so many requests an address, before anything is read; and the answers say
how much a merchant has left."""

import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import pytest
from caravel.payments.v1 import payments_pb2, payments_pb2_grpc
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from services.payments.merchants.limits import RateLimitExceeded
from services.shared.grpc_calls import answer_metadata_var
from tests.polling import until
from tests.unit.gateway.conftest import Backend, Gateway, created, healthz, run_envoy, start_backend

PAIRS = (("ratelimit-policy", '"writes";q=1000;w=10'), ("ratelimit", '"writes";r=998;t=1'))
ORDER = {"user_id": "u", "amount_usd": "1.00", "destination_currency": "INR"}
REQUESTS = 40


@pytest.fixture(scope="module")
async def small(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    """A gateway where an address may make one request a second, and two after a pause."""
    backend = Backend()
    server = await start_backend(backend)
    folder: Path = tmp_path_factory.mktemp("limited")
    async with run_envoy(folder, server.port, backend, address_calls=1, addresses_max=8) as gateway:
        await until(lambda: healthz(gateway), lambda status: status == 200)
        yield gateway
    await server.stop(0)


async def statuses(gateway: Gateway, path: str, host: str, number: int = REQUESTS) -> Counter[int]:
    """The statuses of requests that come from one address of this machine."""
    connector = aiohttp.TCPConnector(local_addr=(host, 0))
    found: Counter[int] = Counter()
    async with aiohttp.ClientSession(gateway.rest, connector=connector) as http:
        for _ in range(number):
            async with http.get(path) as response:
                found[response.status] += 1
    return found


async def test_an_address_beyond_its_limit_is_turned_away_and_no_other(small: Gateway) -> None:
    found = await statuses(small, "/api/payments", "127.0.0.11")

    assert set(found) == {200, 429}
    assert found[429] > found[200]
    assert await statuses(small, "/api/payments", "127.0.0.12", 2) == {200: 2}


async def test_health_is_never_turned_away(small: Gateway) -> None:
    assert await statuses(small, "/healthz", "127.0.0.13") == {200: REQUESTS}


async def test_webhooks_have_a_place_that_calls_do_not_take(small: Gateway) -> None:
    connector = aiohttp.TCPConnector(local_addr=("127.0.0.14", 0))
    await statuses(small, "/api/payments", "127.0.0.14")
    async with aiohttp.ClientSession(small.rest, connector=connector) as http:
        for path in ("/api/webhooks", "/api/webhooks/stripe"):
            async with http.post(path, data=b"{}") as response:
                assert response.status == 200
        async with http.get("/api/webhook-endpoints") as response:
            assert response.status == 429


async def test_operators_are_not_limited_with_merchants(small: Gateway) -> None:
    await statuses(small, "/api/payments", "127.0.0.15")
    connector = aiohttp.TCPConnector(local_addr=("127.0.0.15", 0))
    async with aiohttp.ClientSession(small.operators, connector=connector) as http:
        for _ in range(REQUESTS):
            async with http.get("/api/admin/dead-letters") as response:
                assert response.status == 200


async def test_more_addresses_than_are_counted_forget_the_longest_unused(small: Gateway) -> None:
    await statuses(small, "/api/payments", "127.0.1.1", 10)
    for last in range(2, 11):
        assert await statuses(small, "/api/payments", f"127.0.1.{last}", 1) == {200: 1}

    assert await statuses(small, "/api/payments", "127.0.1.1", 2) == {200: 2}


@pytest.mark.parametrize(("path", "error"), [("/api/payments", None), ("/oauth/token", "yes")])
async def test_the_refusal_has_the_form_of_all(
    small: Gateway, path: str, error: str | None
) -> None:
    host = "127.0.0.16" if error else "127.0.0.17"
    connector = aiohttp.TCPConnector(local_addr=(host, 0))
    async with aiohttp.ClientSession(small.rest, connector=connector) as http:
        for _ in range(REQUESTS):
            async with http.post(path, data=b"x", headers={"origin": "http://localhost"}) as answer:
                text = await answer.text()
            if answer.status == 429:
                break
    refusal = json.loads(text)

    assert refusal["code"] == grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
    assert refusal["details"][0]["reason"] == "RATE_LIMIT_EXCEEDED"
    assert refusal["details"][0]["metadata"] == {"limit": "address"}
    assert refusal["details"][-1]["request_id"] == answer.headers["x-request-id"]
    assert answer.headers["retry-after"] == "1"
    assert answer.headers["cache-control"] == "no-store"
    assert "ratelimit" in answer.headers["access-control-expose-headers"]
    assert ("error" in refusal) == bool(error)


async def test_a_native_call_beyond_the_limit_is_resource_exhausted_and_health_is_not(
    small: Gateway,
) -> None:
    request = payments_pb2.ListPaymentsRequest(page_size=1)
    async with grpc.aio.insecure_channel(small.grpc) as channel:
        stub: Any = payments_pb2_grpc.PaymentServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            for _ in range(REQUESTS):
                await stub.ListPayments(request)
        status = rpc_status.from_call(caught.value)  # type: ignore[arg-type]
        health: Any = health_pb2_grpc.HealthStub(channel)
        for _ in range(REQUESTS):
            await health.Check(health_pb2.HealthCheckRequest())

    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert info.reason == "RATE_LIMIT_EXCEEDED"
    trailing = caught.value.trailing_metadata() or ()
    assert dict(trailing)["retry-after"] == "1"


async def limited(request: Any, context: Any) -> Any:
    answer_metadata_var.set(PAIRS)
    return await created(request, context)


async def exceeded(request: Any, context: Any) -> Any:
    answer_metadata_var.set(PAIRS)
    refusal = RateLimitExceeded(limit="writes")
    refusal.retry_after_seconds = 7
    raise refusal


async def test_a_success_says_over_rest_how_much_is_left(
    gateway: Gateway, http: aiohttp.ClientSession
) -> None:
    gateway.backend.answer = limited

    async with http.post("/api/payments", json=ORDER) as response:
        assert response.status == 201
        assert {name: response.headers[name] for name, _ in PAIRS} == dict(PAIRS)
        assert "grpc-message" not in response.headers


async def test_a_refusal_says_so_too(gateway: Gateway, http: aiohttp.ClientSession) -> None:
    gateway.backend.answer = exceeded

    async with http.post("/api/payments", json=ORDER) as response:
        assert response.status == 429
        assert {name: response.headers[name] for name, _ in PAIRS} == dict(PAIRS)
        assert response.headers["retry-after"] == "7"
        assert (await response.json())["details"][0]["reason"] == "RATE_LIMIT_EXCEEDED"


async def test_a_call_that_is_not_limited_says_nothing(
    gateway: Gateway, http: aiohttp.ClientSession
) -> None:
    async with http.post("/api/payments", json=ORDER) as response:
        assert "ratelimit" not in response.headers


async def test_metadata_say_it_over_grpc(gateway: Gateway, channel: grpc.aio.Channel) -> None:
    gateway.backend.answer = limited
    stub: Any = payments_pb2_grpc.PaymentServiceStub(channel)

    call = stub.CreatePayment(payments_pb2.CreatePaymentRequest(**ORDER))
    await call

    trailing = dict(await call.trailing_metadata())
    assert {name: trailing[name] for name, _ in PAIRS} == dict(PAIRS)
    assert await call.details() in (None, "")
