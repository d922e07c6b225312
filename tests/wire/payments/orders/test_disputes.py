"""Claims against collections over the wire: a provider's event is taken in, shown on the payment,
listed for operators while it is open, and sent to merchants; also where it comes too early."""

import json
from typing import Any

import pytest
from caravel.payments.v1 import admin_pb2, disputes_pb2, endpoints_pb2, payments_pb2, webhooks_pb2
from google.api import httpbody_pb2
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.audit.watch import PostgresWatch
from services.payments.engine.store.work import PostgresWork
from services.payments.webhooks_out.convert import encode_event
from tests.database.payments.engine.carried import carry
from tests.poison import rows
from tests.wire.payments.calls import new_key, order
from tests.wire.payments.conftest import Service

Dispute = disputes_pb2.Dispute
SIGNED = (("x-signature", "good"),)
COLLECTION = "x_1"


async def _says(service: Service, event_id: str, **claim: Any) -> int:
    """Stripe reports the claim; gives what became of the event."""
    claim = {"status": "NEEDS_RESPONSE", "withdrawn": 10_000, **claim}
    body = {"id": event_id, "event_type": "charge.dispute", "dispute": claim}
    request = webhooks_pb2.ReceiveProviderEventRequest(
        provider="stripe",
        body=httpbody_pb2.HttpBody(data=json.dumps({**body, "collection": COLLECTION}).encode()),
    )
    return (await service.webhooks.ReceiveProviderEvent(request, metadata=SIGNED)).result


async def _paid(service: Service, engine: AsyncEngine) -> str:
    endpoint = await service.endpoints.CreateEndpoint(
        endpoints_pb2.CreateEndpointRequest(url="https://merchant.example/hook")
    )
    assert endpoint.secret
    payment = await service.payments.CreatePayment(order(), metadata=new_key())
    await _goes_on(engine)
    return payment.transaction_id


async def _goes_on(engine: AsyncEngine) -> None:
    await carry(engine, work=PostgresWork(engine, encode_event))


async def _shown(service: Service, transaction_id: str) -> list[Any]:
    wanted = payments_pb2.GetPaymentRequest(transaction_id=transaction_id)
    return list((await service.payments.GetPayment(wanted)).disputes)


async def _listed(service: Service) -> list[str]:
    page = await service.admin.ListDisputes(admin_pb2.ListDisputesRequest())
    return [one.dispute.dispute_id for one in page.open_disputes]


@pytest.mark.parametrize(
    ("end", "left", "status"),
    [
        ({"status": "WON", "withdrawn": 0}, "0.00", Dispute.WON),
        ({"status": "LOST"}, "100.00", Dispute.LOST),
        ({"status": "CLOSED"}, "100.00", Dispute.CLOSED),
    ],
)
async def test_a_dispute_is_shown_listed_and_sent_until_it_is_decided(
    service: Service, engine: AsyncEngine, end: dict[str, Any], left: str, status: int
) -> None:
    transaction_id = await _paid(service, engine)

    assert await _says(service, "evt_1") == webhooks_pb2.WebhookReceipt.ACCEPTED
    assert await _says(service, "evt_1") == webhooks_pb2.WebhookReceipt.DUPLICATE
    await _goes_on(engine)
    (dispute,) = await _shown(service, transaction_id)
    assert dispute.dispute_id.startswith("dsp_")
    assert (dispute.transaction_id, dispute.provider) == (transaction_id, "stripe")
    assert (dispute.kind, dispute.status) == (Dispute.DISPUTE, Dispute.NEEDS_RESPONSE)
    assert (dispute.amount_usd, dispute.withdrawn_usd) == ("100.00", "100.00")
    assert await _listed(service) == [dispute.dispute_id]

    await _says(service, "evt_2", **end)
    await _goes_on(engine)

    (decided,) = await _shown(service, transaction_id)
    assert decided.dispute_id == dispute.dispute_id
    assert (decided.status, decided.withdrawn_usd) == (status, left)
    assert await _listed(service) == []
    sent = await rows(
        engine, "SELECT convert_from(body, 'UTF8') FROM outbox ORDER BY sequence, position"
    )
    events = [json.loads(row[0]) for row in sent]
    about = [event for event in events if event["type"].startswith("dispute.")]
    assert [event["type"] for event in about] == ["dispute.created", "dispute.closed"]
    assert {event["data"]["dispute_id"] for event in about} == {dispute.dispute_id}


async def test_a_claim_that_comes_before_its_collection_is_known_finds_it_later(
    service: Service, engine: AsyncEngine
) -> None:
    early = await _says(service, "evt_1", kind="FRAUD_WARNING", withdrawn=None)
    assert early == webhooks_pb2.WebhookReceipt.ORPHANED
    transaction_id = await _paid(service, engine)
    assert await _shown(service, transaction_id) == []

    await PostgresWatch(engine, ()).match_orphans()
    await _goes_on(engine)

    (dispute,) = await _shown(service, transaction_id)
    assert (dispute.kind, dispute.withdrawn_usd) == (Dispute.FRAUD_WARNING, "0.00")
    assert await _listed(service) == [dispute.dispute_id]
