"""The parts of requests that merchants and operators share are read alike."""

from typing import Any

import pytest
from caravel.common.v1 import recipient_pb2
from caravel.payments.v1 import corrections_pb2, refunds_pb2, verbs_pb2

from services.payments.base.problems import Problems
from services.payments.base.requests import (
    read_amount_usd,
    read_new_recipient,
    refuse_unclear_part,
)
from services.shared.errors import Invalid
from services.shared.money import Money
from services.shared.recipients import Wallet

CORRECTIONS = (corrections_pb2.CorrectRecipientRequest, verbs_pb2.CorrectPaymentRequest)
REFUNDS = (refunds_pb2.CreateRefundRequest, verbs_pb2.RefundPaymentRequest)


@pytest.mark.parametrize("request_type", CORRECTIONS)
def test_a_new_recipient_is_read(request_type: Any) -> None:
    wallet = recipient_pb2.Recipient(wallet=recipient_pb2.Wallet(wallet_id="w-2"))

    found = read_new_recipient(request_type(recipient=wallet), Problems())

    assert found == Wallet(wallet_id="w-2")


@pytest.mark.parametrize("request_type", CORRECTIONS)
@pytest.mark.parametrize("given", [{}, {"recipient": recipient_pb2.Recipient()}])
def test_a_correction_without_a_recipient_is_refused(
    request_type: Any, given: dict[str, Any]
) -> None:
    with pytest.raises(Invalid) as refused:
        read_new_recipient(request_type(**given), Problems())
    assert refused.value.error_reason == "FIELD_REQUIRED"


@pytest.mark.parametrize("request_type", REFUNDS)
@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({}, "FIELD_REQUIRED"),
        ({"full": True, "amount_usd": "1.00"}, "FIELDS_CONTRADICTORY"),
        ({"full": True}, None),
        ({"amount_usd": "1.00"}, None),
    ],
)
def test_a_refund_says_how_much_in_one_way(
    request_type: Any, given: dict[str, Any], reason: str | None
) -> None:
    if reason is None:
        refuse_unclear_part(request_type(**given))
        return
    with pytest.raises(Invalid) as refused:
        refuse_unclear_part(request_type(**given))
    assert refused.value.error_reason == reason


def test_an_amount_in_dollars_is_read_to_the_cent() -> None:
    assert read_amount_usd("1.25") == Money(125, "USD")
