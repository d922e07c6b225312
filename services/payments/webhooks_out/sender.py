"""Sends events to merchants' endpoints: signed as Standard Webhooks, to addresses that are checked,
without following anything. An endpoint may be anybody's, so nothing that it answers is trusted."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import standardwebhooks

from services.payments.model.timing import DELIVERY, DELIVERY_CONNECTION_SECONDS
from services.payments.webhooks_out.addresses import Targets
from services.payments.webhooks_out.delivery import Delivery, Reply
from services.shared.clock import Clock

# The most of an answer's body that is taken from the wire, read or not.
ANSWER_BYTES_MAX = 64 * 1024


class AddressForbidden(OSError):
    """The endpoint's host is no public address."""


class HttpSender:
    """The port EventSender over HTTP."""

    def __init__(self, session: aiohttp.ClientSession, clock: Clock) -> None:
        self._session = session
        self._clock = clock

    async def send(self, delivery: Delivery) -> Reply:
        """See EventSender.send."""
        try:
            async with asyncio.timeout(DELIVERY.total_seconds()):
                return Reply(status=await self._post(delivery))
        except TimeoutError:
            return Reply(error=f"no answer within {DELIVERY.total_seconds():.0f} seconds")
        except (aiohttp.ClientError, OSError) as error:
            if isinstance(error.__cause__, AddressForbidden):
                return Reply(error=str(error.__cause__))
            return Reply(error=type(error).__name__)

    async def _post(self, delivery: Delivery) -> int:
        headers = self._headers(delivery)
        async with self._session.post(
            delivery.url, data=delivery.body, headers=headers, allow_redirects=False
        ) as response:
            # The body is not read; it is dropped with the connection.
            return response.status

    def _headers(self, delivery: Delivery) -> dict[str, str]:
        now, event_id = self._clock.now(), delivery.event_id
        signature = standardwebhooks.Webhook(delivery.secret).sign(
            event_id, now, delivery.body.decode()
        )
        return {
            "content-type": "application/json",
            "user-agent": "Caravel-Webhooks/1",
            "webhook-id": event_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": signature,
        }


@asynccontextmanager
async def open_sender(clock: Clock, targets: Targets) -> AsyncIterator[HttpSender]:
    """A sender. The very address of each connection is checked as it is made, so that a name cannot
    resolve to one thing for the check and to another for the connection; events that follow each
    other closely share one."""

    def checked_socket(resolved: Any) -> socket.socket:
        family, kind, protocol, _, address = resolved
        if not targets.allow(address[0], address[1]):
            raise AddressForbidden("the endpoint's host is no public address")
        return socket.socket(family, kind, protocol)

    connector = aiohttp.TCPConnector(
        limit=0,
        use_dns_cache=False,
        keepalive_timeout=DELIVERY_CONNECTION_SECONDS,
        socket_factory=checked_socket,
    )
    async with aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
        auto_decompress=False,
        read_bufsize=ANSWER_BYTES_MAX // 2,
    ) as session:
        yield HttpSender(session, clock)
