"""A quote fixes exactly one amount, and one of the payout serves a payment of exactly that."""

import grpc
import pytest
from caravel.payments.v1 import payments_pb2

from tests.wire.payments.calls import new_key, order, refusal
from tests.wire.payments.conftest import Service


async def test_a_quote_that_fixes_the_payout_serves_one_payment_of_exactly_that(
    service: Service,
) -> None:
    quote = await service.payments.CreateQuote(
        payments_pb2.CreateQuoteRequest(payout_amount="148453.39", destination_currency="NGN")
    )
    assert (quote.amount_usd, quote.net_usd, quote.payout_amount) == (
        "100.01",
        "97.51",
        "148453.39",
    )
    assert quote.fixed_side == "destination"

    _, reason, metadata, _ = await refusal(
        service.payments.CreatePayment(order(quote_id=quote.quote_id), metadata=new_key())
    )
    assert (reason, metadata) == ("QUOTE_MISMATCH", {"field": "amount_usd"})
    used = order(quote_id=quote.quote_id, amount_usd=quote.amount_usd)
    payment = await service.payments.CreatePayment(used, metadata=new_key())
    assert (payment.amount_usd, payment.payout_amount, payment.fixed_side) == (
        "100.01",
        "148453.39",
        "destination",
    )
    _, reason, _, _ = await refusal(service.payments.CreatePayment(used, metadata=new_key()))
    assert reason == "QUOTE_ALREADY_USED"
    asked = payments_pb2.GetQuoteRequest(quote_id=quote.quote_id)
    shown = await service.payments.GetQuote(asked)
    assert (shown.state, shown.fixed_side) == (payments_pb2.Quote.USED, "destination")
    read = payments_pb2.GetPaymentRequest(transaction_id=payment.transaction_id)
    assert (await service.payments.GetPayment(read)).fixed_side == "destination"


async def test_a_quote_for_an_amount_says_that_the_source_is_fixed(service: Service) -> None:
    quote = await service.payments.CreateQuote(
        payments_pb2.CreateQuoteRequest(amount_usd="100", destination_currency="NGN")
    )

    assert quote.fixed_side == "source"


@pytest.mark.parametrize(
    ("amounts", "reason", "fields"),
    [
        (
            {"amount_usd": "100.00", "payout_amount": "9000.00"},
            "FIELDS_CONTRADICTORY",
            ["amount_usd", "payout_amount"],
        ),
        (
            {"amount_usd": "100.00", "payout_amount": ""},
            "FIELDS_CONTRADICTORY",
            ["amount_usd", "payout_amount"],
        ),
        ({}, "FIELD_REQUIRED", ["amount_usd", "payout_amount"]),
        ({"payout_amount": ""}, "FIELD_REQUIRED", ["payout_amount"]),
        ({"payout_amount": "1e5"}, "FIELD_INVALID", ["payout_amount"]),
        ({"payout_amount": "-5"}, "AMOUNT_NOT_POSITIVE", ["payout_amount"]),
        ({"payout_amount": "5.001"}, "AMOUNT_PRECISION_EXCEEDED", ["payout_amount"]),
        (
            {"payout_amount": "5", "destination_currency": "XYZ"},
            "CURRENCY_UNKNOWN",
            ["destination_currency"],
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else None,
)
async def test_a_quote_fixes_exactly_one_amount(
    amounts: dict[str, str], reason: str, fields: list[str], service: Service
) -> None:
    asked = payments_pb2.CreateQuoteRequest(**{"destination_currency": "NGN", **amounts})

    code, refused, _, named = await refusal(service.payments.CreateQuote(asked))

    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert (refused, named) == (reason, fields)
