"""Webhooks out: a merchant registers an endpoint through the gateway and receives its payments'
events, signed, at least once and under one id."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import grpc
import pytest
from aiohttp import web
from caravel.payments.v1 import endpoints_pb2, endpoints_pb2_grpc

from services.shared.ids import encode_id, new_id
from tests.e2e.conftest import Mesh, Rest
from tests.polling import until
from tests.receiver import Receiver, receiving


@pytest.fixture
async def receiver(mesh: Mesh) -> AsyncIterator[Receiver]:
    """A merchant's server on this machine, which only a mesh of our own can reach."""
    if mesh.data_dir is None:
        pytest.skip("the mesh may run where this machine's loopback is another")
    async with receiving() as running:
        yield running


async def _endpoint(rest: Rest, url: str) -> Any:
    answer = await rest.post("/api/webhook-endpoints", {"url": url})
    assert answer.status == 201, answer.body
    return answer.json


async def _events(receiver: Receiver, secret: str, transaction_id: str, last: str) -> list[Any]:
    """All events of a payment, once `last` is among them."""

    async def look() -> list[Any]:
        events = [received.verified(secret) for received in receiver.received]
        return [event for event in events if event["data"]["transaction_id"] == transaction_id]

    return await until(look, lambda events: any(event["type"] == last for event in events))


def _as_in_lists(payment: Any) -> Any:
    """An answer of GetPayment without the inputs of the price, which no list and no event has."""
    of_get = {"rate_trail", "fee_schedule_version", "fee_schedule_terms", "rounding"}
    shown = {name: value for name, value in payment.items() if name not in of_get}
    fees = [{name: fee[name] for name in fee if name != "formula"} for fee in payment["fees"]]
    return {**shown, "fees": fees}


async def test_a_merchant_receives_each_status_and_can_verify_it(
    rest: Rest, receiver: Receiver
) -> None:
    endpoint = await _endpoint(rest, receiver.url)
    payment = await rest.create(amount_usd="100.00", reference="für Ama")
    transaction_id = payment["transaction_id"]
    done = await rest.wait(transaction_id, {"COMPLETED"})

    delivered = await _events(receiver, endpoint["secret"], transaction_id, "payment.completed")
    await rest.send("DELETE", f"/api/webhook-endpoints/{endpoint['endpoint_id']}")

    of_type = {event["type"]: event for event in delivered}
    assert {"payment.pending", "payment.processing", "payment.completed"} <= set(of_type)
    assert of_type["payment.pending"]["data"] == payment
    assert of_type["payment.completed"]["data"] == _as_in_lists(done)
    assert of_type["payment.completed"]["created_at"] == done["updated_at"]
    assert {received.event_id for received in receiver.received} >= {e["id"] for e in delivered}


async def test_an_event_that_the_endpoint_fails_to_take_comes_again_under_the_same_id(
    rest: Rest, receiver: Receiver
) -> None:
    async def refuse_each_once(request: web.Request) -> web.StreamResponse:
        event_id = request.headers["webhook-id"]
        seen = [received.event_id for received in receiver.received].count(event_id)
        return web.Response(status=503 if seen == 1 else 204)

    receiver.answer = refuse_each_once
    endpoint = await _endpoint(rest, receiver.url)
    transaction_id = (await rest.create())["transaction_id"]

    async def completed() -> list[Any]:
        verified = [(r.verified(endpoint["secret"]), r) for r in receiver.received]
        return [
            received
            for event, received in verified
            if event["type"] == "payment.completed"
            and event["data"]["transaction_id"] == transaction_id
        ]

    first, second = await until(completed, lambda received: len(received) == 2)
    await rest.send("DELETE", f"/api/webhook-endpoints/{endpoint['endpoint_id']}")

    assert (first.event_id, first.body) == (second.event_id, second.body)


async def test_endpoints_are_listed_without_secrets_and_deleted(rest: Rest) -> None:
    url = f"https://{uuid4().hex}.example.com/hook"
    endpoint = await _endpoint(rest, url)
    endpoint_id, path = endpoint["endpoint_id"], "/api/webhook-endpoints"

    listed = (await rest.get(path)).json["endpoints"]
    deleted = await rest.send("DELETE", f"{path}/{endpoint_id}")

    shown = {key: endpoint[key] for key in ("endpoint_id", "url", "created_at")}
    assert [item for item in listed if item["endpoint_id"] == endpoint_id] == [shown]
    assert (deleted.status, deleted.json) == (200, {})
    rest_of_them = (await rest.get(path)).json["endpoints"]
    assert endpoint_id not in {item["endpoint_id"] for item in rest_of_them}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({}, "FIELD_REQUIRED"),
        ({"url": "http://shop.example.com"}, "ENDPOINT_URL_INVALID"),
        ({"url": "https://10.0.0.1/hook"}, "ENDPOINT_ADDRESS_FORBIDDEN"),
    ],
)
async def test_an_endpoint_that_may_not_be_called_is_refused(
    rest: Rest, body: dict[str, str], reason: str
) -> None:
    answer = await rest.post("/api/webhook-endpoints", body)

    assert (answer.status, answer.reason) == (400, reason)


async def test_an_unknown_endpoint_is_404(rest: Rest) -> None:
    path = f"/api/webhook-endpoints/{encode_id('whe', new_id())}"
    answer = await rest.send("DELETE", path)

    assert (answer.status, answer.reason) == (404, "ENDPOINT_NOT_FOUND")


async def test_the_native_listener_serves_endpoints_too(mesh: Mesh) -> None:
    url = f"https://{uuid4().hex}.example.com/hook"
    async with grpc.aio.insecure_channel(mesh.grpc_target) as channel:
        stub: endpoints_pb2_grpc.EndpointServiceAsyncStub = endpoints_pb2_grpc.EndpointServiceStub(
            channel
        )
        created = await stub.CreateEndpoint(
            endpoints_pb2.CreateEndpointRequest(url=url), timeout=10
        )
        listed = await stub.ListEndpoints(endpoints_pb2.ListEndpointsRequest(), timeout=10)
        await stub.DeleteEndpoint(
            endpoints_pb2.DeleteEndpointRequest(endpoint_id=created.endpoint_id), timeout=10
        )

    assert created.secret.startswith("whsec_")
    assert created.endpoint_id in {endpoint.endpoint_id for endpoint in listed.endpoints}
