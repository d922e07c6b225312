"""All that sources send and receive passes here: no redirect is followed, no answer is read beyond
a bound, JSON is read strictly and every number of it to Decimal, and nothing that is raised has an
address or a key in it."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from services.fx.domain import RATE_DIGITS
from services.fx.ports import SourceAway
from services.fx.sources.kit import start_of
from services.shared.deployment import Deployment
from services.shared.env import is_loopback

# A source that answers later is tried again later. The body is part of it, however slow it drips.
REQUEST_SECONDS = 10
REQUESTS_AT_ONCE = 4
# Every currency there is takes a few kilobytes.
BODY_BYTES_MAX = 256 * 1024
# Statuses that may say when to come back.
_WAIT = (429, 503)
_DAY_TEXT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_RATE_TEXT = re.compile(r"[0-9]{1,15}(\.[0-9]{1,30})?", re.ASCII)


@dataclass(frozen=True)
class Answer:
    """The JSON that a source has answered, and the hash of its bytes."""

    value: Any
    payload_sha256: str


def open_session(request_seconds: float = REQUEST_SECONDS) -> aiohttp.ClientSession:
    """A session for all sources; the caller closes it. A whole request takes so long at most."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit_per_host=REQUESTS_AT_ONCE),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=request_seconds),
        # A small compressed answer can be a huge one; uncompressed, the bound holds.
        auto_decompress=False,
        headers={"accept": "application/json", "accept-encoding": "identity"},
    )


async def get_json(
    session: aiohttp.ClientSession,
    url: str,
    *,
    parameters: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    key: str = "",
) -> Answer:
    """One request, sent once; the key is in parameters or headers already. Raises SourceAway."""
    try:
        async with session.get(
            url, params=parameters, headers=headers, allow_redirects=False
        ) as response:
            body = await _body(response)
    except (TimeoutError, aiohttp.ClientError) as error:
        # Its own words would have the address.
        raise SourceAway(type(error).__name__) from None
    except ValueError:
        raise SourceAway("its address cannot be used") from None
    if key and key.encode() in body:
        raise SourceAway("it repeats our key")
    return Answer(_read_json(body), hashlib.sha256(body).hexdigest())


async def _body(response: aiohttp.ClientResponse) -> bytes:
    if response.status != 200:
        raise SourceAway(f"it answered {response.status}", _retry_after_seconds(response))
    if response.content_type != "application/json":
        raise SourceAway("it answered no JSON")
    received = bytearray()
    async for chunk in response.content.iter_any():
        received += chunk
        if len(received) > BODY_BYTES_MAX:
            raise SourceAway(f"it answered more than {BODY_BYTES_MAX} bytes")
    return bytes(received)


def _retry_after_seconds(response: aiohttp.ClientResponse) -> int:
    text = response.headers.get("retry-after", "")
    digits = text.isascii() and text.isdigit() and len(text) <= 6
    return int(text) if response.status in _WAIT and digits else 0


def _read_json(body: bytes) -> object:
    try:
        return _STRICT.decode(body.decode())
    except (ValueError, ArithmeticError, RecursionError):
        raise SourceAway("it answered no JSON") from None


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _without_doubles(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) < len(members):
        raise ValueError("a name stands there twice")
    return found


_STRICT = json.JSONDecoder(
    parse_float=Decimal,
    parse_int=Decimal,
    parse_constant=_refuse,
    object_pairs_hook=_without_doubles,
)


def read_rate(value: object) -> Decimal | None:
    """The rate that a JSON number states, to 18 significant digits; None where it is no number."""
    if not isinstance(value, Decimal):
        return None
    try:
        return RATE_DIGITS.plus(value)
    except ArithmeticError:
        return None


def read_text_rate(text: str) -> Decimal | None:
    """The rate that a text states as plain decimal digits; None where it states none."""
    return read_rate(Decimal(text)) if _RATE_TEXT.fullmatch(text) else None


def read_unix(value: object, *, per_second: int = 1) -> datetime:
    """The instant of a JSON number of seconds since 1970, or parts of them. Raises SourceAway."""
    if not isinstance(value, Decimal) or not 0 <= value < 10**11 * per_second:
        raise SourceAway("it states no time")
    try:
        return datetime.fromtimestamp(int(value) // per_second, UTC)
    except (ValueError, OverflowError, OSError):
        raise SourceAway("it states no time") from None


def read_instant(value: object) -> datetime:
    """The instant that a text states by ISO 8601, with its zone. Raises SourceAway."""
    try:
        stated = datetime.fromisoformat(value) if isinstance(value, str) else None
        if stated is not None and stated.tzinfo is not None:
            return stated.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise SourceAway("it states no time")


def read_day(value: object) -> datetime:
    """The start of the day that a text states, as 2026-11-27. Raises SourceAway."""
    if not isinstance(value, str) or not _DAY_TEXT.fullmatch(value):
        raise SourceAway("it states no day")
    try:
        return start_of(date.fromisoformat(value))
    except ValueError:
        raise SourceAway("it states no day") from None


def address_problem(url: str, deployment: Deployment) -> str:
    """The reason why no source may be asked at the address, or nothing."""
    try:
        parts = urlsplit(url)
        host, scheme = parts.hostname or "", parts.scheme
        whole = host and scheme in ("http", "https") and parts.port != 0
    except ValueError:
        whole = False
    if not whole or parts.username or parts.password or parts.fragment:
        return "must be an address of the form https://host"
    if scheme == "http" and deployment is not Deployment.SANDBOX and not is_loopback(host):
        return f"must begin with https:// in {deployment}, unless it is on this machine"
    return ""
