"""CorrectRecipient as a gRPC client meets it, with every refusal."""

from typing import Any

import grpc
import pytest
from caravel.common.v1 import recipient_pb2
from caravel.payments.v1 import corrections_pb2, history_pb2, payments_pb2
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.wire.payments.calls import new_key, order, refusal
from tests.wire.payments.conftest import Service

SOMEBODY = recipient_pb2.Recipient(
    wallet=recipient_pb2.Wallet(holder_name="Asha Example", wallet_id="wallet-3210")
)


async def _refused(service: Service, engine: AsyncEngine) -> payments_pb2.Payment:
    payment = await service.payments.CreatePayment(order(), metadata=new_key())
    async with engine.begin() as connection:
        await connection.execute(
            text(
                "UPDATE payments SET state = 'ACTION_REQUIRED', failure_message = 'no', "
                "failure_code = 'recipient_account_closed'"
            )
        )
    return payment


def _asked(
    payment: payments_pb2.Payment, **changes: Any
) -> corrections_pb2.CorrectRecipientRequest:
    known = {"transaction_id": payment.transaction_id, "recipient": SOMEBODY}
    return corrections_pb2.CorrectRecipientRequest(**{**known, **changes})


async def test_a_refused_recipient_shows_why_and_what_to_correct(
    service: Service, engine: AsyncEngine
) -> None:
    payment = await _refused(service, engine)

    shown = await service.payments.GetPayment(
        payments_pb2.GetPaymentRequest(transaction_id=payment.transaction_id)
    )

    assert shown.status == payments_pb2.Payment.ACTION_REQUIRED
    assert shown.action_required == corrections_pb2.ActionRequired(
        reason="recipient_account_closed",
        message="The account is closed.",
        field="recipient.bank_account.account_number",
    )
    listed = await service.payments.ListPayments(
        payments_pb2.ListPaymentsRequest(status=payments_pb2.Payment.ACTION_REQUIRED)
    )
    assert [one.transaction_id for one in listed.payments] == [payment.transaction_id]


async def test_a_correction_is_answered_once_and_then_repeated(
    service: Service, engine: AsyncEngine
) -> None:
    payment, header = await _refused(service, engine), new_key()

    first = await service.payments.CorrectRecipient(_asked(payment), metadata=header)
    again = service.payments.CorrectRecipient(_asked(payment), metadata=header)
    second = await again
    other = recipient_pb2.Recipient(
        wallet=recipient_pb2.Wallet(holder_name="Asha", wallet_id="wallet-2")
    )
    reused = await refusal(
        service.payments.CorrectRecipient(_asked(payment, recipient=other), metadata=header)
    )

    assert first.status == payments_pb2.Payment.PROCESSING
    assert not first.HasField("action_required")
    assert first == second
    assert ("idempotent-replayed", "true") in tuple(await again.initial_metadata())
    assert reused[1] == "IDEMPOTENCY_KEY_REUSED"
    history = await service.payments.ListPaymentEvents(
        history_pb2.ListPaymentEventsRequest(transaction_id=payment.transaction_id)
    )
    (event,) = [one for one in history.events if one.cause == "recipient_corrected"]
    # Both recipients, with no more than distinguishes them.
    assert set(event.evidence) == {"recipient_before", "recipient"}
    assert not any("9876" in value or "Asha" in value for value in event.evidence.values())


@pytest.mark.parametrize(
    ("prepared", "reason", "status"),
    [
        ("state = 'COMPLETED'", "PAYMENT_NOT_CORRECTABLE", grpc.StatusCode.FAILED_PRECONDITION),
        ("state = 'PAYING_OUT'", "PAYMENT_NOT_CORRECTABLE", grpc.StatusCode.FAILED_PRECONDITION),
        ("hold_reason = 'late_success'", "PAYMENT_ON_HOLD", grpc.StatusCode.ABORTED),
        ("lease_until = now() + interval '9 s'", "PAYMENT_BUSY", grpc.StatusCode.ABORTED),
    ],
)
async def test_a_payment_that_cannot_be_corrected_says_why(
    service: Service,
    engine: AsyncEngine,
    prepared: str,
    reason: str,
    status: grpc.StatusCode,
) -> None:
    payment = await _refused(service, engine)
    async with engine.begin() as connection:
        await connection.execute(text(f"UPDATE payments SET {prepared}"))

    refused = await refusal(service.payments.CorrectRecipient(_asked(payment), metadata=new_key()))

    assert refused[:2] == (status, reason)


async def test_a_correction_of_nothing_is_not_found(service: Service) -> None:
    asked = corrections_pb2.CorrectRecipientRequest(transaction_id="pay_0", recipient=SOMEBODY)

    refused = await refusal(service.payments.CorrectRecipient(asked, metadata=new_key()))

    assert refused[1] == "PAYMENT_NOT_FOUND"


async def test_a_correction_without_a_recipient_or_a_key_is_refused(
    service: Service, engine: AsyncEngine
) -> None:
    payment = await _refused(service, engine)
    nobody = corrections_pb2.CorrectRecipientRequest(transaction_id=payment.transaction_id)
    hidden = recipient_pb2.Recipient(
        wallet=recipient_pb2.Wallet(wallet_id="wallet-2", holder_name="\u202e")
    )

    without = await refusal(service.payments.CorrectRecipient(nobody, metadata=new_key()))
    no_key = await refusal(service.payments.CorrectRecipient(_asked(payment)))
    strange = await refusal(
        service.payments.CorrectRecipient(_asked(payment, recipient=hidden), metadata=new_key())
    )

    assert (without[1], no_key[1]) == ("FIELD_REQUIRED", "IDEMPOTENCY_KEY_REQUIRED")
    assert strange[1] == "CHARACTER_FORBIDDEN"
