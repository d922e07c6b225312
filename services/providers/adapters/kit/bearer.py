"""A JSON API that knows us by a bearer key: one account, over the session of all adapters. The
meaning of an answer is the adapter's."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
from pydantic import SecretStr

from services.providers.adapters.kit.http import Answer, send


class BearerApi:
    """One account. Every call raises what NO_ANSWER lists; a post may raise NotConnected too."""

    def __init__(self, session: aiohttp.ClientSession, base_url: str, key: SecretStr) -> None:
        self._session = session
        self._base_url = base_url
        self._key = key

    async def get(
        self,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Asks; changes nothing."""
        whole = f"{path}?{urlencode(query)}" if query else path
        return await self._call("GET", whole, None, headers)

    async def post(
        self, path: str, body: Mapping[str, Any], *, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Asks for something to be done."""
        return await self._call("POST", path, write_object(body), headers)

    async def _call(
        self, method: str, path: str, body: str | None, own: Mapping[str, str] | None
    ) -> Answer:
        headers = {
            **(own or {}),
            "authorization": f"Bearer {self._key.get_secret_value()}",
            "content-type": "application/json",
        }
        url = f"{self._base_url}{path}"
        return await send(self._session, method, url, headers=headers, body=body, secret=self._key)


def segment(name: str) -> str:
    """A name of ours or of the provider as one segment of a path."""
    return quote(name, safe="")


def write_object(fields: Mapping[str, Any]) -> str:
    """A JSON object whose decimals are written digit by digit."""
    members = (f"{json.dumps(name)}: {_write(value)}" for name, value in fields.items())
    return f"{{{', '.join(members)}}}"


def _write(value: object) -> str:
    return f"{value:f}" if isinstance(value, Decimal) else json.dumps(value)
