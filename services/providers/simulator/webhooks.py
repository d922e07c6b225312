"""Sends events as the providers do: signed over the exact bytes, again and again until somebody
answers 2xx, for a while. Nothing waits for it, and nothing depends on it arriving. How a provider
signs stands beside its API."""

import asyncio
import json
import random
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from services.providers.simulator.background import Background
from services.shared.env import SecretStr
from services.shared.log import get_logger

ATTEMPTS_MAX = 10
BACKOFF_SECONDS = 0.25
BACKOFF_SECONDS_MAX = 10.0
ANSWER_SECONDS = 10
# The headers that prove an event, as its provider makes them: of the body, the secret, the time in
# whole seconds, and the event's id.
Sign = Callable[[bytes, str, int, str], Mapping[str, str]]


@dataclass(frozen=True, kw_only=True)
class Event:
    """An event to send: the operation that it is about, its address and its body."""

    provider: str
    # The operation's key, as the book has it.
    key: str
    url: str
    id: str
    sign: Sign = field(repr=False)
    secret: SecretStr = field(repr=False)
    body: dict[str, Any] = field(repr=False)
    # How far the time in the signature is from now.
    signed_seconds_off: int = 0


def event_id(prefix: str) -> str:
    """An id no other event has."""
    return f"{prefix}_{secrets.token_hex(12)}"


class Sender:
    """Delivers every event in a task of its own; closing abandons what is not yet delivered."""

    def __init__(self) -> None:
        self._running = Background()
        self._session = aiohttp.ClientSession(
            # Not a total: under load an event may well wait for its turn to connect.
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=ANSWER_SECONDS, sock_read=ANSWER_SECONDS
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    def send(self, event: Event) -> None:
        """Takes the event; returns at once."""
        self._running.start(self._deliver(event))

    async def close(self) -> None:
        """Ends deliveries under way and closes the connections; nothing is delivered afterwards."""
        await self._running.close()
        await self._session.close()

    async def _deliver(self, event: Event) -> None:
        for attempt in range(ATTEMPTS_MAX):
            if attempt:
                await asyncio.sleep(_pause_seconds(attempt))
            if await self._attempt(event):
                return
        get_logger().warning("webhook_given_up", event_id=event.id, attempts=ATTEMPTS_MAX)

    async def _attempt(self, event: Event) -> bool:
        body = json.dumps(event.body).encode()
        # Signed again each time, or the last attempts would be too old to be valid.
        now = int(time.time()) + event.signed_seconds_off
        secret = event.secret.get_secret_value()
        headers = dict(event.sign(body, secret, now, event.id))
        headers["content-type"] = "application/json"
        try:
            async with self._session.post(
                event.url, data=body, headers=headers, allow_redirects=False
            ) as answer:
                return 200 <= answer.status < 300
        except (aiohttp.ClientError, TimeoutError):
            return False


def _pause_seconds(attempt: int) -> float:
    longest = min(BACKOFF_SECONDS_MAX, BACKOFF_SECONDS * 2.0**attempt)
    return random.uniform(longest / 2, longest)  # noqa: S311  No secret depends on it.
