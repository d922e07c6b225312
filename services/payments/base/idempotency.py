"""The protocol of idempotency keys: the format of a key, the answer under it, and the reasons to
refuse it. idempotency_store keeps the answers."""

import hashlib
import hmac
import json
import re
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import dataclass

from services.payments.model.principal import MerchantId
from services.shared.errors import Conflict, DomainError, Invalid, NotAllowedNow

IDEMPOTENCY_HEADER = "idempotency-key"
# The metadata of an answer that was given before.
REPLAYED = ("idempotent-replayed", "true")
_KEY = re.compile(r"[A-Za-z0-9._:-]{1,255}", re.ASCII)
# Made once: with options of its own, json.dumps makes an encoder for each request.
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


IdempotencyKey = tuple[MerchantId, str]


class IdempotencyKeyReused(NotAllowedNow):
    """The idempotency key was used before with another request."""

    reason = "IDEMPOTENCY_KEY_REUSED"


class IdempotencyKeyInUse(Conflict):
    """The first request with this idempotency key is still running."""

    reason = "IDEMPOTENCY_KEY_IN_USE"


@dataclass(frozen=True, kw_only=True)
class Created:
    """The answer to a creation: the first one's bytes, and whether it was given before."""

    response: bytes
    replayed: bool


@dataclass(frozen=True, kw_only=True)
class StoredAnswer:
    """The first answer that was given under an idempotency key."""

    fingerprint: bytes
    response: bytes
    # The error to give in its place, where it cannot be read any more.
    refusal: DomainError | None = None
    # Whether only digests are known of the key and of the first request: the payment was recovered.
    is_recovered: bool = False

    def again(self, key: IdempotencyKey, fingerprint: bytes) -> Created:
        """The same answer for this request. Raises IdempotencyKeyReused where it is another one's,
        and the refusal where it cannot be read any more."""
        if not self.is_of(key, fingerprint):
            raise IdempotencyKeyReused
        if self.refusal is not None:
            raise self.refusal
        return Created(response=self.response, replayed=True)

    def is_of(self, key: IdempotencyKey, fingerprint: bytes) -> bool:
        """Whether it is the answer to this request, and not to another one under the same key."""
        if self.is_recovered:
            return self.fingerprint == _request_digest(key, fingerprint)
        return self.fingerprint == fingerprint


class IdempotencyKeyRequired(Invalid):
    """The header idempotency-key is required: any text of your own that is new for each payment."""

    reason = "IDEMPOTENCY_KEY_REQUIRED"


class IdempotencyKeyInvalid(Invalid):
    """The idempotency key must be 1 to 255 of the characters A-Z a-z 0-9 . _ : - and given once."""

    reason = "IDEMPOTENCY_KEY_INVALID"


def read_idempotency_key(metadata: Iterable[tuple[str, str | bytes]]) -> str:
    """The caller's key, without one pair of quotes. Raises IdempotencyKeyRequired or …Invalid."""
    values = [str(value) for name, value in metadata if name == IDEMPOTENCY_HEADER]
    if not values:
        raise IdempotencyKeyRequired(header=IDEMPOTENCY_HEADER)
    key = values[0]
    if len(key) > 1 and key.startswith('"') and key.endswith('"'):
        key = key[1:-1]
    if len(values) > 1 or not _KEY.fullmatch(key):
        raise IdempotencyKeyInvalid(header=IDEMPOTENCY_HEADER)
    return key


def fingerprint_of(rpc: str, **fields: object) -> bytes:
    """The digest of an RPC and its fields: the same for a repeated request, else another."""
    return hashlib.sha256(_CANONICAL.encode([rpc, fields]).encode()).digest()


def digests_of(key: IdempotencyKey, fingerprint: bytes) -> tuple[str, str]:
    """The digests of a key and of the request under it, which a provider may keep: of neither can
    anything be found without the key."""
    return _as_text(_key_digest(key)), _as_text(_request_digest(key, fingerprint))


def recovered_key(key: IdempotencyKey) -> str:
    """The name under which the answer to this key stands, where only its digest was left."""
    return named_by(_as_text(_key_digest(key)))


def named_by(key_digest: str) -> str:
    """The name in place of a key of which only this digest is known. No caller's key has "="."""
    return f"sha256={key_digest}"


def _key_digest(key: IdempotencyKey) -> bytes:
    return hashlib.sha256("\0".join(key).encode()).digest()


def _request_digest(key: IdempotencyKey, fingerprint: bytes) -> bytes:
    # Under the key, because the fields of a request could be guessed.
    return hmac.digest("\0".join(key).encode(), fingerprint, "sha256")


def _as_text(digest: bytes) -> str:
    return urlsafe_b64encode(digest).decode().rstrip("=")
