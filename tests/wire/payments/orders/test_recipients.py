"""Recipients as a gRPC client meets them: checked before anything is charged, shown masked, and
never one that nobody named outside of a sandbox."""

import json
from typing import Any

import grpc
import pytest
from caravel.common.v1 import recipient_pb2
from caravel.payments.v1 import payments_pb2
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.logs import logged
from tests.poison import rows
from tests.wire.payments.calls import new_key, order, refusal
from tests.wire.payments.conftest import Service

ADA = {"holder_name": "Adé Obi", "bank_code": "044", "account_number": "069 000 0032"}
WALLET = {"holder_name": "Ada Obi", "wallet_id": "wallet-77"}
SHOWN = {"holder_name": "A*** O***", "bank_code": "044", "account_number": "****0032"}


def quoting(**changes: Any) -> payments_pb2.CreateQuoteRequest:
    fields = {"amount_usd": "100", "destination_currency": "NGN"}
    return payments_pb2.CreateQuoteRequest(**{**fields, **changes})


async def test_a_payment_keeps_the_recipient_as_it_will_be_sent_and_shows_it_masked(
    service: Service, engine: AsyncEngine
) -> None:
    with logged() as lines:
        payment = await service.payments.CreatePayment(
            order(recipient={"bank_account": ADA}), metadata=new_key()
        )
        request = payments_pb2.GetPaymentRequest(transaction_id=payment.transaction_id)
        shown = await service.payments.GetPayment(request)

    masked = recipient_pb2.Recipient(bank_account=SHOWN)
    assert payment.recipient == shown.recipient == masked
    assert not payment.recipient_is_example
    assert await rows(engine, "SELECT recipient FROM payments") == [
        (
            {
                "kind": "bank_account",
                "holder_name": "Ade Obi",
                "bank_code": "044",
                "account_number": "0690000032",
            },
        )
    ]
    assert not [text for text in ("Obi", "0690000032") if text in json.dumps(lines())]


async def test_a_sandbox_pays_the_example_where_nobody_is_named(service: Service) -> None:
    payment = await service.payments.CreatePayment(order(), metadata=new_key())

    assert payment.recipient_is_example
    assert payment.recipient.WhichOneof("kind") == "bank_account"


async def test_every_fault_of_a_request_is_named_at_once(service: Service) -> None:
    recipient = {"bank_account": {"holder_name": "\u5c71", "account_number": "0690000033"}}
    alone = service.payments.CreatePayment(order(recipient=recipient), metadata=new_key())
    beside = service.payments.CreatePayment(
        order(user_id="nobody", recipient=recipient), metadata=new_key()
    )

    wrong = [f"recipient.bank_account.{name}" for name in ("holder_name", "bank_code")]
    assert (await refusal(alone))[3] == wrong
    assert (await refusal(beside))[3] == ["user_id", *wrong]


@pytest.mark.parametrize(
    ("recipient", "reason", "field"),
    [
        ({}, "FIELD_REQUIRED", "recipient"),
        ({"bank_account": {}}, "FIELD_REQUIRED", "recipient.bank_account.holder_name"),
        (
            {"bank_account": {**ADA, "account_number": "0690000055"}},
            "FIELD_INVALID",
            "recipient.bank_account.account_number",
        ),
        (
            {"bank_account": {**ADA, "ifsc": "HDFC0000123"}},
            "RECIPIENT_FIELD_UNSUPPORTED",
            "recipient.bank_account.ifsc",
        ),
        ({"mobile_money": {}}, "RECIPIENT_KIND_UNSUPPORTED", "recipient.mobile_money"),
    ],
)
async def test_a_recipient_that_cannot_be_paid_is_refused_at_quoting_and_at_creation(
    service: Service, engine: AsyncEngine, recipient: dict[str, Any], reason: str, field: str
) -> None:
    calls = [
        service.payments.CreatePayment(order(recipient=recipient), metadata=new_key()),
        service.payments.CreateQuote(quoting(recipient=recipient)),
    ]
    for call in calls:
        code, named, metadata, _ = await refusal(call)
        assert (code, named, metadata) == (
            grpc.StatusCode.INVALID_ARGUMENT,
            reason,
            {"field": field},
        )
    assert await rows(engine, "SELECT id FROM payments") == []


async def test_a_quote_shows_the_name_as_it_will_be_sent(service: Service) -> None:
    quote = await service.payments.CreateQuote(quoting(recipient={"bank_account": ADA}))

    shown = await service.payments.GetQuote(payments_pb2.GetQuoteRequest(quote_id=quote.quote_id))
    assert quote.recipient_name == shown.recipient_name == "Ade Obi"
    assert quote.recipient == shown.recipient == recipient_pb2.Recipient(bank_account=SHOWN)


async def test_a_payment_under_a_quote_pays_the_quotes_recipient(service: Service) -> None:
    quote = await service.payments.CreateQuote(quoting(recipient={"bank_account": ADA}))
    other_kind = order(quote_id=quote.quote_id, recipient={"wallet": WALLET})

    refused = service.payments.CreatePayment(other_kind, metadata=new_key())
    assert (await refusal(refused))[1:3] == ("QUOTE_MISMATCH", {"field": "recipient"})
    payment = await service.payments.CreatePayment(
        order(quote_id=quote.quote_id), metadata=new_key()
    )
    assert payment.recipient == recipient_pb2.Recipient(bank_account=SHOWN)
    assert not payment.recipient_is_example


async def test_the_same_key_with_another_recipient_is_another_request(service: Service) -> None:
    key = new_key()
    first = await service.payments.CreatePayment(order(recipient={"wallet": WALLET}), metadata=key)

    again = await service.payments.CreatePayment(order(recipient={"wallet": WALLET}), metadata=key)
    assert again == first
    other = {"wallet": {**WALLET, "wallet_id": "wallet-78"}}
    refused = service.payments.CreatePayment(order(recipient=other), metadata=key)
    assert (await refusal(refused))[1] == "IDEMPOTENCY_KEY_REUSED"


async def test_corridors_say_of_each_kind_what_it_needs_and_their_examples_pass(
    service: Service,
) -> None:
    offered = await service.payments.ListCorridors(payments_pb2.ListCorridorsRequest())

    for corridor in offered.corridors:
        assert corridor.recipients
        for form in corridor.recipients:
            assert form.rail
            assert form.required
            assert all(field.description and field.pattern for field in form.required)
            quote = await service.payments.CreateQuote(
                quoting(
                    destination_currency=corridor.destination_currency,
                    destination_country=corridor.destination_country,
                    recipient=form.example,
                )
            )
            assert quote.recipient.WhichOneof("kind") == form.example.WhichOneof("kind")
