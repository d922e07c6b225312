"""The envelope {status, message, data} around every answer of Flutterwave's v3 API; its numbers are
read exactly."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from services.providers.adapters.flutterwave.settings import FlutterwaveSettings
from services.providers.adapters.kit.bearer import BearerApi
from services.providers.adapters.kit.http import Answer, AnswerInvalid, read_object, text

Json = dict[str, Any]


@dataclass(frozen=True)
class Envelope:
    """An answer: its HTTP status, what it says, and what it holds."""

    http_status: int
    succeeded: bool
    # Whether Flutterwave itself says that it refuses; another server on the way would not.
    is_refusal: bool
    message: str
    data: object


class Api:
    """One account. Every call raises what NO_ANSWER lists."""

    def __init__(self, settings: FlutterwaveSettings, session: aiohttp.ClientSession) -> None:
        self._api = BearerApi(session, settings.flutterwave_base_url, settings.flutterwave_api_key)

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> Envelope:
        """Asks; changes nothing."""
        return _open(await self._api.get(path, query))

    async def post(self, path: str, body: Mapping[str, Any]) -> Envelope:
        """Asks for something to be done."""
        return _open(await self._api.post(path, body))


def _open(answer: Answer) -> Envelope:
    envelope = read_object(answer.body, exact=True)
    return Envelope(
        http_status=answer.status,
        succeeded=answer.status in (200, 201) and envelope.get("status") == "success",
        is_refusal=answer.status >= 400 and envelope.get("status") == "error",
        message=text(envelope.get("message")),
        data=envelope.get("data"),
    )


def as_object(value: object) -> Json:
    """The value as a JSON object. Raises AnswerInvalid where it is none."""
    if not isinstance(value, dict):
        raise AnswerInvalid("an answer without its data")
    return value
