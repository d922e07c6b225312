"""CancelPayment and the RPCs of refunds as a gRPC client meets them, with every refusal."""

from typing import Any

import grpc
import pytest
from caravel.payments.v1 import payments_pb2, refunds_pb2
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.wire.payments.calls import new_key, order, refusal
from tests.wire.payments.conftest import Service


async def test_a_new_payment_is_cancelled_and_stays_so(service: Service) -> None:
    payment = await service.payments.CreatePayment(order(), metadata=new_key())
    asked = payments_pb2.CancelPaymentRequest(transaction_id=payment.transaction_id)

    cancelled = [await service.payments.CancelPayment(asked) for _ in range(2)]

    assert {answer.status for answer in cancelled} == {payments_pb2.Payment.CANCELLED}
    assert cancelled[0] == cancelled[1]
    assert cancelled[0].cancel_requested


async def test_a_payment_that_was_never_collected_is_not_refunded(service: Service) -> None:
    payment = await service.payments.CreatePayment(order(), metadata=new_key())
    asked = refunds_pb2.CreateRefundRequest(transaction_id=payment.transaction_id, full=True)

    refused = await refusal(service.refunds.CreateRefund(asked, metadata=new_key()))

    assert refused == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "PAYMENT_NOT_REFUNDABLE",
        {"status": "PENDING"},
        [],
    )


async def test_an_ended_payment_is_not_cancelled(service: Service, engine: AsyncEngine) -> None:
    payment = await service.payments.CreatePayment(order(), metadata=new_key())
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE payments SET state = 'COMPLETED'"))
    asked = payments_pb2.CancelPaymentRequest(transaction_id=payment.transaction_id)

    code, reason, metadata, _ = await refusal(service.payments.CancelPayment(asked))

    assert (code, reason) == (grpc.StatusCode.FAILED_PRECONDITION, "PAYMENT_NOT_CANCELLABLE")
    assert metadata == {"status": "COMPLETED"}


async def test_a_refund_begins_once_and_says_what_is_left(
    service: Service, engine: AsyncEngine
) -> None:
    payment = await service.payments.CreatePayment(order(), metadata=new_key())
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE payments SET state = 'RETURNED'"))
    asked = refunds_pb2.CreateRefundRequest(
        transaction_id=payment.transaction_id, amount_usd="40.00", ends_payout=True
    )
    header = new_key()

    first = await service.refunds.CreateRefund(asked, metadata=header)
    again = service.refunds.CreateRefund(asked, metadata=header)
    second = await again
    asked.amount_usd = "41.00"
    reused = await refusal(service.refunds.CreateRefund(asked, metadata=header))

    assert first.status == refunds_pb2.Refund.PENDING
    assert first == second
    assert ("idempotent-replayed", "true") in tuple(await again.initial_metadata())
    assert reused[1] == "IDEMPOTENCY_KEY_REUSED"


async def test_a_refund_beyond_the_payment_is_refused_with_what_is_left(
    service: Service, engine: AsyncEngine
) -> None:
    payment = await service.payments.CreatePayment(order(), metadata=new_key())
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE payments SET state = 'RETURNED'"))
    asked = refunds_pb2.CreateRefundRequest(
        transaction_id=payment.transaction_id, amount_usd="100.01"
    )

    refused = await refusal(service.refunds.CreateRefund(asked, metadata=new_key()))

    assert refused[:2] == (grpc.StatusCode.OUT_OF_RANGE, "REFUND_TOO_LARGE")
    assert refused[2] == {"refundable_usd": "100.00"}


@pytest.mark.parametrize(
    ("how_much", "reason"),
    [
        ({}, "FIELD_REQUIRED"),
        ({"full": True, "amount_usd": "40.00"}, "FIELDS_CONTRADICTORY"),
    ],
)
async def test_refund_names_either_an_amount_or_all_of_it(
    service: Service, engine: AsyncEngine, how_much: dict[str, Any], reason: str
) -> None:
    payment = await service.payments.CreatePayment(order(), metadata=new_key())
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE payments SET state = 'RETURNED'"))
    asked = refunds_pb2.CreateRefundRequest(transaction_id=payment.transaction_id, **how_much)

    code, found, _, fields = await refusal(service.refunds.CreateRefund(asked, metadata=new_key()))

    assert (code, found) == (grpc.StatusCode.INVALID_ARGUMENT, reason)
    assert fields == ["amount_usd", "full"]
    async with engine.connect() as connection:
        kept = await connection.execute(text("SELECT state, refunded_minor FROM payments"))
        assert [tuple(row) for row in kept] == [("RETURNED", 0)]


async def test_a_refund_beside_another_is_refused_with_a_time_to_come_again(
    service: Service, engine: AsyncEngine
) -> None:
    payment = await service.payments.CreatePayment(order(), metadata=new_key())
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE payments SET state = 'RETURNED'"))
    part = refunds_pb2.CreateRefundRequest(
        transaction_id=payment.transaction_id, amount_usd="10.00", ends_payout=True
    )
    await service.refunds.CreateRefund(part, metadata=new_key())

    call = service.refunds.CreateRefund(part, metadata=new_key())
    refused = await refusal(call)

    assert refused[:2] == (grpc.StatusCode.ABORTED, "PAYMENT_BUSY")
    assert ("retry-after", "1") in tuple(await call.trailing_metadata())


@pytest.mark.parametrize("amount", ["0", "-1", "1.001", "abc", "NaN"])
async def test_a_malformed_refund_amount_is_named(service: Service, amount: str) -> None:
    payment = await service.payments.CreatePayment(order(), metadata=new_key())
    asked = refunds_pb2.CreateRefundRequest(
        transaction_id=payment.transaction_id, amount_usd=amount
    )

    code, _, _, fields = await refusal(service.refunds.CreateRefund(asked, metadata=new_key()))

    assert (code, fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["amount_usd"])


async def test_a_refund_needs_its_key(service: Service) -> None:
    payment = await service.payments.CreatePayment(order(), metadata=new_key())
    asked = refunds_pb2.CreateRefundRequest(transaction_id=payment.transaction_id, full=True)

    refused = await refusal(service.refunds.CreateRefund(asked))

    assert refused[1] == "IDEMPOTENCY_KEY_REQUIRED"
