"""Asks the real https://api.flutterwave.com, and only when FLUTTERWAVE_LIVE_SANDBOX_KEY holds a
test key: Flutterwave answers a key that begins with FLWSECK_TEST- out of a pretended balance and
pays nobody, and any other key is refused before anything is sent. So no money can move."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientSession
from pydantic import SecretStr

from services.providers.adapters.flutterwave import Flutterwave, FlutterwaveSettings
from services.providers.adapters.kit.http import open_session
from services.providers.domain import Kind, Operation, Outcome
from services.shared.clock import SystemClock
from services.shared.deployment import Deployment
from services.shared.ids import encode_id, new_id
from services.shared.money import Money
from services.shared.recipients import BankAccount

KEY = os.environ.get("FLUTTERWAVE_LIVE_SANDBOX_KEY", "")
pytestmark = pytest.mark.skipif(not KEY, reason="FLUTTERWAVE_LIVE_SANDBOX_KEY holds no test key")


@asynccontextmanager
async def account() -> AsyncIterator[tuple[FlutterwaveSettings, ClientSession]]:
    assert KEY.startswith("FLWSECK_TEST-"), "only a test key may be used here"
    settings = FlutterwaveSettings(
        # The account is a sandbox of the provider's own.
        deployment=Deployment.SANDBOX,
        flutterwave_base_url="https://api.flutterwave.com/v3",
        flutterwave_api_key=SecretStr(KEY),
        flutterwave_webhook_scheme="verif_hash",
        flutterwave_webhook_secrets=(SecretStr("no event is read here"),),
    )
    async with open_session() as session:
        yield settings, session


@pytest.fixture
async def flutterwave() -> AsyncIterator[Flutterwave]:
    async with account() as (settings, session):
        yield Flutterwave(settings, session, SystemClock())


def payout() -> Operation:
    transaction_id = encode_id("pay", new_id())
    return Operation(
        provider="flutterwave",
        kind=Kind.PAYOUT,
        key=f"{transaction_id}-payout-1",
        amount=Money(10_000, "NGN"),
        transaction_id=transaction_id,
        reference="a test of the adapter",
        recipient=BankAccount(
            holder_name="Test Recipient", account_number="0690000031", bank_code="044"
        ),
    )


async def test_payout_that_was_never_sent_is_absent(flutterwave: Flutterwave) -> None:
    result = await flutterwave.look_up(payout())

    assert result.outcome is Outcome.ABSENT


async def test_the_same_key_twice_is_one_transfer(flutterwave: Flutterwave) -> None:
    operation = payout()

    first = await flutterwave.send_payout(operation)
    second = await flutterwave.send_payout(operation)

    assert first.outcome in (Outcome.SUCCEEDED, Outcome.PENDING), first
    assert first.provider_reference == second.provider_reference
