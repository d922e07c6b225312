"""Issues our own tokens, for a client that proves a key, and says where and how they are issued. A
token names its key: it counts for as long as the key does, and never for more than the key."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.payments.merchants.tokens.claims import names, text
from services.payments.merchants.tokens.form_body import ClientInvalid, TokenRequest
from services.payments.merchants.tokens.signing import ALGORITHM, TYPE, SigningKeys
from services.payments.merchants.tokens.verified import TokenPrincipal, Verified
from services.payments.merchants.tokens.verifier import Trusted
from services.payments.model.principal import Principal
from services.payments.model.timing import CLOCK_SKEW, TOKEN_LIFETIME_SECONDS
from services.shared.errors import Forbidden, NotAllowedNow, field_invalid
from services.shared.ids import new_id

# The principal of a key, given as its text. Raises NotAuthenticated or Forbidden.
Authenticate = Callable[[str], Awaitable[Principal]]


class TokensNotIssued(NotAllowedNow):
    """No tokens are issued here; send the API key itself."""

    reason = "TOKENS_NOT_ISSUED"


class ClientNotAllowed(NotAllowedNow):
    """The client is known, and may have no token now."""

    reason = "CLIENT_NOT_ALLOWED"


@dataclass(frozen=True, kw_only=True)
class Issued:
    """A token, and its scopes."""

    token: str = field(repr=False)
    scopes: frozenset[str]


class TokenIssuing:
    """Our own issuer. Without signing keys it issues nothing."""

    def __init__(self, issuer: str, keys: SigningKeys | None, scopes: frozenset[str]) -> None:
        """`issuer` is the URL at which merchants reach us; scopes are all that a key can have."""
        self.issuer = issuer.rstrip("/")
        self.scopes = scopes
        self._keys = keys

    def public_keys(self) -> Sequence[Mapping[str, str]]:
        """Every public key, as a JWK."""
        return self._keys.public() if self._keys else ()

    async def issue(self, request: TokenRequest, authenticate: Authenticate) -> Issued:
        """A token for the client.

        Raises TokensNotIssued, ClientNotAllowed, Invalid, or NotAuthenticated.
        """
        if self._keys is None:
            raise TokensNotIssued
        try:
            principal = await authenticate(request.client_secret)
        except Forbidden as refused:
            raise ClientNotAllowed(refused.message, because=refused.error_reason) from None
        if principal.credential_id != request.client_id:
            raise ClientInvalid("client_id is not the public id of the key that is the secret.")
        if principal.merchant_id is None:
            raise ClientNotAllowed("Tokens are for the keys of merchants.", because="operator")
        granted = self._granted(request.scopes, principal.scopes)
        now = int(time.time())
        token = self._keys.sign(
            {
                "iss": self.issuer,
                "aud": self.issuer,
                "sub": principal.credential_id,
                "client_id": principal.credential_id,
                "iat": now,
                "exp": now + TOKEN_LIFETIME_SECONDS,
                "jti": str(new_id()),
                "scope": " ".join(sorted(granted)),
            }
        )
        return Issued(token=token, scopes=granted)

    def trusted(self) -> Trusted | None:
        """How our own tokens are verified; None where there are none."""
        if self._keys is None:
            return None
        return Trusted(
            issuer=self.issuer,
            audience=self.issuer,
            algorithms=(ALGORITHM,),
            keys=self._keys,
            meaning=self._meaning,
            maximum_lifetime_seconds=TOKEN_LIFETIME_SECONDS,
            clock_skew_seconds=CLOCK_SKEW.seconds,
            types=frozenset({TYPE}),
        )

    def _granted(self, wanted: frozenset[str] | None, held: frozenset[str]) -> frozenset[str]:
        if wanted is None:
            return held
        granted = wanted & held
        if not granted or not wanted <= self.scopes:
            raise field_invalid(
                "scope", "there is no such scope, or the key does not have it", "SCOPE_INVALID"
            )
        return granted

    def _meaning(self, claims: Mapping[str, Any]) -> Verified:
        return Verified(
            principal=TokenPrincipal.KEY,
            issuer=self.issuer,
            subject=text(claims, "sub"),
            scopes=frozenset(names(claims, "scope")) & self.scopes,
        )
