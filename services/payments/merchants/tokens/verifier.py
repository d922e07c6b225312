"""Verifies tokens, our own and those of foreign issuers, and keeps those that it has verified: to
check a signature costs a tenth of a creation, and a merchant sends one token thousands of times."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import jwt

from services.payments.merchants.tokens.form import Presented, is_bounded, read
from services.payments.merchants.tokens.keys import VerifyingKey
from services.payments.merchants.tokens.verified import TokenExpired, Verified, refused
from services.shared.clock import Clock

CACHED_MAX = 4096
# The parts of a token without which it is refused; beside them iat or nbf.
_REQUIRED = ("exp", "aud", "iss", "sub")
# Others of an issuer's tokens, such as those that end a session, are for other uses (RFC 8725).
ACCESS_TOKEN_TYPES = frozenset({"", "jwt", "at+jwt", "application/at+jwt"})


class KeySource(Protocol):
    """The public keys of one issuer."""

    def get(self, key_id: str) -> VerifyingKey | None:
        """The key of this id, or None.

        Raises CredentialsUnverifiable where the keys cannot be relied on.
        """
        ...

    async def look_for(self, key_id: str) -> VerifyingKey | None:
        """The key of an id that `get` does not know. Raises CredentialsUnverifiable."""
        ...


@dataclass(frozen=True, kw_only=True)
class Trusted:
    """An issuer: its keys, the limits of its tokens, and the meaning of their claims."""

    issuer: str
    audience: str
    algorithms: tuple[str, ...]
    keys: KeySource
    meaning: Callable[[Mapping[str, Any]], Verified]
    maximum_lifetime_seconds: int
    clock_skew_seconds: int
    # The values of the header `typ`, in lower case, that its access tokens have.
    types: frozenset[str] = ACCESS_TOKEN_TYPES


@dataclass(frozen=True)
class _Kept:
    verified: Verified
    trusted: Trusted
    key: VerifyingKey
    expires: float


class Verifier:
    """The port TokenVerifier."""

    def __init__(
        self, trusted: Iterable[Trusted], clock: Clock, *, cached_max: int = CACHED_MAX
    ) -> None:
        self._trusted = {one.issuer: one for one in trusted}
        self._clock = clock
        self._cached_max = cached_max
        # By the token's SHA-256, the longest unused first: the token itself is not kept.
        self._kept: OrderedDict[bytes, _Kept] = OrderedDict()

    async def verify(self, token: str) -> Verified:
        """See TokenVerifier.verify."""
        if not is_bounded(token) or not token.isascii():
            raise refused("form", "The token is no signed JWT of at most 8192 characters.")
        digest = hashlib.sha256(token.encode()).digest()
        if kept := self._kept.get(digest):
            if self._holds(kept):
                self._kept.move_to_end(digest)
                return kept.verified
            del self._kept[digest]
        presented = read(token)
        trusted = self._trusted.get(presented.issuer)
        if trusted is None:
            raise refused("issuer", "The token's issuer is not known here.")
        key = await _key(trusted, presented)
        claims = _checked(token, trusted, key)
        verified = trusted.meaning(claims)
        self._keep(digest, _Kept(verified, trusted, key, claims["exp"]))
        return verified

    def _holds(self, kept: _Kept) -> bool:
        """Whether nothing has changed: the key is still the issuer's, and the time is not over."""
        is_its_key = kept.trusted.keys.get(kept.key.key_id) is kept.key
        return is_its_key and self._clock.now().timestamp() < kept.expires

    def _keep(self, digest: bytes, kept: _Kept) -> None:
        self._kept[digest] = kept
        if len(self._kept) > self._cached_max:
            self._kept.popitem(last=False)


async def _key(trusted: Trusted, presented: Presented) -> VerifyingKey:
    if presented.algorithm not in trusted.algorithms:
        raise refused("algorithm", "The token's algorithm is not allowed for its issuer.")
    if presented.type.lower() not in trusted.types:
        raise refused("header", "The token is of a type that gives no access.")
    key = trusted.keys.get(presented.key_id) or await trusted.keys.look_for(presented.key_id)
    if key is None:
        raise refused("key", "The token's issuer has no key of this kid.")
    if key.algorithm != presented.algorithm:
        raise refused("algorithm", "The token's algorithm is not its key's.")
    return key


def _checked(token: str, trusted: Trusted, key: VerifyingKey) -> Mapping[str, Any]:
    """The claims of a token whose signature, audience and times hold."""
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            key.public,
            algorithms=[key.algorithm],
            audience=trusted.audience,
            issuer=trusted.issuer,
            leeway=trusted.clock_skew_seconds,
            options={"require": list(_REQUIRED)},
        )
    except jwt.ExpiredSignatureError:
        raise TokenExpired from None
    except jwt.DecodeError:
        # All but the signature was read before.
        raise refused("signature", "The token's signature does not fit.") from None
    except jwt.InvalidAudienceError:
        raise refused("audience", "The token is for another audience.") from None
    except jwt.ImmatureSignatureError:
        raise refused("not_yet_valid", "The token is not valid yet.") from None
    except jwt.MissingRequiredClaimError as missing:
        raise refused("claim", f"The token has no {missing.claim}.") from None
    except (jwt.PyJWTError, ValueError, TypeError):
        raise refused("claim", "The token's claims are not of their form.") from None
    _check_lifetime(claims, trusted)
    return claims


def _check_lifetime(claims: Mapping[str, Any], trusted: Trusted) -> None:
    begins = claims.get("iat", claims.get("nbf"))
    if begins is None:
        raise refused("claim", "The token has neither iat nor nbf.")
    if claims["exp"] - begins > trusted.maximum_lifetime_seconds:
        raise refused("lifetime", "The token is valid for longer than its issuer may say.")
