"""A verified token, the port that verifies one, and the refusals of tokens. The merchant or the
operator behind a token is looked up elsewhere, at each call: a token is verified once and kept."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from services.shared.errors import NotAuthenticated


class TokenPrincipal(StrEnum):
    """The kind of principal that an issuer's tokens stand for. A key's are our own tokens."""

    MERCHANT = "merchant"
    OPERATOR = "operator"
    KEY = "key"


@dataclass(frozen=True, kw_only=True)
class Verified:
    """The content of a token whose signature and claims hold."""

    principal: TokenPrincipal
    issuer: str
    # Of our own tokens the public id of the key that asked for it, for example "key_01j…".
    subject: str
    # The merchant that a foreign token names; empty for operators and for our own tokens.
    merchant_id: str = ""
    # Scopes that the token has, of those that its kind of principal can have.
    scopes: frozenset[str] = frozenset()
    # The operators' roles that the token's groups stand for.
    roles: frozenset[str] = frozenset()
    # A name for people; the subject where the token has no other.
    name: str = ""

    @property
    def credential_id(self) -> str:
        """The public id of the key behind our own token, else issuer and subject."""
        is_own = self.principal is TokenPrincipal.KEY
        return self.subject if is_own else f"{self.issuer}#{self.subject}"


class TokenVerifier(Protocol):
    """Checks the signature, the claims and the time of a token, our own or an issuer's."""

    async def verify(self, token: str) -> Verified:
        """The content of a token.

        Raises TokenInvalid or TokenExpired, and CredentialsUnverifiable where the keys of its
        issuer cannot be had now.
        """
        ...


class TokenInvalid(NotAuthenticated):
    """The token is not valid."""

    reason = "TOKEN_INVALID"


class TokenExpired(NotAuthenticated):
    """The token's time is over; ask for a new one."""

    reason = "TOKEN_EXPIRED"


def refused(problem: str, message: str) -> TokenInvalid:
    """A TokenInvalid; the problem is its name for programs."""
    return TokenInvalid(message, problem=problem)
