"""The settings of the simulator, beside those of every process."""

from decimal import Decimal
from pathlib import Path

from services.shared.env import Field, SecretStr, Settings


class Config(Settings):
    """Settings of the simulator. Its port speaks plain HTTP."""

    book_file: Path = Field(description="The book: one JSON line per effect, only ever appended.")
    gateway_url: str = Field(
        description="Where webhooks go: <url>/api/webhooks, and <url>/api/webhooks/<provider>."
    )
    stripe_api_key: SecretStr = Field(description="The one key that its Stripe accepts.")
    stripe_webhook_secret: SecretStr = Field(description="Signs its Stripe events.")
    flutterwave_api_key: SecretStr = Field(description="The one key that its Flutterwave accepts.")
    flutterwave_webhook_secret: SecretStr = Field(
        description="The secret hash of its Flutterwave events; it signs them too."
    )
    flutterwave_balance: int = Field(
        10**13,
        gt=0,
        le=10**13,
        description="What its Flutterwave holds in each currency at first, in whole units.",
    )
    local_wallet_api_key: SecretStr = Field(description="The one key that its wallet accepts.")
    local_wallet_webhook_secret: SecretStr = Field(
        description="Signs its wallet events: whsec_ and base64."
    )
    paystack_api_key: SecretStr = Field(
        description="The one key that its Paystack accepts; it signs its events too."
    )
    settle_seconds: Decimal = Field(
        Decimal("0.5"), ge=0, description="How long its wallet takes to complete a payout."
    )
