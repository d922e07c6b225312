"""Decimal text has one form in every field that the contract calls decimal."""

from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import pytest
from caravel.common.v1 import options_pb2
from caravel.payments.v1 import admin_pb2, payments_pb2, refunds_pb2
from google.protobuf.descriptor import Descriptor, FileDescriptor
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.wire.payments.calls import new_key, order, refusal
from tests.wire.payments.conftest import Service
from tests.wire.payments.operators.calls import resolve, unknown_payout

Call = Callable[[Service, str, str], Awaitable[Any]]
# Every decimal field with its request, and the call with this text in it.
CALLS: dict[tuple[str, str], Call] = {
    ("CreatePaymentRequest", "amount_usd"): (
        lambda service, _, text: service.payments.CreatePayment(
            order(amount_usd=text), metadata=new_key()
        )
    ),
    ("CreateQuoteRequest", "amount_usd"): (
        lambda service, _, text: service.payments.CreateQuote(
            payments_pb2.CreateQuoteRequest(amount_usd=text, destination_currency="NGN")
        )
    ),
    ("CreateQuoteRequest", "payout_amount"): (
        lambda service, _, text: service.payments.CreateQuote(
            payments_pb2.CreateQuoteRequest(payout_amount=text, destination_currency="NGN")
        )
    ),
    ("CreateRefundRequest", "amount_usd"): (
        lambda service, payment, text: service.refunds.CreateRefund(
            refunds_pb2.CreateRefundRequest(transaction_id=payment, amount_usd=text),
            metadata=new_key(),
        )
    ),
    ("ResolveAttemptRequest", "moved_amount"): (
        lambda service, payment, text: service.admin.ResolveAttempt(
            resolve(payment, moved_amount=text, moved_currency="NGN")
        )
    ),
}
MALFORMED = ("1e2", "1E+2", "0e5", "1050e-2", "1_000", "1,000", "+5", ".5", "5.", "007", " 1", "x")


def _messages(file: FileDescriptor) -> list[Descriptor]:
    return list(file.message_types_by_name.values())


def test_the_table_has_every_decimal_field_of_the_contract() -> None:
    files = (admin_pb2.DESCRIPTOR, payments_pb2.DESCRIPTOR, refunds_pb2.DESCRIPTOR)
    files += tuple(needed for file in files for needed in file.dependencies)
    decimal = {
        (message.name, field.name)
        for file in files
        for message in _messages(file)
        for field in message.fields
        if field.GetOptions().Extensions[options_pb2.decimal]
    }

    assert decimal == set(CALLS)


@pytest.mark.parametrize("name", CALLS, ids=" ".join)
async def test_a_text_of_another_form_is_refused_by_name(
    service: Service, engine: AsyncEngine, name: tuple[str, str]
) -> None:
    _, payment = await unknown_payout(engine)
    call, field = CALLS[name], name[1]

    for text in MALFORMED:
        code, reason, _, fields = await refusal(call(service, payment, text))
        assert (code, reason, fields) == (
            grpc.StatusCode.INVALID_ARGUMENT,
            "FIELD_INVALID",
            [field],
        ), text
