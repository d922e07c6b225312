"""The form of a token, read before any of it is trusted: bounded, strict JSON, and nothing
in its header that brings a key along. Signature and claims are checked afterwards."""

import json
import re
from base64 import urlsafe_b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.payments.merchants.tokens.verified import refused

# A token of a large directory has some 4000 characters; the gateway takes 16 KiB of headers.
TOKEN_MAX_CHARACTERS = 8192
NAME_MAX_CHARACTERS = 256
_COMPACT = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
# Parameters by which a token would choose the key that verifies it, or change how it is read.
_FORBIDDEN = ("crit", "b64", "jwk", "jku", "x5u", "x5c", "zip", "enc")
_TIMES = ("exp", "iat", "nbf")
# The last second of the year 9999; a larger one is no time.
_LAST_SECOND = 253402300799


@dataclass(frozen=True, kw_only=True)
class Presented:
    """A token as it claims to be: nothing of it is verified."""

    algorithm: str
    key_id: str
    type: str
    issuer: str
    claims: Mapping[str, Any]


def is_bounded(token: str) -> bool:
    """Whether the token is short enough to be looked at."""
    return 0 < len(token) <= TOKEN_MAX_CHARACTERS


def read(token: str) -> Presented:
    """The token's header and claims. Raises TokenInvalid."""
    parts = _COMPACT.fullmatch(token) if is_bounded(token) else None
    if parts is None:
        raise refused("form", "The token is no signed JWT of at most 8192 characters.")
    header, claims = _json_object(parts[1]), _json_object(parts[2])
    for name in _FORBIDDEN:
        if name in header:
            raise refused("header", f"The token's header must not have {name}.")
    for name in _TIMES:
        if name in claims and not _is_time(claims[name]):
            raise refused("claim", f"The token's {name} is no time.")
    return Presented(
        algorithm=_text(header, "alg"),
        key_id=_text(header, "kid"),
        type=_text(header, "typ") if "typ" in header else "",
        issuer=_text(claims, "iss"),
        claims=claims,
    )


def _json_object(segment: str) -> Mapping[str, Any]:
    try:
        data = urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
        value = json.loads(
            data.decode("utf-8"), object_pairs_hook=_without_doubles, parse_constant=_no_number
        )
    except (ValueError, RecursionError):
        raise refused("form", "The token holds no JSON, or a name in it twice.") from None
    if not isinstance(value, dict):
        raise refused("form", "The token holds JSON that is no object.")
    return value


def _without_doubles(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Two parties could read two values of one name."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name is there twice")
    return found


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _text(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= NAME_MAX_CHARACTERS:
        raise refused("claim" if name == "iss" else "header", f"The token has no usable {name}.")
    return value


def _is_time(value: object) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    # Infinity, which a number of JSON can be too large for, compares as well.
    return is_number and 0 <= value <= _LAST_SECOND  # type: ignore[operator]
