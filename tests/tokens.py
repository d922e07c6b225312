"""Tokens as tests need them: really signed, by keys that are made here, and wrong as is wanted."""

import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

ISSUER = "https://login.example"
AUDIENCE = "https://api.caravel.example"
_MAKERS: Mapping[str, Callable[[], Any]] = {
    "RS256": lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}


@dataclass(frozen=True)
class Signer:
    """A private key with an id, and the JWK of its public part."""

    key_id: str
    algorithm: str
    private: Any

    @property
    def jwk(self) -> dict[str, Any]:
        """The public part, as a JWKS has it."""
        algorithm = jwt.get_algorithm_by_name(self.algorithm)
        public = algorithm.to_jwk(self.private.public_key(), as_dict=True)
        return {**public, "kid": self.key_id, "alg": self.algorithm, "use": "sig"}

    def token(self, claims: Mapping[str, Any], **header: Any) -> str:
        """A token of these claims; the header may be changed, and None takes a name out."""
        names = {"alg": self.algorithm, "kid": self.key_id, "typ": "JWT", **header}
        text = json.dumps({name: value for name, value in names.items() if value is not None})
        return self.raw(text.encode(), json.dumps(claims).encode())

    def raw(self, header: bytes, payload: bytes) -> str:
        """A token of any bytes, signed by this key's own algorithm."""
        signed = f"{base64url(header)}.{base64url(payload)}"
        algorithm = jwt.get_algorithm_by_name(self.algorithm)
        return f"{signed}.{base64url(algorithm.sign(signed.encode(), self.private))}"


def make_signer(algorithm: str = "EdDSA", key_id: str = "key-1") -> Signer:
    """A signer with a fresh key."""
    return Signer(key_id, algorithm, _MAKERS[algorithm]())


def make_claims(**changes: Any) -> dict[str, Any]:
    """Claims that hold now, for five minutes; None takes one out."""
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "client-1",
        "iat": now,
        "exp": now + 300,
        "scope": "payments:read payments:write",
        "merchant": "mer_1",
        **changes,
    }
    return {name: value for name, value in claims.items() if value is not None}


def base64url(data: bytes) -> str:
    """Text without padding, as tokens have it."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()
