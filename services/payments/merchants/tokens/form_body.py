"""The request of the token endpoint (RFC 6749, sections 2.3.1 and 4.4.2), read strictly: a form
whose parameters are all known and there once, and a client that is named in one way."""

import re
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote_plus

from services.shared.errors import NotAuthenticated, field_invalid

FORM = "application/x-www-form-urlencoded"
FORM_MAX_BYTES = 8192
CLIENT_CREDENTIALS = "client_credentials"
PARAMETERS = ("grant_type", "scope", "client_id", "client_secret")
_BASIC = re.compile(r"basic +([A-Za-z0-9+/]+=*)", re.IGNORECASE)
# An escape that is none; the parser would leave it as it is.
_BAD_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")


class ClientInvalid(NotAuthenticated):
    """The client is not authenticated: send a key's public id and the key, by HTTP Basic or as
    client_id and client_secret."""

    reason = "CLIENT_INVALID"


@dataclass(frozen=True, kw_only=True)
class TokenRequest:
    """A client and what it asks for."""

    client_id: str
    client_secret: str = field(repr=False)
    # None where it asks for all that the key has.
    scopes: frozenset[str] | None


def read_token_request(
    content_type: str, body: bytes, metadata: Sequence[tuple[str, Any]]
) -> TokenRequest:
    """The request. Raises Invalid, or ClientInvalid where no client is named."""
    if content_type.partition(";")[0].strip().lower() != FORM:
        raise field_invalid("body", f"the body must be a form; send content-type: {FORM}")
    parameters = _parameters(body)
    grant = parameters.get("grant_type")
    if not grant:
        raise field_invalid("grant_type", "grant_type is required", "FIELD_REQUIRED")
    if grant != CLIENT_CREDENTIALS:
        raise field_invalid(
            "grant_type", f"grant_type must be {CLIENT_CREDENTIALS}", "GRANT_TYPE_UNSUPPORTED"
        )
    client_id, secret = _client(parameters, metadata)
    # A parameter without a value counts as left out (RFC 6749, section 3.2).
    scopes = frozenset(parameters.get("scope", "").split()) or None
    return TokenRequest(client_id=client_id, client_secret=secret, scopes=scopes)


def _parameters(body: bytes) -> Mapping[str, str]:
    malformed = field_invalid("body", "the body is no form, or larger than 8 KiB")
    if len(body) > FORM_MAX_BYTES:
        raise malformed
    try:
        text = body.decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text), errors="strict")
    except ValueError:
        raise malformed from None
    if _BAD_ESCAPE.search(text):
        raise malformed
    found: dict[str, str] = {}
    for name, value in pairs:
        if name not in PARAMETERS:
            raise field_invalid(name[:64], "there is no such parameter", "FIELD_UNKNOWN")
        if name in found:
            raise field_invalid(name, f"{name} is there twice", "FIELD_DUPLICATED")
        found[name] = value
    return found


def _client(parameters: Mapping[str, str], metadata: Sequence[tuple[str, Any]]) -> tuple[str, str]:
    headers = [str(value) for name, value in metadata if name == "authorization"]
    others = [name for name, _ in metadata if name == "x-api-key"]
    in_body = "client_id" in parameters or "client_secret" in parameters
    if len(headers) + len(others) + in_body > 1:
        raise field_invalid(
            "client_secret",
            "the client is named in more than one way; use HTTP Basic or the body",
            "FIELDS_CONTRADICTORY",
        )
    if in_body:
        client = (parameters.get("client_id", ""), parameters.get("client_secret", ""))
    else:
        client = _basic(headers[0] if headers else "")
    if not all(client):
        raise ClientInvalid
    return client


def _basic(header: str) -> tuple[str, str]:
    found = _BASIC.fullmatch(header.strip())
    try:
        text = b64decode(found[1], validate=True).decode("ascii") if found else ""
    except ValueError:
        text = ""
    client_id, _, secret = text.partition(":")
    return unquote_plus(client_id), unquote_plus(secret)
