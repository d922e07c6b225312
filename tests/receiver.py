"""A merchant's server as tests need it: a real HTTP server on loopback that keeps the requests
and answers as the test sets."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import standardwebhooks
from aiohttp import web

from tests.polling import until

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Received:
    """One request, as it came."""

    headers: Mapping[str, str]
    body: bytes

    @property
    def event_id(self) -> str:
        """The id that it goes by."""
        return self.headers["webhook-id"]

    def verified(self, secret: str) -> Any:
        """Its JSON, once the signature holds by the standard's own library."""
        return standardwebhooks.Webhook(secret).verify(self.body, dict(self.headers))


async def _take(request: web.Request) -> web.StreamResponse:
    return web.Response(status=204)


@dataclass
class Receiver:
    """The requests so far, and the answer to the next one."""

    url: str = ""
    received: list[Received] = field(default_factory=list)
    answer: Answer = _take
    came: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Keeps a request, then answers it."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.received.append(Received(headers, await request.read()))
        self.came.set()
        return await self.answer(request)

    async def wait(self, number: int) -> list[Received]:
        """Everything received, once it is this much."""

        async def look() -> list[Received]:
            return self.received

        return await until(look, lambda received: len(received) >= number)


def answering(status: int) -> Answer:
    """Answers with a status and nothing else."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status)

    return answer


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """A receiver that listens."""
    receiver = Receiver()
    application = web.Application()
    application.router.add_post("/hook", receiver.handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    receiver.url = f"http://127.0.0.1:{port}/hook"
    try:
        yield receiver
    finally:
        await runner.cleanup()
