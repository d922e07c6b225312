"""The RPCs of webhook endpoints: made once with a secret, listed without, deleted for good."""

import asyncio
import base64
from typing import Any

import grpc
import pytest
from caravel.payments.v1 import endpoints_pb2, payments_pb2
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.webhooks_out.endpoint import ENDPOINTS_MAX
from services.shared.deployment import Deployment
from services.shared.ids import encode_id, new_id
from tests.makers import USER
from tests.wire.payments.conftest import Service

URL = "https://shop.example.com/hooks"
NOT_FOUND = grpc.StatusCode.NOT_FOUND
INVALID = grpc.StatusCode.INVALID_ARGUMENT


async def _create(service: Service, url: str = URL) -> endpoints_pb2.NewEndpoint:
    request = endpoints_pb2.CreateEndpointRequest(url=url)
    created: endpoints_pb2.NewEndpoint = await service.endpoints.CreateEndpoint(request)
    return created


async def _list(service: Service) -> list[endpoints_pb2.Endpoint]:
    listed = await service.endpoints.ListEndpoints(endpoints_pb2.ListEndpointsRequest())
    return list(listed.endpoints)


async def _delete(service: Service, endpoint_id: str) -> None:
    request = endpoints_pb2.DeleteEndpointRequest(endpoint_id=endpoint_id)
    await service.endpoints.DeleteEndpoint(request)


async def _refusal(call: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    status = rpc_status.from_call(caught.value)  # type: ignore[arg-type]
    assert status is not None
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    return caught.value.code(), info.reason


async def test_an_endpoint_is_created_with_a_secret_of_its_own(service: Service) -> None:
    first, second = await _create(service), await _create(service)

    assert first.endpoint_id.startswith("whe_")
    assert first.url == URL
    assert first.created_at.seconds > 0
    assert first.secret.startswith("whsec_")
    assert len(base64.b64decode(first.secret.removeprefix("whsec_"), validate=True)) >= 24
    assert first.secret != second.secret


async def test_endpoints_are_listed_oldest_first(service: Service) -> None:
    first, second = await _create(service), await _create(service, URL + "/2")

    listed = await _list(service)

    assert [(e.endpoint_id, e.url) for e in listed] == [
        (first.endpoint_id, URL),
        (second.endpoint_id, URL + "/2"),
    ]
    assert listed[0].created_at == first.created_at
    assert not listed[0].HasField("disabled_at")


async def test_a_deleted_endpoint_is_gone_and_deleting_it_again_is_no_error(
    service: Service,
) -> None:
    endpoint_id = (await _create(service)).endpoint_id

    await _delete(service, endpoint_id)
    await _delete(service, endpoint_id)

    assert await _list(service) == []


@pytest.mark.parametrize("endpoint_id", [encode_id("whe", new_id()), "nonsense", ""])
async def test_an_unknown_endpoint_cannot_be_deleted(service: Service, endpoint_id: str) -> None:
    refusal = await _refusal(_delete(service, endpoint_id))

    assert refusal == (NOT_FOUND, "ENDPOINT_NOT_FOUND")


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "FIELD_REQUIRED"),
        ("http://shop.example.com", "ENDPOINT_URL_INVALID"),
        ("https://user:secret@shop.example.com", "ENDPOINT_URL_INVALID"),
        ("https://169.254.169.254/latest", "ENDPOINT_ADDRESS_FORBIDDEN"),
    ],
)
async def test_a_url_that_may_not_be_called_is_refused(
    service: Service, url: str, reason: str
) -> None:
    assert await _refusal(_create(service, url)) == (INVALID, reason)
    assert await _list(service) == []


async def test_a_sandbox_takes_http_to_this_machine(service: Service) -> None:
    created = await _create(service, "http://127.0.0.1:9000/hook")

    assert created.url == "http://127.0.0.1:9000/hook"


@pytest.mark.parametrize("service", [Deployment.LIVE], indirect=True)
async def test_outside_a_sandbox_endpoints_want_credentials(service: Service) -> None:
    refusal = await _refusal(_list(service))

    assert refusal == (grpc.StatusCode.UNAUTHENTICATED, "CREDENTIALS_MISSING")


async def test_a_merchant_has_at_most_ten_endpoints_however_fast_it_asks(service: Service) -> None:
    asked = [_create(service) for _ in range(ENDPOINTS_MAX + 5)]
    answers = await asyncio.gather(*asked, return_exceptions=True)

    created = [a for a in answers if isinstance(a, endpoints_pb2.NewEndpoint)]
    assert len(created) == len(await _list(service)) == ENDPOINTS_MAX
    refusal = await _refusal(_create(service))
    assert refusal == (grpc.StatusCode.FAILED_PRECONDITION, "ENDPOINTS_EXHAUSTED")

    await _delete(service, created[0].endpoint_id)
    await _create(service)


async def test_a_change_by_the_merchant_itself_has_an_event_too(
    service: Service, engine: AsyncEngine
) -> None:
    await _create(service)
    payment = await service.payments.CreatePayment(
        payments_pb2.CreatePaymentRequest(
            user_id=str(USER), amount_usd="100.00", destination_currency="NGN"
        ),
        metadata=(("idempotency-key", "k-1"),),
    )
    await service.payments.CancelPayment(
        payments_pb2.CancelPaymentRequest(transaction_id=payment.transaction_id)
    )

    async with engine.connect() as connection:
        written = await connection.execute(text("SELECT event_type FROM outbox ORDER BY sequence"))
        assert [row.event_type for row in written] == ["payment.pending", "payment.cancelled"]
