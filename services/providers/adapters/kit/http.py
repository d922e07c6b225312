"""All that adapters send and receive passes here: no redirect is followed, no answer is read beyond
a bound, JSON is taken strictly, and a provider that is overloaded or broken is the same fault
everywhere. The meaning of every other answer is the adapter's."""

import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import aiohttp
from pydantic import SecretStr

from services.providers.adapters.kit.retry_after import TOO_MANY_REQUESTS, retry_after_seconds
from services.providers.domain import Operation, OperationResult, unknown
from services.shared.text import is_storable

# Our providers' answers are a few kilobytes; whoever sends more is not the one we asked.
BODY_BYTES_MAX = 64 * 1024
CONNECT_SECONDS = 5
# The system gives up a request that a provider does not acknowledge for so long, so that none of a
# connection that hangs arrives later. The caller relies on it (payments' LANDING).
UNACKNOWLEDGED_SECONDS = 10


class NotConnected(aiohttp.ClientError):
    """There was no connection, so nothing of the request has left. Only ever raised for a POST."""


class AnswerInvalid(Exception):
    """The answer is not what the provider's API promises; what it did is unknown."""


class Unserved(Exception):
    """A 429 or a 5xx. It says nothing of the operation: a server may go on behind its front."""

    def __init__(self, status: int, headers: Mapping[str, str]) -> None:
        super().__init__(str(status))
        self.status = status
        self.headers = headers
        self.code = "rate_limited" if status == TOO_MANY_REQUESTS else "provider_fault"
        self.retry_after_seconds = retry_after_seconds(status, headers, datetime.now(UTC))


# All that is raised where there is no answer that an adapter could read.
NO_ANSWER = (aiohttp.ClientError, AnswerInvalid, Unserved)


@dataclass(frozen=True)
class Answer:
    """An HTTP answer, read to its end."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


def _socket(resolved: Any) -> socket.socket:
    family, kind, protocol, *_ = resolved
    made = socket.socket(family, kind, protocol)
    # Linux has it, and other systems, where nobody pays anybody, need not.
    if option := getattr(socket, "TCP_USER_TIMEOUT", None):
        made.setsockopt(socket.IPPROTO_TCP, option, UNACKNOWLEDGED_SECONDS * 1000)
    return made


def open_session() -> aiohttp.ClientSession:
    """A session for all adapters; the caller closes it.

    It bounds connecting only: how long an operation may take is the use case's to say, and how
    many run at once too.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, socket_factory=_socket),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
        # A small compressed answer can be a huge one; uncompressed, the bound below holds.
        auto_decompress=False,
        headers={"accept-encoding": "identity"},
    )


async def send(
    session: aiohttp.ClientSession,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    body: str | bytes | None = None,
    secret: SecretStr,
    bytes_max: int = BODY_BYTES_MAX,
) -> Answer:
    """One request, sent once; an answer that repeats the secret goes no further than here.

    Raises NotConnected, aiohttp.ClientError, AnswerInvalid, Unserved.
    """
    # Held from here on: a key that is rotated meanwhile is still the one that was sent.
    sent_secret = secret.get_secret_value().encode()
    try:
        async with session.request(
            method, url, headers=dict(headers), data=body, allow_redirects=False
        ) as response:
            if response.status == TOO_MANY_REQUESTS or response.status >= 500:
                raise Unserved(response.status, response.headers)
            received = await _received(response, bytes_max)
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
        if method.upper() != "POST":
            # The library itself repeats other methods on a new connection: one may have left.
            raise
        raise NotConnected(type(error).__name__) from None
    if sent_secret in received:
        raise AnswerInvalid("it repeats our key")
    return Answer(response.status, response.headers, received)


def no_answer(operation: Operation, error: Exception, provider: str) -> OperationResult:
    """UNKNOWN: there was no answer, or none that can be read; `error` is one of NO_ANSWER."""
    if isinstance(error, Unserved):
        message = f"{provider} answered {error.status}"
        wait = error.retry_after_seconds
        return unknown(operation.key, error.code, message, retry_after_seconds=wait)
    if isinstance(error, AnswerInvalid):
        return unknown(operation.key, "answer_invalid", str(error))
    return unknown(operation.key, "connection_failed", type(error).__name__)


async def _received(response: aiohttp.ClientResponse, bytes_max: int) -> bytes:
    received = bytearray()
    async for chunk in response.content.iter_any():
        received += chunk
        if len(received) > bytes_max:
            raise AnswerInvalid(f"more than {bytes_max} bytes")
    return bytes(received)


def read_object(body: bytes, *, exact: bool = False) -> dict[str, Any]:
    """A JSON object, strictly: UTF-8, no NaN, no text that cannot be written back. Raises
    AnswerInvalid.

    exact reads fractions as Decimal.
    """
    value = _read_json(body, exact=exact)
    if not isinstance(value, dict):
        raise AnswerInvalid("not a JSON object")
    return value


def read_list(body: bytes, *, exact: bool = False) -> list[Any]:
    """A JSON list, as strictly as read_object. Raises AnswerInvalid."""
    value = _read_json(body, exact=exact)
    if not isinstance(value, list):
        raise AnswerInvalid("not a JSON list")
    return value


def _read_json(body: bytes, *, exact: bool) -> object:
    try:
        decoded = body.decode()
        value = (_EXACT if exact else _STRICT).decode(decoded)
        if "\\u" in decoded:
            # Escaped halves of a surrogate pair pass the parser but not any later encoding.
            json.dumps(value, ensure_ascii=False, default=str).encode()
    except (ValueError, ArithmeticError, RecursionError):
        raise AnswerInvalid("not JSON") from None
    return value


def text(value: object, length_max: int = 255) -> str:
    """The value where it is text of reasonable length that can be kept, else nothing."""
    if not isinstance(value, str) or len(value) > length_max or not is_storable(value):
        return ""
    return value


def instant(value: object) -> datetime | None:
    """The instant that a provider states, as seconds since 1970 or as ISO 8601 with its zone; else
    nothing."""
    try:
        if type(value) is int:
            return datetime.fromtimestamp(value, UTC)
        stated = datetime.fromisoformat(value) if isinstance(value, str) else None
    except (ValueError, OverflowError, OSError):
        return None
    return stated if stated is not None and stated.tzinfo is not None else None


def _refuse(constant: str) -> None:
    raise ValueError(constant)


# Made once: with options of its own, json.loads makes a decoder for each answer.
_STRICT = json.JSONDecoder(parse_constant=_refuse)
_EXACT = json.JSONDecoder(parse_constant=_refuse, parse_float=Decimal)
