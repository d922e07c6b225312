"""Asks the real https://api.paystack.co, and only when PAYSTACK_LIVE_SANDBOX_KEY holds a test key:
Paystack answers a key that begins with sk_test_ out of a pretended balance and pays nobody, and any
other key is refused before anything is sent. So no money can move."""

import os
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from pydantic import SecretStr

from services.providers.adapters.kit.http import open_session
from services.providers.adapters.paystack import Paystack, PaystackSettings
from services.providers.domain import Kind, Operation, Outcome
from services.shared.clock import SystemClock
from services.shared.deployment import Deployment
from services.shared.ids import encode_id, new_id
from services.shared.money import Money
from services.shared.recipients import BankAccount

KEY = os.environ.get("PAYSTACK_LIVE_SANDBOX_KEY", "")
# The possible answers to an account that is not set up for transfers, or has no test balance.
NOT_SET_UP = {"insufficient_balance", "payouts_unavailable"}
pytestmark = pytest.mark.skipif(not KEY, reason="PAYSTACK_LIVE_SANDBOX_KEY holds no test key")


@pytest.fixture
async def paystack() -> AsyncIterator[Paystack]:
    assert KEY.startswith("sk_test_"), "only a test key may be used here"
    secret = SecretStr(KEY)
    settings = PaystackSettings(
        # The account is a sandbox of the provider's own.
        deployment=Deployment.SANDBOX,
        paystack_base_url="https://api.paystack.co",
        paystack_api_key=secret,
        paystack_webhook_secrets=(secret,),
    )
    async with open_session() as session:
        yield Paystack(settings, session, SystemClock())


def payout() -> Operation:
    transaction_id = encode_id("pay", new_id())
    return Operation(
        provider="paystack",
        kind=Kind.PAYOUT,
        key=f"{transaction_id}-payout-1",
        amount=Money(10_000, "NGN"),
        transaction_id=transaction_id,
        reference="a test of the adapter",
        recipient=BankAccount(
            holder_name="Test Recipient", account_number="0000000000", bank_code="057"
        ),
    )


async def test_payout_that_was_never_sent_is_absent(paystack: Paystack) -> None:
    result = await paystack.look_up(payout())

    assert result.outcome is Outcome.ABSENT


async def test_an_impossible_recipient_is_refused(paystack: Paystack) -> None:
    nobody = BankAccount(holder_name="Nobody", account_number="0", bank_code="no such bank")

    result = await paystack.send_payout(replace(payout(), recipient=nobody))

    assert result.outcome is Outcome.FAILED
    assert result.failure
    assert result.failure.code == "recipient_invalid"


async def test_the_same_key_twice_is_one_transfer(paystack: Paystack) -> None:
    operation = payout()

    first = await paystack.send_payout(operation)
    if first.failure and first.failure.code in NOT_SET_UP:
        pytest.skip(f"the account cannot pay out: {first.failure.message}")
    second = await paystack.send_payout(operation)

    assert first.outcome in (Outcome.SUCCEEDED, Outcome.PENDING)
    assert first.provider_reference == second.provider_reference
