"""The real simulator on a real socket, a stand-in gateway that collects its webhooks, and the
registered adapters pointed at it; or at a server that answers whatever a test wants."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from io import RawIOBase
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, web

from services.providers.adapters import ADAPTERS
from services.providers.adapters.kit.http import open_session
from services.providers.config import Config
from services.providers.domain import Webhook
from services.providers.ports import Adapter
from services.providers.simulator.app import create_app
from services.providers.simulator.book import open_file
from services.providers.simulator.catalogue import load_config
from services.providers.simulator.config import Config as SimulatorConfig
from services.shared.clock import SystemClock
from services.shared.deployment import Deployment
from tests.contract.cases import FACTS

CORRIDORS = Path(__file__).parents[2] / "deploy" / "corridors"
SECRETS = tuple(secret for facts in FACTS.values() for secret in facts.secrets)


def provider_environment(url: str) -> dict[str, str]:
    """The variables of a sandbox whose providers are all at one address."""
    own = {"DEPLOYMENT": "sandbox", "SIMULATOR_URL": url, "CORRIDORS_DIR": str(CORRIDORS)}
    return own | {
        name: value.replace("{url}", url)
        for facts in FACTS.values()
        for name, value in facts.sandbox.items()
    }


# The change that makes a deployment of these variables one with real money.
LIVE = {"DEPLOYMENT": "live", "SIMULATOR_URL": ""} | {
    name: value for facts in FACTS.values() for name, value in facts.live.items()
}


@asynccontextmanager
async def serving(app: web.Application) -> AsyncIterator[str]:
    """The app on a free port; yields its address."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def adapters_at(
    url: str, *, deployment: Deployment = Deployment.SANDBOX
) -> AsyncIterator[dict[str, Adapter]]:
    """Every registered adapter, sending to this address."""
    config = Config.load(provider_environment(url))
    named = config.needed_providers()
    config = config.model_copy(update={"deployment": deployment})
    async with open_session() as session:
        yield {name: ADAPTERS[name].open(config, session, SystemClock()) for name in named}


@dataclass
class Gateway:
    """Takes webhooks as our gateway does, and hands them to the test."""

    received: asyncio.Queue[tuple[str, Webhook]] = field(default_factory=asyncio.Queue)
    # The answers to the next deliveries, first to last; then 200.
    answers: list[int] = field(default_factory=list)

    def app(self) -> web.Application:
        """The two webhook endpoints."""
        app = web.Application()
        app.add_routes([web.post("/api/webhooks{provider:.*}", self._take)])
        return app

    async def next(self) -> Webhook:
        """The next webhook to arrive."""
        _, webhook = await asyncio.wait_for(self.received.get(), 10)
        return webhook

    async def _take(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        webhook = Webhook(headers=headers, body=await request.read())
        await self.received.put((request.path, webhook))
        return web.Response(status=self.answers.pop(0) if self.answers else 200)


@dataclass
class Lab:
    """A running simulator and the adapters that speak with it."""

    url: str
    adapters: dict[str, Adapter]
    gateway: Gateway
    book_file: Path

    async def book(self, key: str) -> list[dict[str, Any]]:
        """The simulator's effects under this key."""
        async with ClientSession() as session, session.get(f"{self.url}/book") as answer:
            return [line for line in await answer.json() if line["key"] == key]


def simulator_config(gateway_url: str, book: Path, settle_seconds: str = "0") -> SimulatorConfig:
    """The simulator's settings, with the adapters' own keys."""
    own = {
        "DEPLOYMENT": "sandbox",
        "BOOK_FILE": str(book),
        "GATEWAY_URL": gateway_url,
        "SETTLE_SECONDS": settle_seconds,
    }
    keys = {name: key for facts in FACTS.values() for name, key in facts.simulator.items()}
    return load_config({**keys, **own})


@asynccontextmanager
async def running_lab(
    book: Path, opened: Callable[[Path], RawIOBase] = open_file
) -> AsyncIterator[Lab]:
    """A simulator with this book, all around it, and nothing left behind."""
    gateway = Gateway()
    async with serving(gateway.app()) as gateway_url:
        app = await create_app(simulator_config(gateway_url, book), opened)
        async with serving(app) as url, adapters_at(url) as adapters:
            yield Lab(url, adapters, gateway, book)


@asynccontextmanager
async def answering(
    answer: Callable[[web.Request], Awaitable[web.StreamResponse]],
    *,
    prepared: bool = True,
    deployment: Deployment = Deployment.SANDBOX,
) -> AsyncIterator[dict[str, Adapter]]:
    """The adapters in front of a server that answers everything in one way."""
    app = web.Application()
    preparations = [facts.case.preparations for facts in FACTS.values()] if prepared else []
    for path, body in (found for one in preparations for found in one.items()):
        # So that whatever a test wants answered is the operation itself.
        app.router.add_post(path, _always(body))
    app.router.add_route("*", "/{path:.*}", answer)
    async with serving(app) as url, adapters_at(url, deployment=deployment) as adapters:
        yield adapters


def _always(body: dict[str, Any]) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response(body)

    return answer
