"""Asks the real https://api.stripe.com, and only when STRIPE_LIVE_SANDBOX_KEY holds a test key:
Stripe takes a key that begins with sk_test_ for its own test cards alone, which are nobody's, and
any other key is refused before anything is sent. So no money can move."""

import os
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from pydantic import SecretStr

from services.providers.adapters.kit.http import open_session
from services.providers.adapters.stripe import Stripe, StripeSettings
from services.providers.domain import Kind, Operation, Outcome
from services.shared.clock import SystemClock
from services.shared.deployment import Deployment
from services.shared.ids import encode_id, new_id
from services.shared.money import Money

KEY = os.environ.get("STRIPE_LIVE_SANDBOX_KEY", "")
pytestmark = pytest.mark.skipif(not KEY, reason="STRIPE_LIVE_SANDBOX_KEY holds no test key")


@pytest.fixture
async def stripe() -> AsyncIterator[Stripe]:
    assert KEY.startswith("sk_test_"), "only a test key may be used here"
    settings = StripeSettings(
        # The account is a sandbox of the provider's own.
        deployment=Deployment.SANDBOX,
        stripe_base_url="https://api.stripe.com",
        stripe_api_key=SecretStr(KEY),
        stripe_webhook_secrets=(SecretStr("whsec_unused"),),
    )
    async with open_session() as session:
        yield Stripe(settings, session, SystemClock())


def collection(payment_method: str = "pm_card_visa") -> Operation:
    transaction_id = encode_id("pay", new_id())
    return Operation(
        provider="stripe",
        kind=Kind.COLLECTION,
        key=f"{transaction_id}-collection-1",
        amount=Money(1_999, "USD"),
        transaction_id=transaction_id,
        reference="a test of the adapter",
        payment_method=payment_method,
    )


async def test_the_same_key_twice_is_one_charge(stripe: Stripe) -> None:
    operation = collection()

    first = await stripe.start_collection(operation)
    second = await stripe.start_collection(operation)

    assert (first.outcome, first.amount) == (Outcome.SUCCEEDED, operation.amount)
    assert first == second


async def test_a_charge_is_found_by_its_reference(stripe: Stripe) -> None:
    operation = collection()
    charged = await stripe.start_collection(operation)

    found = await stripe.look_up(replace(operation, provider_reference=charged.provider_reference))

    assert found == charged


@pytest.mark.parametrize(
    ("payment_method", "code"),
    [
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "insufficient_funds"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card"),
        ("pm_card_nobody_has_this_one", "payment_method_unknown"),
    ],
)
async def test_a_refusal_carries_its_reason(stripe: Stripe, payment_method: str, code: str) -> None:
    result = await stripe.start_collection(collection(payment_method))

    assert result.outcome is Outcome.FAILED
    assert result.failure
    assert result.failure.code == code


async def test_the_same_key_with_another_amount_is_unknown(stripe: Stripe) -> None:
    operation = collection()
    await stripe.start_collection(operation)

    result = await stripe.start_collection(replace(operation, amount=Money(2_000, "USD")))

    assert result.outcome is Outcome.UNKNOWN
