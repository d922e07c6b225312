"""Text at every entrance of the API: characters that nobody could see are refused, each with its
field, and nothing of what was refused is kept or logged."""

import base64
import json
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import pytest
from caravel.payments.v1 import admin_pb2, endpoints_pb2, payments_pb2
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.logs import logged
from tests.poison import rows
from tests.wire.payments.calls import new_key, order, refusal
from tests.wire.payments.conftest import Service
from tests.wire.payments.operators.calls import release, resolve, unknown_payout

HIDDEN = {
    "zero": "\0",
    "override": "\u202e",
    "tag": "\U000e0041",
    "mark": "\u200f",
    "line": "\u2028",
}
ACCOUNT = {"holder_name": "Ada Obi", "bank_code": "044", "account_number": "0690000032"}
FIELDS: dict[str, Callable[[str], dict[str, Any]]] = {
    "recipient.bank_account.holder_name": lambda text: {
        "recipient": {"bank_account": {**ACCOUNT, "holder_name": text}}
    },
    "recipient.bank_account.account_number": lambda text: {
        "recipient": {"bank_account": {**ACCOUNT, "account_number": text}}
    },
    "recipient.wallet.wallet_id": lambda text: {
        "recipient": {"wallet": {"holder_name": "Ada", "wallet_id": text}}
    },
    "payment_method": lambda text: {"payment_method": text},
    "reference": lambda text: {"reference": text},
}


@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize("field", FIELDS)
async def test_a_payments_texts_are_visible(
    service: Service, engine: AsyncEngine, field: str, hidden: str
) -> None:
    character = HIDDEN[hidden]
    call = service.payments.CreatePayment(
        order(**FIELDS[field](f"Ada{character} Lovelace")), metadata=new_key()
    )

    with logged() as lines:
        code, reason, metadata, fields = await refusal(call)

    assert (code, reason, fields) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "CHARACTER_FORBIDDEN",
        [field],
    )
    assert metadata == {"field": field, "character": f"U+{ord(character):04X}"}
    assert "Lovelace" not in json.dumps(lines())
    assert await rows(engine, "SELECT key FROM idempotency_keys") == []


@pytest.mark.parametrize(
    "name",
    ["عبد الله", "राजेश शर्\u200cमा", "Nguyễn Văn A", "Ọla\u0301", "山田\u3000太郎", "Łukasz 👍🏽"],
)
async def test_the_names_of_the_world_come_back_as_they_were_given(
    service: Service, engine: AsyncEngine, name: str
) -> None:
    created = await service.payments.CreatePayment(
        order(
            reference=name,
            recipient={"wallet": {"holder_name": name, "wallet_id": "wallet-0001"}},
        ),
        metadata=new_key(),
    )

    assert created.reference == name
    assert await rows(engine, "SELECT recipient->>'holder_name' FROM payments") == [(name,)]


@pytest.mark.parametrize("hidden", HIDDEN)
async def test_an_operators_note_is_visible(
    service: Service, engine: AsyncEngine, hidden: str
) -> None:
    _, transaction_id = await unknown_payout(engine)
    request = release(transaction_id, note=f"seen{HIDDEN[hidden]}")

    assert (await refusal(service.admin.ReleaseHold(request)))[1::2] == (
        "CHARACTER_FORBIDDEN",
        ["note"],
    )


@pytest.mark.parametrize("field", ["evidence", "provider_reference", "note"])
async def test_a_stated_outcomes_texts_are_visible(
    service: Service, engine: AsyncEngine, field: str
) -> None:
    _, transaction_id = await unknown_payout(engine)
    request = resolve(transaction_id, **{field: "line\u202e12"})

    assert (await refusal(service.admin.ResolveAttempt(request)))[1::2] == (
        "CHARACTER_FORBIDDEN",
        [field],
    )


def token(*words: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(words).encode()).decode().rstrip("=")


TOKENS = {
    "zero": token("", "2026-01-01T00:00:00+00:00", "STEP", "a\0b"),
    "half of a surrogate pair": token("", "2026-01-01T00:00:00+00:00", "STEP", "\ud800"),
    "before all years": token("", "0001-01-01T00:00:00+23:59", "STEP", "a"),
    "after all years": token("", "9999-12-31T23:59:59-23:59", "STEP", "a"),
    "deep": base64.urlsafe_b64encode(b"[" * 9000).decode().rstrip("="),
    "a long number": base64.urlsafe_b64encode(b"9" * 9000).decode().rstrip("="),
    "no text": base64.urlsafe_b64encode(b"\xff\xfe\0").decode().rstrip("="),
    "no base64": "\u202e\0",
}


@pytest.mark.parametrize("kind", TOKENS)
async def test_a_strange_page_token_is_none_of_ours(service: Service, kind: str) -> None:
    calls: list[Awaitable[Any]] = [
        service.admin.ListDeadLetters(admin_pb2.ListDeadLettersRequest(page_token=TOKENS[kind])),
        service.admin.ListOperatorActions(
            admin_pb2.ListOperatorActionsRequest(page_token=TOKENS[kind])
        ),
        service.payments.ListPayments(payments_pb2.ListPaymentsRequest(page_token=TOKENS[kind])),
    ]
    for call in calls:
        assert (await refusal(call))[1:3] == ("FIELD_INVALID", {"field": "page_token"})


@pytest.mark.parametrize(
    "text",
    ["\0", "https://example.com/\0", "https://ex\u202eample.com", "https://a.example/\ue000"],
)
async def test_an_endpoints_url_is_plain(service: Service, text: str) -> None:
    call = service.endpoints.CreateEndpoint(endpoints_pb2.CreateEndpointRequest(url=text))

    assert (await refusal(call))[1] == "ENDPOINT_URL_INVALID"


@pytest.mark.parametrize("text", ["\0", "pay_\0", "\u202e", "x" * 5000])
async def test_a_strange_id_is_not_found(service: Service, text: str) -> None:
    calls: list[tuple[Awaitable[Any], str]] = [
        (
            service.payments.GetPayment(payments_pb2.GetPaymentRequest(transaction_id=text)),
            "PAYMENT",
        ),
        (service.payments.GetQuote(payments_pb2.GetQuoteRequest(quote_id=text)), "QUOTE"),
        (
            service.endpoints.DeleteEndpoint(endpoints_pb2.DeleteEndpointRequest(endpoint_id=text)),
            "ENDPOINT",
        ),
        (
            service.admin.DiscardDeadLetter(
                admin_pb2.DiscardDeadLetterRequest(dead_letter_id=text)
            ),
            "DEAD_LETTER",
        ),
    ]
    for call, thing in calls:
        assert (await refusal(call))[1] == f"{thing}_NOT_FOUND"
