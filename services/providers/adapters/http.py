"""What every adapter says to the outside and hears from it passes here: no redirect is followed, no
answer is read beyond a bound, and JSON is taken strictly. What an answer means is the adapter's."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import aiohttp
from pydantic import SecretStr

# Our providers' answers are a few kilobytes; whoever sends more is not the one we asked.
BODY_BYTES_MAX = 64 * 1024
CONNECT_SECONDS = 5


class NotConnected(aiohttp.ClientError):
    """There was no connection, so nothing of the request has left. Only ever raised for a POST."""


class AnswerInvalid(Exception):
    """The answer is not what the provider's API promises; what it did is unknown."""


@dataclass(frozen=True)
class Answer:
    """An HTTP answer, read to its end."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


def open_session() -> aiohttp.ClientSession:
    """A session for all adapters; the caller closes it.

    It bounds connecting only: how long an operation may take is the use case's to say, and how
    many run at once too.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
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
) -> Answer:
    """One request, sent once; an answer that repeats the secret goes no further than here.

    Raises NotConnected, aiohttp.ClientError, AnswerInvalid.
    """
    # Held from here on: a key that is rotated meanwhile is still the one that was sent.
    sent_secret = secret.get_secret_value().encode()
    try:
        async with session.request(
            method, url, headers=dict(headers), data=body, allow_redirects=False
        ) as response:
            received = await _received(response)
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
        if method.upper() != "POST":
            # The library itself repeats other methods on a new connection: one may have left.
            raise
        raise NotConnected(type(error).__name__) from None
    if sent_secret in received:
        raise AnswerInvalid("it repeats our key")
    return Answer(response.status, response.headers, received)


async def _received(response: aiohttp.ClientResponse) -> bytes:
    received = bytearray()
    async for chunk in response.content.iter_any():
        received += chunk
        if len(received) > BODY_BYTES_MAX:
            raise AnswerInvalid(f"more than {BODY_BYTES_MAX} bytes")
    return bytes(received)


def read_object(body: bytes, *, exact: bool = False) -> dict[str, Any]:
    """A JSON object, strictly: UTF-8, no NaN, no text that cannot be written back. Raises
    AnswerInvalid.

    exact reads fractions as Decimal.
    """
    try:
        told = body.decode()
        value = (_EXACT if exact else _STRICT).decode(told)
        if "\\u" in told:
            # Escaped halves of a surrogate pair pass the parser but not any later encoding.
            json.dumps(value, ensure_ascii=False, default=str).encode()
    except (ValueError, ArithmeticError, RecursionError):
        raise AnswerInvalid("not JSON") from None
    if not isinstance(value, dict):
        raise AnswerInvalid("not a JSON object")
    return value


def text(value: object, length_max: int = 255) -> str:
    """The value where it is text of reasonable length, else nothing."""
    return value if isinstance(value, str) and len(value) <= length_max else ""


def _refuse(constant: str) -> None:
    raise ValueError(constant)


# Made once: with options of its own, json.loads makes a decoder for each answer.
_STRICT = json.JSONDecoder(parse_constant=_refuse)
_EXACT = json.JSONDecoder(parse_constant=_refuse, parse_float=Decimal)
