"""CheckRecipient as a gRPC client meets it, and payments of a corridor that demands the check."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from caravel.payments.v1 import checks_pb2, corrections_pb2, payments_pb2
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.mesh.ports import Holder, Resolution
from tests.logs import logged
from tests.poison import rows, run
from tests.wire.payments.calls import new_key, order, refusal
from tests.wire.payments.conftest import CORRIDORS, Service, serving_payments

ADA = {"holder_name": "Ada Obi", "bank_code": "044", "account_number": "0690000032"}


def asking(**changes: Any) -> checks_pb2.CheckRecipientRequest:
    fields = {"destination_currency": "NGN", "recipient": {"bank_account": ADA}}
    return checks_pb2.CheckRecipientRequest(**{**fields, **changes})


def held_by(name: str) -> Holder:
    return Holder(resolution=Resolution.FOUND, name=name)


@pytest.fixture
async def demanding(engine: AsyncEngine, tmp_path: Path) -> AsyncIterator[Service]:
    """A service whose corridor to Nigeria demands the check."""
    for source in CORRIDORS.glob("*.toml"):
        text = source.read_text().replace('"offered"', '"required"')
        (tmp_path / source.name).write_text(text)
    async with serving_payments(engine, tmp_path) as service:
        yield service


@pytest.mark.parametrize(
    ("holder", "result", "initials"),
    [
        (held_by("ADA OBI"), checks_pb2.MATCH, ""),
        (held_by("ADA NGOZI OBI"), checks_pb2.CLOSE_MATCH, "A*** N*** O***"),
        (held_by("BEN OKORO"), checks_pb2.NO_MATCH, ""),
        (Holder(resolution=Resolution.NOT_FOUND), checks_pb2.NO_MATCH, ""),
        (Holder(resolution=Resolution.UNANSWERED), checks_pb2.UNAVAILABLE, ""),
    ],
)
async def test_a_check_says_whether_the_name_is_the_holders_and_nothing_of_another_one(
    service: Service, holder: Holder, result: Any, initials: str
) -> None:
    service.providers.holder = holder

    with logged() as lines:
        checked = await service.payments.CheckRecipient(asking())

    assert (checked.result, checked.holder_initials) == (result, initials)
    assert checked.recipient_name == "Ada Obi"
    assert checked.recipient.bank_account.account_number == "****0032"
    kept = json.dumps(lines()) + str(checked).replace(checked.recipient_name, "")
    assert not [text for text in ("OKORO", "NGOZI", "0690000032") if text in kept]
    assert service.providers.resolved[0].providers == ("flutterwave", "paystack", "local_wallet")


@pytest.mark.parametrize(
    ("changes", "reason", "field"),
    [
        ({"recipient": None}, "FIELD_REQUIRED", "recipient"),
        ({"recipient": {}}, "FIELD_REQUIRED", "recipient"),
        ({"destination_currency": "XXX"}, "CURRENCY_UNKNOWN", "destination_currency"),
        (
            {"recipient": {"bank_account": {**ADA, "account_number": "0690000055"}}},
            "FIELD_INVALID",
            "recipient.bank_account.account_number",
        ),
        (
            {"recipient": {"mobile_money": {}}},
            "RECIPIENT_KIND_UNSUPPORTED",
            "recipient.mobile_money",
        ),
    ],
)
async def test_a_recipient_that_cannot_be_paid_is_not_asked_about(
    service: Service, changes: dict[str, Any], reason: str, field: str
) -> None:
    code, named, metadata, _ = await refusal(service.payments.CheckRecipient(asking(**changes)))

    assert (code, named, metadata["field"]) == (grpc.StatusCode.INVALID_ARGUMENT, reason, field)
    assert service.providers.resolved == []


async def test_a_corridor_that_offers_no_check_answers_unavailable(service: Service) -> None:
    wallet = {"wallet": {"holder_name": "Asha", "wallet_id": "wallet-77"}}

    checked = await service.payments.CheckRecipient(
        asking(destination_currency="INR", recipient=wallet)
    )

    assert checked.result == checks_pb2.UNAVAILABLE
    assert service.providers.resolved == []


@pytest.mark.parametrize("name", ["ADA OBI", "ADA NGOZI OBI"])
async def test_a_demanded_check_is_made_once_and_its_result_is_on_the_payment(
    demanding: Service, engine: AsyncEngine, name: str
) -> None:
    demanding.providers.holder = held_by(name)
    key, asked = new_key(), order(recipient={"bank_account": ADA})
    result = checks_pb2.MATCH if name == "ADA OBI" else checks_pb2.CLOSE_MATCH

    payment = await demanding.payments.CreatePayment(asked, metadata=key)
    again = await demanding.payments.CreatePayment(asked, metadata=key)

    assert payment == again
    assert payment.account_check == result
    assert len(demanding.providers.resolved) == 1
    shown = await demanding.payments.GetPayment(
        payments_pb2.GetPaymentRequest(transaction_id=payment.transaction_id)
    )
    assert shown.account_check == result


async def test_a_payment_to_another_holder_is_refused_before_anything_is_charged(
    demanding: Service, engine: AsyncEngine
) -> None:
    demanding.providers.holder = held_by("BEN OKORO")
    refused = demanding.payments.CreatePayment(
        order(recipient={"bank_account": ADA}), metadata=new_key()
    )

    assert (await refusal(refused))[:3] == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "RECIPIENT_NAME_MISMATCH",
        {"field": "recipient"},
    )
    assert await rows(engine, "SELECT id FROM payments") == []


async def test_where_nobody_can_say_the_payment_may_be_tried_again_with_its_key(
    demanding: Service,
) -> None:
    key, asked = new_key(), order(recipient={"bank_account": ADA})

    refused = await refusal(demanding.payments.CreatePayment(asked, metadata=key))
    assert refused[:2] == (grpc.StatusCode.ABORTED, "RECIPIENT_CHECK_UNAVAILABLE")
    demanding.providers.holder = held_by("ADA OBI")
    payment = await demanding.payments.CreatePayment(asked, metadata=key)
    assert payment.account_check == checks_pb2.MATCH


async def test_a_quote_does_not_pass_the_demand_by(demanding: Service) -> None:
    demanding.providers.holder = held_by("BEN OKORO")
    quote = await demanding.payments.CreateQuote(
        payments_pb2.CreateQuoteRequest(
            amount_usd="100", destination_currency="NGN", recipient={"bank_account": ADA}
        )
    )

    refused = demanding.payments.CreatePayment(order(quote_id=quote.quote_id), metadata=new_key())

    assert (await refusal(refused))[1] == "RECIPIENT_NAME_MISMATCH"


async def test_a_payment_without_a_demand_has_no_result(service: Service) -> None:
    payment = await service.payments.CreatePayment(order(), metadata=new_key())

    assert not payment.HasField("account_check")
    assert service.providers.resolved == []


async def test_a_correction_is_checked_as_a_creation_is(
    demanding: Service, engine: AsyncEngine
) -> None:
    demanding.providers.holder = held_by("ADA OBI")
    payment = await demanding.payments.CreatePayment(
        order(recipient={"bank_account": ADA}), metadata=new_key()
    )
    await run(engine, "UPDATE payments SET state = 'ACTION_REQUIRED', lease_until = NULL")
    other = {"bank_account": {**ADA, "holder_name": "Ben Okoro"}}
    asked = {"transaction_id": payment.transaction_id, "recipient": other}
    request = corrections_pb2.CorrectRecipientRequest(**asked)
    refused = demanding.payments.CorrectRecipient(request, metadata=new_key())
    assert (await refusal(refused))[1] == "RECIPIENT_NAME_MISMATCH"
    demanding.providers.holder = held_by("BEN OKORO")
    corrected = await demanding.payments.CorrectRecipient(request, metadata=new_key())

    assert corrected.account_check == checks_pb2.MATCH
