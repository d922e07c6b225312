"""Places: a caller who holds calls open, of whatever kind and however many, takes none of those
that other callers need."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import grpc
import pytest
from caravel.payments.v1 import payments_pb2, payments_pb2_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.frames import MESSAGE, grpc_headers, held, post_headers
from tests.unit.gateway.conftest import Gateway

HELD, CLIENTS, CALLS = 2100, 10, 10
CREATE = "/caravel.payments.v1.PaymentService/CreatePayment"
WATCH = "/grpc.health.v1.Health/Watch"
REFLECT = "/grpc.reflection.{}.ServerReflection/ServerReflectionInfo"
LETTERS = "/api/admin/dead-letters"
BODY = {"amount_usd": "1.00", "destination_currency": "INR"}
EXPECTED = {("/api/payments", 201), ("/api/webhooks", 200), ("/healthz", 200), (LETTERS, 200)}


@dataclass(frozen=True)
class Kind:
    """One way to hold calls open."""

    headers: Any
    data: bytes = b""
    end: bool = False
    native: bool = True


KINDS = {
    "no message": Kind(grpc_headers(CREATE), end=True),
    "no end": Kind(grpc_headers(CREATE)),
    "half a message": Kind(grpc_headers(CREATE), b"\0\0\0\0\x09half"),
    "watch": Kind(grpc_headers(WATCH), MESSAGE, end=True),
    "watch without a message": Kind(grpc_headers(WATCH)),
    "health without an end": Kind(grpc_headers("/grpc.health.v1.Health/Check")),
    "reflection": Kind(grpc_headers(REFLECT.format("v1"))),
    "older reflection": Kind(grpc_headers(REFLECT.format("v1alpha"))),
    "unknown": Kind(grpc_headers("/nobody.v1.Nobody/Get")),
    "native webhook": Kind(grpc_headers("/caravel.payments.v1.WebhookService/ReceiveEvent")),
    "webhook": Kind(post_headers("/api/webhooks"), b'{"half', native=False),
    "provider's webhook": Kind(post_headers("/api/webhooks/stripe"), b'{"half', native=False),
    "creation": Kind(post_headers("/api/payments", **{"idempotency-key": "k"}), native=False),
}


@asynccontextmanager
async def holding(gateway: Gateway, kind: Kind) -> AsyncIterator[None]:
    target = gateway.grpc if kind.native else gateway.rest
    port = int(target.rpartition(":")[2])
    async with held(port, HELD, kind.headers, kind.data, end=kind.end):
        yield


async def work(gateway: Gateway) -> list[object]:
    """A client's calls, by every way there is; their outcomes."""
    seen: list[object] = []
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession(gateway.rest))
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(gateway.grpc))
        stub: payments_pb2_grpc.PaymentServiceAsyncStub = payments_pb2_grpc.PaymentServiceStub(
            channel
        )
        health: Any = health_pb2_grpc.HealthStub(channel)
        for _ in range(CALLS):
            for path in ("/api/payments", "/api/webhooks"):
                async with session.post(
                    path, json=BODY, headers={"idempotency-key": "k"}
                ) as answer:
                    seen.append((path, answer.status))
            for url in ("/healthz", f"{gateway.operators}/healthz", gateway.operators + LETTERS):
                async with session.get(url) as answer:
                    seen.append((answer.url.path, answer.status))
            try:
                await stub.CreatePayment(payments_pb2.CreatePaymentRequest(), timeout=20)
                await health.Check(health_pb2.HealthCheckRequest(), timeout=20)
            except grpc.aio.AioRpcError as error:
                seen.append(error)
    return seen


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
async def test_others_do_not_notice(gateway: Gateway, kind: Kind) -> None:
    async with holding(gateway, kind):
        seen = await asyncio.gather(*(work(gateway) for _ in range(CLIENTS)))

    refused = {outcome for client in seen for outcome in client if outcome not in EXPECTED}
    assert refused == set()
