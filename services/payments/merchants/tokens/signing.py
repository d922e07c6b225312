"""The keys of our own tokens: the first of the file signs, and all of them verify, so that a new
key is put behind the old one on every replica before it signs. The file is followed as it
changes."""

import hashlib
import json
import re
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from services.payments.merchants.tokens.keys import VerifyingKey
from services.shared.errors import CannotStart
from services.shared.log import get_logger

ALGORITHM = "EdDSA"
# The type of an access token that is a JWT (RFC 9068).
TYPE = "at+jwt"
KEYS_MAX = 8
_PEM = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)


class SigningKeysError(CannotStart):
    """The file of signing keys is wrong; the message says how, and shows none of it."""


@dataclass(frozen=True)
class _Pair:
    private: Ed25519PrivateKey
    public: VerifyingKey


class SigningKeys:
    """Signs our tokens, and is the KeySource of our own issuer."""

    def __init__(self, read: Callable[[], str]) -> None:
        """`read` gives the text of the file as it is now. Raises SigningKeysError."""
        self._read = read
        self._text = read()
        self._pairs = _parse(self._text)

    def sign(self, claims: Mapping[str, Any]) -> str:
        """A token with these claims."""
        pair = next(iter(self._current().values()))
        headers = {"kid": pair.public.key_id, "typ": TYPE}
        return jwt.encode(dict(claims), pair.private, algorithm=ALGORITHM, headers=headers)

    def public(self) -> Sequence[Mapping[str, str]]:
        """Every public key as a JWK."""
        return [pair.public.fields for pair in self._current().values()]

    def get(self, key_id: str) -> VerifyingKey | None:
        """See KeySource.get."""
        pair = self._current().get(key_id)
        return pair.public if pair else None

    async def look_for(self, _: str) -> VerifyingKey | None:
        """See KeySource.look_for: none is elsewhere."""
        return None

    def _current(self) -> Mapping[str, _Pair]:
        text = self._read()
        if text is not self._text and text != self._text:
            # Remembered first: a text that is refused is spoken of once, and not at every call.
            self._text = text
            try:
                fresh = _parse(text)
            except SigningKeysError as refused:
                get_logger().warning("signing_keys_kept", reason=str(refused))
            else:
                # A key that stays is the same object, by which verified tokens know it.
                self._pairs = {name: self._pairs.get(name, pair) for name, pair in fresh.items()}
                get_logger().info("signing_keys_rotated", key_ids=list(self._pairs))
        return self._pairs


def _parse(text: str) -> Mapping[str, _Pair]:
    blocks = [match.group(0) for match in _PEM.finditer(text)]
    if not 0 < len(blocks) <= KEYS_MAX:
        raise SigningKeysError(
            f"TOKEN_SIGNING_KEYS: between 1 and {KEYS_MAX} private keys in PEM are needed"
        )
    pairs = {}
    for number, block in enumerate(blocks, 1):
        try:
            private = load_pem_private_key(block.encode(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            private = None
        if not isinstance(private, Ed25519PrivateKey):
            raise SigningKeysError(
                f"TOKEN_SIGNING_KEYS: part {number} is no plain Ed25519 private key"
            )
        public = _public(private)
        pairs[public.key_id] = _Pair(private, public)
    if len(pairs) < len(blocks):
        raise SigningKeysError("TOKEN_SIGNING_KEYS: a key is there twice")
    return pairs


def _public(private: Ed25519PrivateKey) -> VerifyingKey:
    raw = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    core = {"crv": "Ed25519", "kty": "OKP", "x": _base64url(raw)}
    # The key's thumbprint (RFC 7638): every replica has the same name for it.
    canonical = json.dumps(core, separators=(",", ":"), sort_keys=True).encode()
    key_id = _base64url(hashlib.sha256(canonical).digest())
    fields = {**core, "kid": key_id, "alg": ALGORITHM, "use": "sig"}
    return VerifyingKey(
        key_id=key_id, algorithm=ALGORITHM, fields=fields, public=jwt.PyJWK(fields, ALGORITHM)
    )


def _base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
