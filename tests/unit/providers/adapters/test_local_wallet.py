"""The wallet's events: those that pass unsigned, those that do not, and their required fields."""

import json
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import ClientSession

from services.providers.adapters.local_wallet import LocalWallet
from services.providers.config import Config
from services.providers.domain import (
    Kind,
    Outcome,
    Webhook,
    WebhookEventTypeUnknown,
    WebhookSignatureInvalid,
)
from services.shared.clock import SystemClock
from services.shared.errors import Invalid
from tests.contract.lab import provider_environment

COMPLETED = {"transaction_id": "pay_1", "event_type": "payment_completed"}


@pytest.fixture
async def wallet() -> LocalWallet:
    config = Config.load(provider_environment("http://127.0.0.1:1"))
    async with ClientSession() as session:
        return LocalWallet(config, session, SystemClock())


def unsigned(body: Any, *, allowed: bool = True) -> Webhook:
    return Webhook(headers={}, body=json.dumps(body).encode(), allow_unsigned=allowed)


async def test_an_unsigned_event_passes_where_it_is_allowed(wallet: LocalWallet) -> None:
    event = wallet.read_webhook(unsigned(COMPLETED))

    assert event.event_id == "pay_1:payment_completed"
    assert (event.signed, event.kind, event.outcome) == (False, Kind.PAYOUT, Outcome.SUCCEEDED)
    assert (event.key, event.amount, event.failure) == ("", None, None)


async def test_an_unsigned_event_is_refused_where_it_is_not(wallet: LocalWallet) -> None:
    with pytest.raises(WebhookSignatureInvalid):
        wallet.read_webhook(unsigned(COMPLETED, allowed=False))


@pytest.mark.parametrize("header", ["webhook-id", "webhook-timestamp", "webhook-signature"])
async def test_any_signature_header_must_verify_even_where_unsigned_is_allowed(
    wallet: LocalWallet, header: str
) -> None:
    webhook = replace(unsigned(COMPLETED), headers={header: ""})

    with pytest.raises(WebhookSignatureInvalid):
        wallet.read_webhook(webhook)


async def test_a_failure_says_why(wallet: LocalWallet) -> None:
    body = {
        "transaction_id": "pay_1",
        "event_type": "payment_failed",
        "reference": "pay_1-payout-1",
        "amount_minor": 14_486,
        "currency": "JPY",
        "failure_code": "recipient_blocked",
        "failure_message": "The wallet is blocked.",
    }

    event = wallet.read_webhook(unsigned(body))

    assert (event.outcome, event.key) == (Outcome.FAILED, "pay_1-payout-1")
    assert event.failure
    assert (event.failure.code, event.failure.message) == (
        "recipient_account_blocked",
        "The wallet is blocked.",
    )
    assert event.amount
    assert (event.amount.amount_minor, event.amount.currency) == (14_486, "JPY")


async def test_a_cause_nobody_knows_is_payout_failed(wallet: LocalWallet) -> None:
    body = {**COMPLETED, "event_type": "payment_failed", "failure_code": "moon_phase"}

    event = wallet.read_webhook(unsigned(body))

    assert event.failure
    assert (event.failure.code, event.failure.message) == ("payout_failed", "moon_phase")


async def test_an_unknown_event_type_is_refused_by_name(wallet: LocalWallet) -> None:
    with pytest.raises(WebhookEventTypeUnknown) as refused:
        wallet.read_webhook(unsigned({**COMPLETED, "event_type": "payment_lost"}))

    assert refused.value.metadata == {"event_type": "payment_lost"}


@pytest.mark.parametrize(
    ("body", "reason", "field"),
    [
        ({"event_type": "payment_completed"}, "FIELD_REQUIRED", "transaction_id"),
        ({"transaction_id": "pay_1"}, "FIELD_REQUIRED", "event_type"),
        ({**COMPLETED, "event_type": ""}, "FIELD_REQUIRED", "event_type"),
        ({**COMPLETED, "transaction_id": None}, "FIELD_REQUIRED", "transaction_id"),
        ({**COMPLETED, "transaction_id": 7}, "FIELD_INVALID", "transaction_id"),
        ({**COMPLETED, "transaction_id": "x" * 81}, "FIELD_INVALID", "transaction_id"),
        ({**COMPLETED, "event_type": ["payment_completed"]}, "FIELD_INVALID", "event_type"),
        ({**COMPLETED, "reference": 7}, "FIELD_INVALID", "reference"),
        (
            {**COMPLETED, "amount_minor": "100", "currency": "MXN"},
            "FIELD_INVALID",
            "amount_minor",
        ),
        ({**COMPLETED, "amount_minor": 100.0, "currency": "MXN"}, "FIELD_INVALID", "amount_minor"),
        ({**COMPLETED, "amount_minor": 100}, "FIELD_INVALID", "amount_minor"),
        ({**COMPLETED, "amount_minor": 1, "currency": "ZZZ"}, "FIELD_INVALID", "amount_minor"),
        ([COMPLETED], "FIELD_INVALID", "body"),
        ("payment_completed", "FIELD_INVALID", "body"),
    ],
)
async def test_a_field_of_another_form_is_named(
    wallet: LocalWallet, body: Any, reason: str, field: str
) -> None:
    with pytest.raises(Invalid) as refused:
        wallet.read_webhook(unsigned(body))

    assert refused.value.error_reason == reason
    assert refused.value.metadata["field"] == field
