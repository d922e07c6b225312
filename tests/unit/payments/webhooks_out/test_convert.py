"""The bytes of a merchant's event."""

import json
from datetime import timedelta, timezone

import pytest
from google.protobuf.json_format import MessageToDict

from services.payments.base.convert import write_payment
from services.payments.model.payment import Failure, Payment, State
from services.payments.webhooks_out.convert import encode_event
from services.payments.webhooks_out.delivery import event_id
from services.shared.money import Money
from tests.makers import NOW, make_payment

HELD = make_payment(
    state=State.PAYING_OUT,
    version=7,
    hold_reason="outcome_unknown",
    reference="für Ama",
    updated_at=NOW + timedelta(milliseconds=1500),
)


def test_an_event_names_the_status_that_the_payment_came_to() -> None:
    event = json.loads(encode_event(HELD))

    assert event["id"] == event_id(HELD.id, 7)
    assert event["type"] == "payment.on_hold"
    assert event["created_at"] == "2026-11-23T12:00:01.500Z"
    assert event["data"]["transaction_id"] == HELD.transaction_id
    assert event["data"]["hold"] == {"reason": "outcome_unknown"}
    assert event["data"]["status"] == "ON_HOLD"


@pytest.mark.parametrize(
    "payment",
    [
        make_payment(),
        HELD,
        make_payment(
            state=State.FAILED,
            failure=Failure(code="card_declined", message='"No" \\ \x1f'),
            cancel_requested_at=NOW,
            updated_at=NOW + timedelta(microseconds=1),
        ),
        make_payment(state=State.REFUNDING, refunded=Money(1_05, "USD")),
        make_payment(state=State.RETURNED, deadline_at=NOW + timedelta(days=7)),
        make_payment(updated_at=NOW.astimezone(timezone(timedelta(hours=9)))),
    ],
    ids=["new", "held", "failed", "refunded in part", "returned", "from elsewhere"],
)
def test_an_events_data_is_the_payment_of_the_api(payment: Payment) -> None:
    event = json.loads(encode_event(payment))

    # Fields without a value are shown too, as the gateway shows them.
    assert event["data"] == MessageToDict(
        write_payment(payment),
        preserving_proto_field_name=True,
        always_print_fields_with_no_presence=True,
    )


def test_the_same_payment_gives_the_same_compact_bytes() -> None:
    assert encode_event(HELD) == encode_event(HELD)
    assert "für Ama".encode() in encode_event(HELD)
    assert b": " not in encode_event(HELD)
