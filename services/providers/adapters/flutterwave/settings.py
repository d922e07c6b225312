"""Flutterwave's variables."""

from typing import Annotated, Literal

from pydantic import Field, SecretStr

from services.providers.adapters.kit.settings import (
    BaseUrl,
    OfTheAccount,
    ProviderSettings,
    Secrets,
)


class FlutterwaveSettings(ProviderSettings):
    """The adapter's settings."""

    simulator_path = "/v3"
    live_keys = ("FLWSECK-",)
    test_keys = ("FLWSECK_TEST-",)

    flutterwave_api_key: SecretStr = Field(
        description="Secret key, FLWSECK_TEST-…, or FLWSECK-… where it is live."
    )
    flutterwave_base_url: BaseUrl = Field(
        "https://api.flutterwave.com/v3",
        description="Where its v3 API is; the simulator's /v3 in a sandbox.",
    )
    flutterwave_webhook_secrets: Secrets = Field(
        description="Secret hashes of the webhook, comma-separated."
    )
    flutterwave_webhook_scheme: Annotated[Literal["verif_hash", "signature"], OfTheAccount()] = (
        Field(
            "verif_hash",
            description="How its webhooks prove themselves: the hash itself, or an HMAC by it.",
        )
    )
