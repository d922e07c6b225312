"""Wise's variables, and the public keys by which it proves its events."""

import base64
import binascii
from collections.abc import Sequence
from typing import Annotated

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_der_public_key
from pydantic import AfterValidator, Field, SecretStr

from services.providers.adapters.kit.settings import (
    BaseUrl,
    OfTheAccount,
    ProviderSettings,
    Secrets,
)


def public_key(text: str) -> RSAPublicKey:
    """The RSA key that is written there: a public one, or in a sandbox the stand-in's own pair.
    Raises ValueError."""
    try:
        written = base64.b64decode("".join(text.split()), validate=True)
    except binascii.Error:
        raise ValueError("a key is base64 of its DER form, without the lines around it") from None
    for load in (load_der_public_key, _pair):
        try:
            key = load(written)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            continue
        if isinstance(key, RSAPublicKey):
            return key
    raise ValueError("a key is none of RSA")


def _pair(written: bytes) -> object:
    pair = load_der_private_key(written, password=None)
    return pair.public_key() if isinstance(pair, RSAPrivateKey) else None


def _usable(secrets: Sequence[SecretStr]) -> Sequence[SecretStr]:
    for secret in secrets:
        public_key(secret.get_secret_value())
    return secrets


class WiseSettings(ProviderSettings):
    """Wise's variables."""

    # Its keys look the same in both.
    live_hosts = ("api.wise.com", "api.transferwise.com")
    test_hosts = ("api.wise-sandbox.com", "api.sandbox.transferwise.tech")

    wise_base_url: BaseUrl = Field(
        "https://api.wise.com", description="Where its API is; the simulator in a sandbox."
    )
    wise_api_key: SecretStr = Field(description="Token of the business account.")
    wise_profile_id: Annotated[str, OfTheAccount()] = Field(
        "1",
        pattern=r"^[1-9][0-9]{0,17}$",
        description="Number of the business profile that pays; the simulator takes any.",
    )
    wise_source_currency: Annotated[str, OfTheAccount()] = Field(
        "EUR",
        pattern=r"^[A-Z]{3}$",
        description="Currency of the balance that pays. From dollars, Wise asks for each "
        "recipient's address, which our API does not have.",
    )
    wise_webhook_secrets: Annotated[Secrets, AfterValidator(_usable)] = Field(
        description="Wise's public keys for events, base64 of the DER form, comma-separated."
    )
