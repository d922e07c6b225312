"""A real issuer over HTTP, as far as its keys go."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from tests.tokens import Signer, make_signer

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class IssuerServer:
    """An OpenID provider, as far as its keys go."""

    url: str = ""
    signers: list[Signer] = field(default_factory=lambda: [make_signer()])
    answer: Answer | None = None
    document: dict[str, object] | None = None
    asked: list[str] = field(default_factory=list)

    def jwks(self) -> bytes:
        return json.dumps({"keys": [signer.jwk for signer in self.signers]}).encode()

    async def keys(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path)
        if self.answer:
            return await self.answer(request)
        return web.Response(body=self.jwks(), content_type="application/json")

    async def discovery(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path)
        usual = {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
        return web.json_response(self.document if self.document is not None else usual)


@pytest.fixture
async def issuer() -> AsyncIterator[IssuerServer]:
    server = IssuerServer()
    app = web.Application()
    app.router.add_get("/keys", server.keys)
    app.router.add_get("/elsewhere", server.keys)
    app.router.add_get("/.well-known/openid-configuration", server.discovery)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield server
    await runner.cleanup()
