"""The meaning of a verified token's claims, by what its issuer's settings say of them."""

from collections.abc import Iterator, Mapping
from typing import Any

from services.payments.merchants.tokens.issuers import Issuer, Scopes
from services.payments.merchants.tokens.verified import TokenPrincipal, Verified, refused
from services.shared.text import forbidden_character

NAME_MAX_CHARACTERS = 256
_ABSENT = object()


def meaning(issuer: Issuer, claims: Mapping[str, Any], scopes: Scopes) -> Verified:
    """A foreign token's content. Scopes of the other kind of principal are never among it, whatever
    the token says. Raises TokenInvalid."""
    subject = text(claims, "sub")
    is_merchant = issuer.principal is TokenPrincipal.MERCHANT
    return Verified(
        principal=issuer.principal,
        issuer=issuer.issuer,
        subject=subject,
        merchant_id=_merchant(issuer, claims) if is_merchant else "",
        scopes=frozenset(_scopes(issuer, claims)) & scopes[issuer.principal],
        roles=frozenset(_roles(issuer, claims)),
        name=text(claims, issuer.name_claim) if issuer.name_claim else subject,
    )


def text(claims: Mapping[str, Any], name: str) -> str:
    """A claim that is a text, and visible. Raises TokenInvalid."""
    value = _value(claims, name)
    if not isinstance(value, str) or not 0 < len(value) <= NAME_MAX_CHARACTERS:
        raise refused("claim", f"The token has no usable {name}.")
    # It stands in logs and in the audit trail.
    if forbidden_character(value):
        raise refused("claim", f"The token's {name} has an invisible character.")
    return value


def names(claims: Mapping[str, Any], name: str | None) -> list[str]:
    """The names of a claim that is a list of texts, or one text with blanks between them."""
    value = _value(claims, name) if name else _ABSENT
    if isinstance(value, str):
        return value.split()
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return value
    if value is _ABSENT:
        return []
    raise refused("claim", f"The token's {name} is neither a text nor a list of texts.")


def _value(claims: Mapping[str, Any], name: str) -> Any:
    """A claim by its name, or by its path with dots, as realm_access.roles."""
    if name in claims:
        return claims[name]
    value: Any = claims
    for part in name.split("."):
        if not isinstance(value, dict) or part not in value:
            return _ABSENT
        value = value[part]
    return value


def _merchant(issuer: Issuer, claims: Mapping[str, Any]) -> str:
    named = text(claims, issuer.merchant_claim or "")
    if not issuer.merchants:
        return named
    if named not in issuer.merchants:
        raise refused("merchant", "The token names no merchant of this issuer.")
    return issuer.merchants[named]


def _scopes(issuer: Issuer, claims: Mapping[str, Any]) -> Iterator[str]:
    for name in names(claims, issuer.scopes_claim):
        yield from issuer.scopes.get(name, (name,))


def _roles(issuer: Issuer, claims: Mapping[str, Any]) -> Iterator[str]:
    for group in names(claims, issuer.groups_claim):
        if group in issuer.roles:
            yield issuer.roles[group]
