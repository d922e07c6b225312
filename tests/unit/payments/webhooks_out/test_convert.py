"""The bytes of a merchant's event."""

import json
from dataclasses import replace
from datetime import timedelta, timezone
from typing import Any

import pytest
from caravel.payments.v1 import endpoints_pb2
from google.protobuf.json_format import MessageToDict

from services.payments.base.convert import write_payment, write_refund
from services.payments.model.payment import Failure, Payment, State
from services.payments.model.refund import Refund, RefundStatus, new_refund, with_refund
from services.payments.webhooks_out.convert import encode_event
from services.payments.webhooks_out.delivery import event_id
from services.payments.webhooks_out.notification import (
    Notification,
    events_of_refund,
    of_payment,
)
from services.shared.ids import encode_id, new_id
from services.shared.money import Money
from tests.makers import NOW, make_payment, make_terms

HELD = make_payment(
    state=State.PAYING_OUT,
    version=7,
    hold_reason="outcome_unknown",
    reference="für Ama",
    updated_at=NOW + timedelta(milliseconds=1500),
)


def _refund(**changes: Any) -> Refund:
    refund = new_refund(HELD, Money(1_05, "USD"), reason="too late", requested_by="merchant")
    return replace(refund, **changes)


FAILED = _refund(
    status=RefundStatus.FAILED, failure=Failure(code="refund_failed", message="closed account")
)
REFUNDED = with_refund(make_payment(state=State.REFUNDING, refunded=Money(1_05, "USD")), FAILED)


def test_an_event_names_the_status_that_the_payment_came_to() -> None:
    event = json.loads(encode_event(of_payment(HELD)))

    assert event["id"] == event_id(HELD.id, 7)
    assert event["type"] == "payment.on_hold"
    assert event["created_at"] == "2026-11-23T12:00:01.500Z"
    assert event["data"]["transaction_id"] == HELD.transaction_id
    assert event["data"]["hold"] == {"reason": "outcome_unknown"}
    assert event["data"]["status"] == "ON_HOLD"


def test_the_event_of_another_price_has_the_old_and_the_new_figures() -> None:
    was = make_payment()
    now = replace(was, repriced=True, terms=make_terms(mid="1515.00"), quote_id=new_id())

    event = json.loads(encode_event(of_payment(now, was)))

    assert event["type"] == "payment.repriced"
    assert event["repricing"] == {
        "from_quote_id": encode_id("quo", was.quote_id),
        "from_fx_rate": "1522.59875",
        "from_payout_amount": "148453.38",
        "to_quote_id": event["data"]["quote_id"],
        "to_fx_rate": event["data"]["fx_rate"],
        "to_payout_amount": "146973.94",
        "destination_currency": "NGN",
    }
    assert "repricing" not in json.loads(encode_event(of_payment(was)))
    fields = endpoints_pb2.Repricing.DESCRIPTOR.fields_by_name
    assert set(event["repricing"]) == set(fields)


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
        REFUNDED,
        make_payment(state=State.RETURNED, deadline_at=NOW + timedelta(days=7)),
        make_payment(updated_at=NOW.astimezone(timezone(timedelta(hours=9)))),
    ],
    ids=["new", "held", "failed", "refunded in part", "returned", "from elsewhere"],
)
def test_an_events_data_is_the_payment_of_the_api(payment: Payment) -> None:
    event = json.loads(encode_event(of_payment(payment)))

    # Fields without a value are shown too, as the gateway shows them.
    assert event["data"] == MessageToDict(
        write_payment(payment),
        preserving_proto_field_name=True,
        always_print_fields_with_no_presence=True,
    )


def test_the_same_payment_gives_the_same_compact_bytes() -> None:
    assert encode_event(of_payment(HELD)) == encode_event(of_payment(HELD))
    assert "für Ama".encode() in encode_event(of_payment(HELD))
    assert b": " not in encode_event(of_payment(HELD))


def test_an_event_about_a_refund_is_the_refund_of_the_api_under_an_id_of_its_own() -> None:
    event = Notification(event_type="refund.failed", payment=HELD, position=1, refund=FAILED)

    written = json.loads(encode_event(event))

    assert written["id"] == event_id(HELD.id, 7, 1) != event_id(HELD.id, 7)
    assert written["type"] == "refund.failed"
    assert written["data"] == MessageToDict(
        write_refund(FAILED, HELD),
        preserving_proto_field_name=True,
        always_print_fields_with_no_presence=True,
    )


@pytest.mark.parametrize(
    ("was", "status", "types"),
    [
        (None, RefundStatus.PENDING, ["refund.created"]),
        (None, RefundStatus.SUCCEEDED, ["refund.created", "refund.succeeded"]),
        (RefundStatus.PENDING, RefundStatus.PENDING, []),
        (RefundStatus.PENDING, RefundStatus.SUCCEEDED, ["refund.succeeded"]),
        (RefundStatus.PENDING, RefundStatus.FAILED, ["refund.failed"]),
        (RefundStatus.FAILED, RefundStatus.PENDING, ["refund.retried"]),
        (RefundStatus.SUCCEEDED, RefundStatus.FAILED, ["refund.failed"]),
    ],
)
def test_a_refund_has_an_event_for_its_beginning_and_for_each_new_status(
    was: RefundStatus | None, status: RefundStatus, types: list[str]
) -> None:
    before = _refund(status=was) if was else None

    assert list(events_of_refund(before, _refund(status=status))) == types
