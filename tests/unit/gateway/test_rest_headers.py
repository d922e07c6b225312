"""Headers through the gateway: those refused, removed, added and passed on, and CORS."""

import json

import aiohttp
import pytest

from services.payments.merchants.key_text import new_key_text
from services.shared.ids import new_id
from tests.unit.gateway.conftest import Gateway
from tests.unit.gateway.test_rest import get


@pytest.mark.parametrize(
    ("headers", "wanted", "reason"),
    [
        ({"big": "x" * 20_000}, 431, "REQUEST_TOO_LARGE"),
        ({"idempotency_key": "k"}, 400, "REQUEST_MALFORMED"),
    ],
)
async def test_headers_that_could_mislead_are_refused(
    gateway: Gateway,
    http: aiohttp.ClientSession,
    headers: dict[str, str],
    wanted: int,
    reason: str,
) -> None:
    status, body = await get(http, "/api/payments", headers=headers)

    assert (status, body["details"][0]["reason"]) == (wanted, reason)


async def test_headers_reserved_for_the_gateway_are_removed(
    gateway: Gateway, http: aiohttp.ClientSession
) -> None:
    spoofed = {
        "x-request-id": "mine",
        "x-envoy-original-path": "/else",
        "x-envoy-upstream-rq-timeout-ms": "1",
        "x-envoy-retry-on": "5xx",
        "grpc-timeout": "1n",
        "secret-bin": "%%%",
    }

    await get(http, "/api/payments/pay_1", headers={**spoofed, "idempotency-key": "k"})

    seen = gateway.backend.metadata[-1]
    assert seen["idempotency-key"] == "k"
    assert seen["x-request-id"] != "mine"
    assert seen["x-envoy-original-path"] == "/api/payments/pay_1"
    assert not {"x-envoy-upstream-rq-timeout-ms", "x-envoy-retry-on", "secret-bin"} & set(seen)


async def test_service_is_given_less_time_than_the_route(
    gateway: Gateway, http: aiohttp.ClientSession
) -> None:
    await get(http, "/api/payments/pay_1")

    left = gateway.backend.seconds_left[-1]
    assert left is not None
    assert left < 15


async def test_trace_follows_the_request_into_service_and_log(
    gateway: Gateway, http: aiohttp.ClientSession
) -> None:
    async with http.get("/api/payments/pay_1") as response:
        request_id = response.headers["x-request-id"]

    trace_id = request_id.replace("-", "")
    assert gateway.backend.metadata[-1]["traceparent"].split("-")[1] == trace_id
    line = await gateway.log_line(request_id)
    assert (line["trace_id"], line["path"], line["status"]) == (
        trace_id,
        "/api/payments/pay_1",
        200,
    )
    assert (line["service"], line["grpc_status"]) == ("gateway", 0)


async def test_trace_of_the_caller_is_kept(gateway: Gateway, http: aiohttp.ClientSession) -> None:
    traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    await get(http, "/api/payments/pay_1", headers={"traceparent": traceparent})

    assert gateway.backend.metadata[-1]["traceparent"] == traceparent


@pytest.mark.parametrize("origin", ["http://localhost:3000", "https://127.0.0.1", "http://[::1]:1"])
async def test_page_of_this_machine_may_call(
    gateway: Gateway, http: aiohttp.ClientSession, origin: str
) -> None:
    preflight = {"origin": origin, "access-control-request-method": "POST"}

    async with http.options("/api/payments", headers=preflight) as response:
        assert response.status == 200
        assert response.headers["access-control-allow-origin"] == origin
        assert "idempotency-key" in response.headers["access-control-allow-headers"]
    async with http.get("/api/payments", headers={"origin": origin}) as response:
        assert response.headers["access-control-allow-origin"] == origin


@pytest.mark.parametrize("origin", ["http://localhost.example", "http://evil.example", "null"])
async def test_page_from_elsewhere_may_not(
    gateway: Gateway, http: aiohttp.ClientSession, origin: str
) -> None:
    async with http.get("/api/payments", headers={"origin": origin}) as response:
        assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize("path", ["/api/payments/{}", "/api/payments?page_token={}", "/{}"])
async def test_a_key_in_a_path_goes_no_further_and_into_no_log(
    gateway: Gateway, http: aiohttp.ClientSession, path: str
) -> None:
    key = new_key_text(new_id(), is_operators=False, is_live=False)

    async with http.get(gateway.rest + path.format(key)) as answer:
        text = await answer.text()
        line = await gateway.log_line(answer.headers["x-request-id"])

    secret = key[-49:]
    assert secret not in text
    assert secret not in json.dumps(line)
    assert secret not in str(gateway.backend.requests)
