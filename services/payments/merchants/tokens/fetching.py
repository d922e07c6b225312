"""Fetches an issuer's keys over HTTP. The issuer is configured; its answers are bounded in size and
time all the same, and lead nowhere else."""

import json
from collections.abc import Sequence
from urllib.parse import urlsplit

import aiohttp

from services.payments.merchants.tokens.keys import Keys, KeysUnreadable, parse_keys
from services.payments.model.timing import ISSUER_CALL_SECONDS

ANSWER_MAX_BYTES = 256 * 1024
DISCOVERY_PATH = "/.well-known/openid-configuration"


def url_problem(url: str, *, plain_http: bool) -> str:
    """Why keys may not be fetched from the URL; empty where they may."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "is no URL"
    schemes = ("https", "http") if plain_http else ("https",)
    if parts.scheme not in schemes or not host:
        return f"must begin with {'https:// or http://' if plain_http else 'https://'} and a host"
    if parts.username or parts.password or parts.fragment:
        return "must have no user, password or fragment"
    return ""


class KeyFetcher:
    """Fetches the keys of one issuer."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        issuer: str,
        jwks_url: str | None,
        algorithms: Sequence[str],
        *,
        plain_http: bool,
    ) -> None:
        """Without a jwks_url the issuer's document of OpenID Connect Discovery names it."""
        self._session = session
        self._issuer = issuer
        self._jwks_url = jwks_url
        self._algorithms = algorithms
        self._plain_http = plain_http

    async def fetch(self) -> Keys:
        """The issuer's keys. Raises OSError, TimeoutError or KeysUnreadable."""
        try:
            url = self._jwks_url or await self._discovered()
            return parse_keys(await self._get(url), self._algorithms, self._issuer)
        except aiohttp.ClientError as error:
            raise OSError(type(error).__name__) from error

    async def _discovered(self) -> str:
        text = await self._get(self._issuer.rstrip("/") + DISCOVERY_PATH)
        try:
            document = json.loads(text)
            issuer, url = document["issuer"], document["jwks_uri"]
        except (ValueError, RecursionError, KeyError, TypeError):
            raise KeysUnreadable("the discovery document names no jwks_uri") from None
        if issuer != self._issuer:
            raise KeysUnreadable("the discovery document is another issuer's")
        if problem := url_problem(str(url), plain_http=self._plain_http):
            raise KeysUnreadable(f"the jwks_uri of the discovery document {problem}")
        return str(url)

    async def _get(self, url: str) -> bytes:
        headers = {"accept": "application/json", "accept-encoding": "identity"}
        async with self._session.get(url, headers=headers, allow_redirects=False) as answer:
            if answer.status != 200:
                raise KeysUnreadable(f"the answer has the status {answer.status}")
            if answer.headers.get("content-encoding", "identity") != "identity":
                raise KeysUnreadable("the answer is compressed")
            found = bytearray()
            async for part in answer.content.iter_any():
                found += part
                if len(found) > ANSWER_MAX_BYTES:
                    raise KeysUnreadable(f"the answer is larger than {ANSWER_MAX_BYTES} bytes")
            return bytes(found)


def open_session(seconds: float = ISSUER_CALL_SECONDS) -> aiohttp.ClientSession:
    """A session for all issuers, to be closed: each answer has so many seconds, no cookie is kept,
    and nothing is unpacked."""
    return aiohttp.ClientSession(
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=seconds),
        auto_decompress=False,
    )
