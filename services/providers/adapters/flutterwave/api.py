"""The HTTP of Flutterwave's v3 API: one bearer key, JSON with exact numbers both ways, and the
envelope {status, message, data} around every answer."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import aiohttp

from services.providers.adapters.flutterwave.settings import FlutterwaveSettings
from services.providers.adapters.http import AnswerInvalid, read_object, send, text

Json = dict[str, Any]


@dataclass(frozen=True)
class Envelope:
    """An answer: its HTTP status, what it says, and what it holds."""

    http_status: int
    succeeded: bool
    message: str
    data: object


class Api:
    """Speaks with one account. Every call raises what NO_ANSWER lists."""

    def __init__(self, settings: FlutterwaveSettings, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._url = settings.flutterwave_base_url
        self._key = settings.flutterwave_api_key

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> Envelope:
        """Asks; changes nothing."""
        return await self._call("GET", f"{path}?{urlencode(query)}" if query else path, None)

    async def post(self, path: str, body: Mapping[str, Any]) -> Envelope:
        """Asks for something to be done."""
        return await self._call("POST", path, write_object(body))

    async def _call(self, method: str, path: str, body: str | None) -> Envelope:
        headers = {
            "authorization": f"Bearer {self._key.get_secret_value()}",
            "content-type": "application/json",
        }
        answer = await send(
            self._session, method, self._url + path, headers=headers, body=body, secret=self._key
        )
        envelope = read_object(answer.body, exact=True)
        return Envelope(
            http_status=answer.status,
            succeeded=answer.status in (200, 201) and envelope.get("status") == "success",
            message=text(envelope.get("message")),
            data=envelope.get("data"),
        )


def write_object(fields: Mapping[str, Any]) -> str:
    """A JSON object whose decimals are written digit by digit."""
    members = (f"{json.dumps(name)}: {_write(value)}" for name, value in fields.items())
    return f"{{{', '.join(members)}}}"


def as_object(value: object) -> Json:
    """The value as a JSON object. Raises AnswerInvalid where it is none."""
    if not isinstance(value, dict):
        raise AnswerInvalid("an answer without its data")
    return value


def _write(value: object) -> str:
    return f"{value:f}" if isinstance(value, Decimal) else json.dumps(value)
