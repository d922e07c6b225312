"""Webhooks pass the gateway byte for byte, because their signatures cover bytes."""

import random

import aiohttp
import pytest

from tests.unit.gateway.conftest import Gateway

BODIES = {
    "amount": b'{"amount_usd": 100.00, "amount_usd":5 }\r\n',
    "invalid utf-8": b'{"a":"\xff\xfe\x00"}  ',
    "duplicate keys": b'{"a":1,"a":2}',
    "no json": b"not json at all",
    "one byte": b"\x00",
    "random": random.Random(1).randbytes(200_000),
    "as large as it may be": random.Random(1).randbytes(262_144),
}


@pytest.mark.parametrize("path", ["/api/webhooks", "/api/webhooks/stripe"])
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
async def test_body_arrives_byte_for_byte(
    gateway: Gateway, http: aiohttp.ClientSession, path: str, body: bytes
) -> None:
    headers = {"content-type": "application/json", "stripe-signature": "t=1,v1=ab"}

    async with http.post(path, data=body, headers=headers) as response:
        assert response.status == 200
        assert (await response.json())["result"] == "ACCEPTED"

    request = gateway.backend.requests[-1]
    assert request.body.data == body
    assert request.body.content_type == "application/json"
    assert gateway.backend.metadata[-1]["stripe-signature"] == "t=1,v1=ab"


async def test_provider_is_taken_from_the_path(
    gateway: Gateway, http: aiohttp.ClientSession
) -> None:
    async with http.post("/api/webhooks/stripe", data=b"{}"):
        assert gateway.backend.requests[-1].provider == "stripe"


async def test_compressed_body_is_not_unpacked(
    gateway: Gateway, http: aiohttp.ClientSession
) -> None:
    body = b"\x1f\x8b pretending"

    async with http.post("/api/webhooks", data=body, headers={"content-encoding": "gzip"}):
        assert gateway.backend.requests[-1].body.data == body


async def test_large_webhook_is_413(gateway: Gateway, http: aiohttp.ClientSession) -> None:
    async with http.post("/api/webhooks", data=b"x" * 300_000) as response:
        assert response.status == 413
    assert not gateway.backend.requests
