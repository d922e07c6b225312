"""Public keys of an issuer, as its JWKS (RFC 7517) has them. A key serves one algorithm, which its
own kind decides, so that no token can have it used for another."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jwt

from services.shared.log import get_logger

KEYS_MAX = 100
RSA_MIN_BITS = 2048
# Every algorithm that an issuer may be allowed, by the kind and the curve of its keys.
ALGORITHMS: Mapping[tuple[str, str], str] = {
    ("RSA", ""): "RS256",
    ("EC", "P-256"): "ES256",
    ("OKP", "Ed25519"): "EdDSA",
}
_PRIVATE = ("d", "k", "p", "q")


class KeysUnreadable(ValueError):
    """The text is no set of keys that can be used; the message says why."""


@dataclass(frozen=True, kw_only=True)
class VerifyingKey:
    """One public key and the one algorithm that it serves."""

    key_id: str
    algorithm: str
    # The key's JWK, by which the same key is recognised after it is fetched again.
    fields: Mapping[str, Any]
    public: jwt.PyJWK = field(compare=False)


Keys = Mapping[str, VerifyingKey]


def parse_keys(text: bytes, algorithms: Sequence[str], issuer: str) -> Keys:
    """The usable keys of a JWKS, by their ids. Others are left out, and named in the log.

    Raises KeysUnreadable where there is none, or the text is no JWKS.
    """
    try:
        members = json.loads(text)["keys"]
    except (ValueError, RecursionError, KeyError, TypeError):
        raise KeysUnreadable("it is no JSON object with keys") from None
    if not isinstance(members, list) or len(members) > KEYS_MAX:
        raise KeysUnreadable(f"its keys are no list of at most {KEYS_MAX}")
    found: dict[str, VerifyingKey] = {}
    doubled = set()
    for key in _usable(members, algorithms, issuer):
        if key.key_id in found:
            doubled.add(key.key_id)
        found[key.key_id] = key
    for key_id in doubled:
        # Nobody could say which of the two a token means.
        get_logger().warning(
            "issuer_key_left_out", issuer=issuer, reason="the key id is there twice"
        )
        del found[key_id]
    if not found:
        raise KeysUnreadable("none of its keys can be used")
    return found


def _usable(
    members: Sequence[Any], algorithms: Sequence[str], issuer: str
) -> Iterator[VerifyingKey]:
    for member in members:
        try:
            yield _key(member, algorithms)
        except KeysUnreadable as problem:
            get_logger().info("issuer_key_left_out", issuer=issuer, reason=str(problem))


def _key(member: Any, algorithms: Sequence[str]) -> VerifyingKey:
    if not isinstance(member, dict):
        raise KeysUnreadable("it is no object")
    key_id, kind, curve = (member.get(name, "") for name in ("kid", "kty", "crv"))
    if not isinstance(key_id, str) or not key_id:
        raise KeysUnreadable("it has no key id")
    if any(name in member for name in _PRIVATE):
        raise KeysUnreadable("it is secret, and should not be published")
    algorithm = ALGORITHMS.get((str(kind), str(curve)))
    if not algorithm or algorithm not in algorithms or member.get("alg", algorithm) != algorithm:
        raise KeysUnreadable("its algorithm is not allowed for this issuer")
    if member.get("use", "sig") != "sig" or "verify" not in member.get("key_ops", ["verify"]):
        raise KeysUnreadable("it is not for signatures")
    try:
        public = jwt.PyJWK(member, algorithm)
    except (jwt.PyJWTError, ValueError, TypeError, KeyError) as error:
        raise KeysUnreadable(f"it cannot be read ({type(error).__name__})") from None
    if kind == "RSA" and public.key.key_size < RSA_MIN_BITS:
        raise KeysUnreadable(f"it has fewer than {RSA_MIN_BITS} bits")
    return VerifyingKey(key_id=key_id, algorithm=algorithm, fields=member, public=public)
