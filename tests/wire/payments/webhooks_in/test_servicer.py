"""Providers' events as they come in over gRPC: kept once, signed, and about a payment of ours."""

import json

import grpc
import pytest
from caravel.payments.v1 import webhooks_pb2
from google.api import httpbody_pb2

from services.shared.ids import encode_id, new_id
from tests.wire.payments.calls import new_key, order, refusal
from tests.wire.payments.conftest import Service


def _event(**fields: str) -> webhooks_pb2.ReceiveEventRequest:
    body = httpbody_pb2.HttpBody(data=json.dumps(fields).encode())
    return webhooks_pb2.ReceiveEventRequest(body=body)


async def test_an_event_is_accepted_once(service: Service) -> None:
    payment = await service.payments.CreatePayment(order(), metadata=new_key())
    event = _event(transaction_id=payment.transaction_id, event_type="payment_completed")

    first = await service.webhooks.ReceiveEvent(event)
    second = await service.webhooks.ReceiveEvent(event)

    assert first.result == webhooks_pb2.WebhookReceipt.ACCEPTED
    assert second.result == webhooks_pb2.WebhookReceipt.DUPLICATE


@pytest.mark.parametrize("transaction_id", [encode_id("pay", new_id()), "nonsense"])
async def test_an_event_of_an_unknown_payment_is_refused(
    service: Service, transaction_id: str
) -> None:
    call = service.webhooks.ReceiveEvent(
        _event(transaction_id=transaction_id, event_type="payment_completed")
    )

    assert (await refusal(call))[:2] == (grpc.StatusCode.NOT_FOUND, "PAYMENT_NOT_FOUND")


async def test_a_providers_event_needs_its_signature_even_in_a_sandbox(service: Service) -> None:
    request = webhooks_pb2.ReceiveProviderEventRequest(
        provider="stripe", body=httpbody_pb2.HttpBody(data=b'{"id": "evt_1", "event_type": "x"}')
    )

    unsigned = service.webhooks.ReceiveProviderEvent(request)
    signed = service.webhooks.ReceiveProviderEvent(request, metadata=(("x-signature", "good"),))

    assert (await refusal(unsigned))[0] is grpc.StatusCode.UNAUTHENTICATED
    assert (await signed).result == webhooks_pb2.WebhookReceipt.IGNORED
