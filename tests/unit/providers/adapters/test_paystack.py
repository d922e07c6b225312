"""Paystack's events and rules, without a conversation: that is in tests/contract/test_paystack."""

import json
from typing import Any

import pytest
from aiohttp import ClientSession

from services.providers.adapters.paystack import Paystack, sign
from services.providers.adapters.paystack.translate import ACCOUNT_TYPES
from services.providers.config import Config
from services.providers.domain import Kind, Outcome, Webhook, WebhookEvent
from services.shared.clock import SystemClock
from services.shared.errors import Invalid
from services.shared.ids import encode_id, new_id
from services.shared.money import Money, exponent
from tests.contract.lab import provider_environment
from tests.contract.providers.paystack import KEY as PAYSTACK_KEY

KEY = f"{encode_id('pay', new_id())}-payout-1"


@pytest.fixture
async def paystack() -> Paystack:
    config = Config.load(provider_environment("http://127.0.0.1:1"))
    async with ClientSession() as session:
        return Paystack(config, session, SystemClock())


def read(paystack: Paystack, body: Any) -> WebhookEvent:
    raw = json.dumps(body).encode()
    headers = {"x-paystack-signature": sign(raw, PAYSTACK_KEY)}
    return paystack.read_webhook(Webhook(headers=headers, body=raw))


def event(name: str, **changes: Any) -> dict[str, Any]:
    data = {
        "id": 860670817,
        "transfer_code": "TRF_1",
        "reference": KEY,
        "amount": 14_486_050,
        "currency": "NGN",
    }
    return {"event": name, "data": {**data, **changes}}


@pytest.mark.parametrize(
    ("name", "outcome", "code"),
    [
        ("transfer.success", Outcome.SUCCEEDED, None),
        ("transfer.failed", Outcome.FAILED, "payout_failed"),
        ("transfer.reversed", Outcome.FAILED, "payout_returned"),
    ],
)
async def test_an_event_names_the_operation_and_hints_at_its_outcome(
    paystack: Paystack, name: str, outcome: Outcome, code: str | None
) -> None:
    result = read(paystack, event(name))

    assert (result.kind, result.outcome) == (Kind.PAYOUT, outcome)
    assert (result.failure.code if result.failure else None) == code
    assert (result.key, result.transaction_id) == (KEY, KEY.removesuffix("-payout-1"))
    assert (result.provider_reference, result.amount) == ("TRF_1", Money(14_486_050, "NGN"))
    assert result.event_id == f"{name}:860670817"


@pytest.mark.parametrize(
    "body",
    [
        event("transfer.success", reference="salary-2026-03-01-ada"),
        event("transfer.success", reference=KEY.replace("payout", "collection")),
        event("transfer.success", reference=None),
        event("charge.success"),
    ],
)
async def test_event_without_a_reference_of_ours_is_about_no_operation(
    paystack: Paystack, body: dict[str, Any]
) -> None:
    result = read(paystack, body)

    assert (result.kind, result.key, result.transaction_id) == (None, "", "")
    assert result.event_id


async def test_an_event_without_an_id_is_known_by_its_bytes(paystack: Paystack) -> None:
    bodies: list[Any] = [{"event": "customeridentification.failed", "data": {"n": n}} for n in "12"]

    ids = [read(paystack, body).event_id for body in (*bodies, *bodies)]

    assert ids[:2] == ids[2:]
    assert len(set(ids)) == 2


@pytest.mark.parametrize("body", [[], {"event": "transfer.success"}, {"event": 7, "data": {}}])
async def test_body_that_is_not_an_event_is_refused(paystack: Paystack, body: Any) -> None:
    with pytest.raises(Invalid):
        read(paystack, body)


def test_our_keys_are_references_that_paystack_takes() -> None:
    for key in (KEY, KEY.replace("-1", "-9999")):
        assert 16 <= len(key) <= 50
        assert set(key) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_")


def test_amounts_need_no_shifting() -> None:
    assert {exponent(currency) for currency in ACCOUNT_TYPES} == {2}
