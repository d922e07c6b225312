"""Webhooks in, through the gateway: what completes a payment, what changes nothing, what is
refused."""

import json

import pytest

from services.shared.ids import encode_id, new_id
from tests.e2e.conftest import Rest


async def _held_open(rest: Rest) -> str:
    """A payment whose wallet payout stays open."""
    payment = await rest.create(reference="sim:hold")
    await rest.wait(payment["transaction_id"], {"SENT"})
    return str(payment["transaction_id"])


async def test_payment_completed_completes_an_open_payout_once(rest: Rest) -> None:
    transaction_id = await _held_open(rest)
    event = {"transaction_id": transaction_id, "event_type": "payment_completed"}

    first = await rest.post("/api/webhooks", event)
    done = await rest.wait(transaction_id, {"COMPLETED"})
    history = await rest.events(transaction_id)
    again = await rest.post("/api/webhooks", event)

    assert (first.status, first.json["result"]) == (200, "ACCEPTED")
    assert (again.status, again.json["result"]) == (200, "DUPLICATE")
    assert (await rest.get(f"/api/payments/{transaction_id}")).json == done
    assert await rest.events(transaction_id) == history


async def test_payment_failed_gives_the_sender_the_money_back(rest: Rest) -> None:
    transaction_id = await _held_open(rest)

    await rest.post(
        "/api/webhooks", {"transaction_id": transaction_id, "event_type": "payment_failed"}
    )

    refunded = await rest.wait(transaction_id, {"REFUNDED"})
    assert refunded["failure"]["code"] == "payout_failed"


@pytest.mark.parametrize(
    ("event", "status", "reason"),
    [
        ({"event_type": "payment_lost"}, 400, "WEBHOOK_EVENT_TYPE_UNKNOWN"),
        ({"event_type": ""}, 400, "FIELD_REQUIRED"),
        ({"transaction_id": ""}, 400, "FIELD_REQUIRED"),
        ({"transaction_id": encode_id("pay", new_id())}, 404, "PAYMENT_NOT_FOUND"),
        ({"transaction_id": "nonsense"}, 404, "PAYMENT_NOT_FOUND"),
    ],
)
async def test_an_event_that_means_nothing_is_refused(
    rest: Rest, event: dict[str, str], status: int, reason: str
) -> None:
    payment = await rest.create()
    whole = {
        "transaction_id": payment["transaction_id"],
        "event_type": "payment_completed",
        **event,
    }

    answer = await rest.post("/api/webhooks", whole)

    assert (answer.status, answer.reason) == (status, reason)


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff\x00", b'{"a": ', b"{" * 2000])
async def test_a_body_that_is_no_event_is_refused(rest: Rest, body: bytes) -> None:
    answer = await rest.post("/api/webhooks", body)

    assert answer.status == 400
    assert answer.reason in ("FIELD_INVALID", "FIELD_REQUIRED")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"stripe_signature": "t=1,v1=00"},
        {"stripe_signature": "nonsense"},
        {"stripe_signature": "t=1700000000,v1=" + "0" * 64},
    ],
)
async def test_a_provider_event_without_its_signature_is_401_and_changes_nothing(
    rest: Rest, headers: dict[str, str]
) -> None:
    transaction_id = await _held_open(rest)
    before = (await rest.get(f"/api/payments/{transaction_id}")).json
    event = {
        "id": "evt_forged",
        "object": "event",
        "type": "payment_intent.succeeded",
        "data": {"object": {"metadata": {"transaction_id": transaction_id}}},
    }

    answer = await rest.post("/api/webhooks/stripe", json.dumps(event), **headers)

    assert answer.status == 401
    assert answer.reason in ("WEBHOOK_SIGNATURE_INVALID", "WEBHOOK_TIMESTAMP_OUT_OF_RANGE")
    assert (await rest.get(f"/api/payments/{transaction_id}")).json == before


async def test_a_wallet_event_with_a_wrong_signature_is_401_in_a_sandbox_too(rest: Rest) -> None:
    transaction_id = await _held_open(rest)
    event = {"transaction_id": transaction_id, "event_type": "payment_completed"}

    answer = await rest.post("/api/webhooks", event, webhook_id="msg_1", webhook_timestamp="1")

    assert answer.status == 401


async def test_a_provider_that_does_not_exist_is_404(rest: Rest) -> None:
    answer = await rest.post("/api/webhooks/acme", b"{}")

    assert (answer.status, answer.reason) == (404, "PROVIDER_NOT_FOUND")
