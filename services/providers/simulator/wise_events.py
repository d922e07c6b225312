"""Wise's events: a new status of a transfer, which they name by Wise's own id alone, signed by an
RSA key over the body."""

import base64
import secrets
import uuid
from functools import lru_cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_private_key

from services.providers.simulator.wise_forms import now

Json = dict[str, Any]


@lru_cache(maxsize=4)
def _private_key(secret: str) -> RSAPrivateKey:
    key = load_der_private_key(base64.b64decode(secret, validate=True), password=None)
    if not isinstance(key, RSAPrivateKey):
        raise TypeError("the key that signs events is none of RSA")
    return key


def wise_headers(body: bytes, secret: str, _timestamp: int = 0, _: str = "") -> dict[str, str]:
    """The headers of an event: RSA with SHA-256 over the body alone, base64."""
    try:
        signature = _private_key(secret).sign(body, PKCS1v15(), SHA256())
    except (ValueError, TypeError):
        # The secret is no key, as a fault wants it: the signature is none of ours.
        signature = secrets.token_bytes(256)
    return {
        "x-signature-sha256": base64.b64encode(signature).decode(),
        "x-delivery-id": str(uuid.uuid4()),
    }


def state_change(transfer: Json, before: str) -> Json:
    """The event of a new status."""
    return {
        "data": {
            "resource": {
                "type": "transfer",
                "id": transfer["id"],
                "profile_id": 1,
                "account_id": transfer["targetAccount"],
            },
            "current_state": transfer["status"],
            "previous_state": before,
            "occurred_at": now(),
        },
        "subscription_id": "01234567-89ab-cdef-0123-456789abcdef",
        "event_type": "transfers#state-change",
        "schema_version": "2.0.0",
        "sent_at": now(),
    }
