"""Webhooks that the clients send themselves: forged ones, each of which must be refused, and true
but harmless ones, each of which must never be forgotten once it was taken. Signed by hand here, by
the providers' documents, and by nothing of the adapters."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Any

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_private_key

from tests.chaos.client import Call
from tests.chaos.orders import unknown_id

PATHS = {
    "stripe": "/api/webhooks/stripe",
    "flutterwave": "/api/webhooks/flutterwave",
    "paystack": "/api/webhooks/paystack",
    "wise": "/api/webhooks/wise",
    "local_wallet": "/api/webhooks",
}
# Providers whose signatures hold a time.
TIMED = ("stripe", "local_wallet")
LONG_AGO_SECONDS = 3600


@dataclass(frozen=True)
class Subject:
    """A payment of an event."""

    payment_id: str
    amount_minor: int
    currency: str
    payout_minor: int


def headers(provider: str, body: bytes, secret: str, event_id: str, at: int) -> dict[str, str]:
    """The proof that a provider sends with a body."""
    key = secret.encode()
    if provider == "stripe":
        signed = hmac.new(key, f"{at}.".encode() + body, hashlib.sha256).hexdigest()
        return {"stripe-signature": f"t={at},v1={signed}"}
    if provider == "flutterwave":
        signature = base64.b64encode(hmac.digest(key, body, hashlib.sha256)).decode()
        return {"verif-hash": secret, "flutterwave-signature": signature}
    if provider == "paystack":
        return {"x-paystack-signature": hmac.new(key, body, hashlib.sha512).hexdigest()}
    if provider == "wise":
        return {"x-signature-sha256": base64.b64encode(_rsa_signature(body, secret)).decode()}
    decoded = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.digest(decoded, f"{event_id}.{at}.".encode() + body, hashlib.sha256)
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(at),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def _rsa_signature(body: bytes, secret: str) -> bytes:
    """By the private key in the secret; where that is none, by a key of our own."""
    try:
        key = load_der_private_key(base64.b64decode(secret), password=None)
    except ValueError:
        key = _own_key()
    if not isinstance(key, RSAPrivateKey):
        raise TypeError("Wise signs with RSA")
    return key.sign(body, PKCS1v15(), SHA256())


@cache
def _own_key() -> RSAPrivateKey:
    return generate_private_key(public_exponent=65_537, key_size=2048)


class Hostile:
    """Makes the calls."""

    def __init__(self, rng: Random, secrets: Mapping[str, str]) -> None:
        self._rng = rng
        self._secrets = secrets

    def forged(self, subject: Subject) -> Call:
        """An event that must be refused, whatever it claims."""
        rng = self._rng
        provider = rng.choice(sorted(PATHS))
        kinds = ["empty_secret", "wrong_secret"]
        if provider != "local_wallet":
            # A sandbox takes the wallet's events unsigned.
            kinds.append("unsigned")
        if provider in TIMED:
            kinds.append("old_timestamp")
        kind = rng.choice(kinds)
        event_id = f"evt_forged{rng.getrandbits(64):016x}"
        body = json.dumps(_claim(provider, subject, event_id)).encode()
        now = int(time.time())
        at = now - LONG_AGO_SECONDS if kind == "old_timestamp" else now
        proof = {} if kind == "unsigned" else headers(
            provider, body, self._secret(provider, kind), event_id, at
        )  # fmt: skip
        meta = {"forged": kind}
        return _call(provider, body, proof, event_id, payment_id=subject.payment_id, meta=meta)

    def hint(self, subject: Subject) -> Call:
        """A true event with an id of its own, which says no more than that one try has failed:
        its receiver must look the payment up."""
        event_id = f"evt_hint{self._rng.getrandbits(64):016x}"
        event = _intent_event("payment_intent.payment_failed", subject, event_id)
        body = json.dumps(event).encode()
        return self.signed("stripe", body, event_id, subject.payment_id, {"hint": "stripe"})

    def orphan(self) -> Call:
        """A true event of money that moved for a payment that nobody here knows."""
        rng = self._rng
        stranger = Subject(unknown_id(rng, "pay"), rng.randint(100, 10**6), "NGN", 5_000)
        provider = rng.choice(("stripe", "flutterwave"))
        # Short of a card's: it stands in the logs.
        number = rng.getrandbits(36)
        if provider == "stripe":
            event_id = f"evt_orphan{number:09x}"
            event = _intent_event("payment_intent.succeeded", stranger, event_id)
        else:
            # It has no id of its own: a transfer and its status name the event.
            event_id = f"transfer.completed:{number}:SUCCESSFUL"
            event = _transfer_event("SUCCESSFUL", stranger, number)
        body = json.dumps(event).encode()
        return self.signed(provider, body, event_id, stranger.payment_id, {"orphan": True})

    def signed(
        self, provider: str, body: bytes, event_id: str, payment_id: str, meta: Mapping[str, Any]
    ) -> Call:
        """A body with the provider's own proof, made now."""
        proof = headers(provider, body, self._secrets[provider], event_id, int(time.time()))
        return _call(provider, body, proof, event_id, payment_id=payment_id, meta=meta)

    def _secret(self, provider: str, kind: str) -> str:
        if kind == "empty_secret":
            return ""
        if kind == "wrong_secret":
            return base64.b64encode(self._rng.randbytes(24)).decode()
        return self._secrets[provider]


def _call(
    provider: str,
    body: bytes,
    proof: Mapping[str, str],
    event_id: str,
    *,
    payment_id: str,
    meta: Mapping[str, Any],
) -> Call:
    return Call(
        f="webhook",
        method="POST",
        path=PATHS[provider],
        body=body,
        key=event_id,
        headers=proof,
        payment_id=payment_id,
        meta={**meta, "provider": provider},
    )


def _claim(provider: str, subject: Subject, event_id: str) -> dict[str, Any]:
    """The claim of an attacker: the money is here, or it has arrived."""
    payment_id, key = subject.payment_id, f"{subject.payment_id}-payout-1"
    if provider == "stripe":
        return _intent_event("payment_intent.succeeded", subject, event_id)
    if provider == "flutterwave":
        return _transfer_event("SUCCESSFUL", subject)
    if provider == "paystack":
        data = {"reference": key, "status": "success", "id": 1, "transfer_code": "TRF_forged"}
        data |= {"amount": subject.payout_minor, "currency": subject.currency}
        return {"event": "transfer.success", "data": data}
    if provider == "wise":
        # It names a transfer by Wise's own number alone.
        resource = {"type": "transfer", "id": 4_000_000, "profile_id": 1, "account_id": 1}
        data = {"resource": resource, "current_state": "outgoing_payment_sent"}
        return {"event_type": "transfers#state-change", "data": data, "schema_version": "2.0.0"}
    return {"transaction_id": payment_id, "event_type": "payment_completed", "reference": key}


def _intent_event(event_type: str, subject: Subject, event_id: str) -> dict[str, Any]:
    metadata = {
        "transaction_id": subject.payment_id,
        "operation_key": f"{subject.payment_id}-collection-1",
    }
    intent = {"object": "payment_intent", "amount": subject.amount_minor, "currency": "usd"}
    return {
        "id": event_id,
        "object": "event",
        "type": event_type,
        "data": {"object": {**intent, "metadata": metadata}},
    }


def _transfer_event(status: str, subject: Subject, number: int = 4_000_000) -> dict[str, Any]:
    data = {
        "id": number,
        "status": status,
        "reference": f"{subject.payment_id}-payout-1",
        "amount": subject.payout_minor / 100,
        "currency": subject.currency,
        "meta": {"transaction_id": subject.payment_id},
        "complete_message": "",
    }
    return {"event": "transfer.completed", "event.type": "Transfer", "data": data}
