"""The one table of a payment's fields: whole, and the source of the message and of the JSON."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from caravel.payments.v1 import payments_pb2
from google.protobuf.json_format import MessageToDict

from services.payments.base.convert import write_payment
from services.payments.base.view import payment_as_json, payment_fields, terms_fields
from services.payments.model.payer import NextAction
from services.payments.model.payment import Failure, State
from services.shared.money import Money
from services.shared.recipients import AccountCheck
from tests.makers import NOW, make_payment, make_pricing

# Each message and each time is set, which no real payment has all at once.
WHOLE = make_payment(
    state=State.ACTION_REQUIRED,
    reference="invoice 7",
    failure=Failure(code="recipient_account_blocked", message="No."),
    hold_reason="outcome_unknown",
    account_check=AccountCheck.CLOSE_MATCH,
    cancel_requested_at=NOW,
    deadline_at=NOW + timedelta(days=7),
    cancellable_until=NOW + timedelta(minutes=30),
    refunded=Money(1_05, "USD"),
    updated_at=NOW + timedelta(milliseconds=1500),
    next_action=NextAction(kind="redirect", client_secret="s", url="https://bank.example"),
    pricing=make_pricing(),
)
NAMES = [field.name for field in payments_pb2.Payment.DESCRIPTOR.fields]


def test_every_field_of_the_contract_is_in_the_table() -> None:
    assert sorted(payment_fields(WHOLE)) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_message_and_json_show_the_same(name: str) -> None:
    message: Any = MessageToDict(
        write_payment(WHOLE),
        preserving_proto_field_name=True,
        always_print_fields_with_no_presence=True,
    )

    shown = payment_as_json(WHOLE)[name]
    # An event goes to more people than the payer.
    assert shown == ({"kind": "redirect"} if name == "next_action" else message[name])


def test_a_payment_shows_what_it_is() -> None:
    """Written by hand, so that the table is held to something."""
    shown = payment_as_json(WHOLE)

    assert shown["status"] == "ON_HOLD"
    assert shown["amount_usd"] == "100.00"
    assert shown["fees"][0] == {"name": "flat", "amount_usd": "1.00"}
    assert shown["payout_amount"] == "148453.38"
    # 148453.38 / 100.00, 100.00 - 148453.38 / 1530.25, and the same in percent.
    assert shown["all_in_rate"] == "1484.5338"
    assert (shown["cost_usd"], shown["cost_percent"]) == ("2.99", "2.9875")
    assert shown["rate_trail"]["override"]["rate"] == "1530.25"
    assert shown["rate_trail"]["override"]["market_mid_rate"] == "1530.25"
    assert shown["rounding"]["payout"] == "half_even"
    assert shown["refunded_usd"] == "1.05"
    assert shown["cancel_requested"] is True
    assert shown["account_check"] == "CLOSE_MATCH"
    assert shown["failure"] == {"code": "recipient_account_blocked", "message": "No."}
    assert shown["action_required"] == {
        "reason": "recipient_account_blocked",
        "message": "The account takes no payments at present.",
        "field": "recipient.wallet.wallet_id",
    }
    assert shown["hold"] == {"reason": "outcome_unknown"}
    assert shown["updated_at"] == "2026-11-23T12:00:01.500Z"
    assert shown["deadline_at"] == "2026-11-30T12:00:00Z"


@pytest.mark.parametrize(
    "name",
    [
        "rate_trail",
        "rounding",
        "failure",
        "hold",
        "deadline_at",
        "action_required",
        "account_check",
        "next_action",
    ],
)
def test_a_message_that_is_not_set_is_not_shown(name: str) -> None:
    payment = make_payment()

    assert name not in payment_fields(payment)
    assert not write_payment(payment).HasField(name)


def test_a_quote_shows_the_same_terms() -> None:
    terms = terms_fields(WHOLE.terms)

    assert {name: payment_fields(WHOLE)[name] for name in terms} == terms
    assert terms.keys() <= {field.name for field in payments_pb2.Quote.DESCRIPTOR.fields}


@pytest.mark.parametrize("mid", [Decimal(0), Decimal(-1)])
def test_a_damaged_payment_shows_no_cost(mid: Decimal) -> None:
    payment = make_payment()
    damaged = replace(payment, terms=replace(payment.terms, mid_rate=mid))

    assert "cost_usd" in payment_fields(payment)
    assert "cost_usd" not in payment_fields(damaged)
