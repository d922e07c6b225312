"""Standard Webhooks as a receiver: is this body what somebody with one of our secrets signed, and
lately? For every adapter whose provider signs this way."""

import hmac
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

import standardwebhooks
from pydantic import AfterValidator, SecretStr

from services.providers.adapters.kit.settings import Secrets
from services.providers.domain import (
    Webhook,
    WebhookSignatureInvalid,
    WebhookTimestampOutOfRange,
)
from services.shared.errors import field_invalid
from services.shared.text import is_storable

TOLERANCE_SECONDS = 300
# The database finds an event by its id.
EVENT_ID_MAX = 255
HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")
# Up to the year 5138: what a datetime can hold.
_TIMESTAMP = re.compile(r"[1-9][0-9]{0,10}", re.ASCII)


def _usable(secrets: Sequence[SecretStr]) -> Sequence[SecretStr]:
    for secret in secrets:
        try:
            standardwebhooks.Webhook(secret.get_secret_value())
        except Exception:  # noqa: BLE001  The library names no error for what is not base64.
            raise ValueError("a secret is not base64 after whsec_") from None
    return secrets


StandardSecrets = Annotated[Secrets, AfterValidator(_usable)]


def is_signed(webhook: Webhook) -> bool:
    """True when any of the signature's headers is there; it must then verify."""
    return any(name in webhook.headers for name in HEADERS)


def verify(webhook: Webhook, secrets: Sequence[SecretStr], now: datetime, *, provider: str) -> str:
    """The event's id, once its signature is verified.

    Raises WebhookSignatureInvalid, WebhookTimestampOutOfRange, Invalid.
    """
    event_id, timestamp, signatures = (webhook.headers.get(name, "") for name in HEADERS)
    if not event_id or not _TIMESTAMP.fullmatch(timestamp):
        raise WebhookSignatureInvalid(provider=provider)
    try:
        body = webhook.body.decode()
    except UnicodeDecodeError:
        raise WebhookSignatureInvalid(provider=provider) from None
    signed_at = datetime.fromtimestamp(int(timestamp), UTC)
    expected = [
        # The library's own check reads the machine's clock; its signature is what we need of it.
        standardwebhooks.Webhook(secret.get_secret_value()).sign(event_id, signed_at, body)
        for secret in secrets
    ]
    if not any(_same(ours, given) for ours in expected for given in signatures.split(" ")):
        raise WebhookSignatureInvalid(provider=provider)
    if abs((now - signed_at).total_seconds()) > TOLERANCE_SECONDS:
        raise WebhookTimestampOutOfRange(provider=provider)
    if len(event_id) > EVENT_ID_MAX or not is_storable(event_id):
        raise field_invalid(
            "webhook-id", f"webhook-id must be text of at most {EVENT_ID_MAX} characters"
        )
    return event_id


def _same(ours: str, given: str) -> bool:
    return hmac.compare_digest(ours.encode(), given.encode())
