"""Changes at Stripe without a request of ours: raised by a control route, in the book, sent as
signed events as the adapter reads them, and in the way of a refund."""

import json
from typing import Any

import pytest

from services.providers.adapters.stripe.translate import read_event
from services.providers.domain import DisputeKind, DisputeStatus, Kind, Outcome, WebhookEvent
from tests.contract.lab import Gateway
from tests.contract.providers.stripe import KEY
from tests.polling import until
from tests.unit.providers.simulator.caller import Caller

Json = dict[str, Any]


async def _control(caller: Caller, path: str, **body: Any) -> tuple[int, Json]:
    url = f"{caller.url}/control/stripe/{path}"
    async with caller.session.post(url, data=json.dumps(body)) as answer:
        found = await answer.text()
        return answer.status, json.loads(found) if answer.status == 200 else {}


async def _refund(caller: Caller, intent: str) -> tuple[int, Json]:
    headers = {"authorization": f"Bearer {KEY}", "idempotency-key": "refund-1"}
    url, form = f"{caller.url}/v1/refunds", {"payment_intent": intent}
    async with caller.session.post(url, data=form, headers=headers) as answer:
        return answer.status, await answer.json()


async def _sent(gateway: Gateway, event_type: str) -> WebhookEvent:
    """The next event of a type, as our adapter reads it."""
    while True:
        event = read_event((await gateway.next()).body)
        if event.event_type == event_type:
            return event


async def test_a_dispute_takes_the_money_and_gives_it_back_once_it_is_won(
    caller: Caller, gateway: Gateway
) -> None:
    _, intent, _ = await caller.charge()

    status, dispute = await _control(caller, "disputes", transaction_id="pay_1")
    assert status == 200
    taken = await _sent(gateway, "charge.dispute.funds_withdrawn")
    assert (taken.kind, taken.key, taken.transaction_id) == (None, "", "")
    assert taken.collection_reference == intent["id"]
    assert taken.dispute is not None
    assert (taken.dispute.kind, taken.dispute.status) == (
        DisputeKind.DISPUTE,
        DisputeStatus.NEEDS_RESPONSE,
    )
    assert str(taken.dispute.withdrawn) == str(taken.dispute.amount) == "100.00"
    assert taken.dispute.respond_by is not None
    refused, error = await _refund(caller, intent["id"])
    assert (refused, error["error"]["code"]) == (400, "charge_disputed")

    assert (await _control(caller, f"disputes/{dispute['id']}", status="won"))[0] == 200
    back = await _sent(gateway, "charge.dispute.funds_reinstated")
    assert back.dispute is not None
    assert (back.dispute.status, str(back.dispute.withdrawn)) == (DisputeStatus.WON, "0.00")
    again, _ = await _control(caller, f"disputes/{dispute['id']}", status="lost")
    assert again == 400
    assert await caller.effects() == [
        *("charge_succeeded", "dispute_opened", "dispute_withdrawn"),
        *("dispute_won", "dispute_reinstated"),
    ]


async def test_an_inquiry_takes_nothing_and_is_closed(caller: Caller, gateway: Gateway) -> None:
    _, intent, _ = await caller.charge()

    _, inquiry = await _control(caller, "disputes", transaction_id="pay_1", inquiry=True)
    await _control(caller, f"disputes/{inquiry['id']}", status="warning_closed")

    closed = await _sent(gateway, "charge.dispute.closed")
    assert closed.dispute is not None
    assert (closed.dispute.status, str(closed.dispute.withdrawn)) == (DisputeStatus.CLOSED, "0.00")
    assert (await _refund(caller, intent["id"]))[0] == 200


async def test_warnings_and_reviews_are_claims_of_their_own(
    caller: Caller, gateway: Gateway
) -> None:
    await caller.charge()

    await _control(caller, "warnings", transaction_id="pay_1")
    _, review = await _control(caller, "reviews", transaction_id="pay_1")
    await _control(caller, f"reviews/{review['id']}")

    warning = (await _sent(gateway, "radar.early_fraud_warning.created")).dispute
    closed = (await _sent(gateway, "review.closed")).dispute
    assert warning is not None
    assert closed is not None
    assert (warning.kind, warning.status) == (
        DisputeKind.FRAUD_WARNING,
        DisputeStatus.NEEDS_RESPONSE,
    )
    assert (closed.kind, closed.status) == (DisputeKind.REVIEW, DisputeStatus.CLOSED)


async def test_a_refund_in_the_dashboard_has_an_id_of_its_own_for_a_key(
    caller: Caller, gateway: Gateway
) -> None:
    _, intent, _ = await caller.charge()

    status, refund = await _control(caller, "refunds", transaction_id="pay_1", amount=4000)

    assert status == 200
    sent = await _sent(gateway, "refund.created")
    assert (sent.kind, sent.outcome, sent.key) == (Kind.REFUND, Outcome.SUCCEEDED, refund["id"])
    assert (sent.collection_reference, str(sent.amount)) == (intent["id"], "40.00")


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("disputes", {"transaction_id": "pay_none"}, 404),
        ("disputes", {"transaction_id": "pay_1", "amount": 10_001}, 400),
        ("disputes", {"transaction_id": "pay_1", "else": 1}, 400),
        ("disputes/du_none", {"status": "won"}, 404),
        ("reviews/prv_none", {}, 404),
    ],
)
async def test_a_claim_that_cannot_be_is_refused(
    caller: Caller, path: str, body: Json, status: int
) -> None:
    await caller.charge()

    assert (await _control(caller, path, **body))[0] == status


async def test_the_mode_disputes_a_charge_and_decides_it(caller: Caller) -> None:
    await caller.charge(description="sim:dispute=0")

    effects = await until(caller.effects, lambda effects: len(effects) >= 4)

    assert effects[:3] == ["charge_succeeded", "dispute_opened", "dispute_withdrawn"]
    assert effects[3] in ("dispute_won", "dispute_lost")
