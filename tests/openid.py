"""An OpenID provider that runs here, over HTTP, as far as a sign-in and a sign-out go. It keeps the
rules of its side: a code counts once, for the client, the address and the verifier it was made for.
Each part of its answers can be made wrong."""

import secrets
import time
from base64 import b64decode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import unquote, urlencode

from aiohttp import web
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from tests.tokens import Signer, make_claims, make_signer

CLIENT_ID, CLIENT_SECRET, AUDIENCE = "caravel-console", "a secret of the console", "caravel"


@cache
def _signer() -> Signer:
    # A second of work, once for all.
    return make_signer("RS256")


@dataclass
class OpenIdServer:
    """The provider, the one person who signs in at it, and what it does wrong."""

    url: str = ""
    subject: str = "248289761001"
    email: str = "ada@staff.example"
    groups: tuple[str, ...] = ("payments-staff",)
    signer: Signer = field(default_factory=_signer)
    # Changes of the ID token's claims and header, of the access token's claims, of the answer in
    # the browser, of the answer to a code, and of the discovery document; None takes a name out.
    id_token: dict[str, Any] = field(default_factory=dict)
    id_header: dict[str, Any] = field(default_factory=dict)
    access_token: dict[str, Any] = field(default_factory=dict)
    answer: dict[str, Any] = field(default_factory=dict)
    granted: dict[str, Any] = field(default_factory=dict)
    document: dict[str, Any] = field(default_factory=dict)
    # Signs ID tokens in place of the key that is published.
    stranger: Signer | None = None
    # The calls of this path are answered with 500.
    broken: str = ""
    # The parameters of each code that was not used yet.
    codes: dict[str, Mapping[str, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    # The parameters of each sign-out.
    signed_out: list[dict[str, str]] = field(default_factory=list)

    async def discovery(self, _: web.Request) -> web.StreamResponse:
        usual = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "end_session_endpoint": f"{self.url}/end",
            "id_token_signing_alg_values_supported": ["RS256"],
        }
        return web.json_response(_changed(usual, self.document))

    async def keys(self, _: web.Request) -> web.StreamResponse:
        return web.json_response({"keys": [self.signer.jwk]})

    async def authorize(self, request: web.Request) -> web.StreamResponse:
        """The person agrees at once."""
        asked = dict(request.query)
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        usual = {"code": code, "state": asked["state"], "iss": self.url}
        back = urlencode(_changed(usual, self.answer))
        raise web.HTTPFound(f"{asked['redirect_uri']}?{back}")

    async def token(self, request: web.Request) -> web.StreamResponse:
        form = {name: str(value) for name, value in (await request.post()).items()}
        asked = self.codes.pop(form.get("code", ""), None)
        if not _is_client(request):
            return web.json_response({"error": "invalid_client"}, status=401)
        challenge = create_s256_code_challenge(form.get("code_verifier", ""))
        if (
            asked is None
            or asked.get("code_challenge_method") != "S256"
            or asked.get("code_challenge") != challenge
            or asked["redirect_uri"] != form.get("redirect_uri")
        ):
            return web.json_response({"error": "invalid_grant"}, status=400)
        return web.json_response(_changed(self._grant(asked), self.granted))

    def _grant(self, asked: Mapping[str, str]) -> dict[str, Any]:
        now = int(time.time())
        person = {"iss": self.url, "sub": self.subject, "iat": now, "exp": now + 300}
        id_claims = {**person, "aud": asked["client_id"], "nonce": asked.get("nonce")}
        access = make_claims(
            **person, aud=AUDIENCE, groups=list(self.groups), email=self.email, scope=None,
            merchant=None,
        )  # fmt: skip
        by = self.stranger or self.signer
        return {
            "token_type": "Bearer",
            "expires_in": 300,
            "access_token": self.signer.token(_changed(access, self.access_token)),
            "id_token": by.token(_changed(id_claims, self.id_token), **self.id_header),
        }

    async def end(self, request: web.Request) -> web.StreamResponse:
        self.signed_out.append(dict(request.query))
        raise web.HTTPFound(request.query["post_logout_redirect_uri"])

    def issuers_file(self) -> str:
        """How payments trusts it."""
        return f"""
            [[issuers]]
            issuer = "{self.url}"
            audience = "{AUDIENCE}"
            algorithms = ["RS256"]
            principal = "operator"
            groups_claim = "groups"
            roles = {{ "payments-staff" = "operator" }}
            name_claim = "email"
        """


@asynccontextmanager
async def serving_openid(port: int = 0) -> AsyncIterator[OpenIdServer]:
    """The provider, on a port of this machine."""
    server = OpenIdServer()

    @web.middleware
    async def noted(request: web.Request, handler: Any) -> web.StreamResponse:
        server.asked.append(request.path)
        if server.broken == request.path:
            return web.Response(status=500)
        answer: web.StreamResponse = await handler(request)
        return answer

    app = web.Application(middlewares=[noted])
    app.router.add_get("/.well-known/openid-configuration", server.discovery)
    app.router.add_get("/keys", server.keys)
    app.router.add_get("/authorize", server.authorize)
    app.router.add_post("/token", server.token)
    app.router.add_get("/end", server.end)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield server
    await runner.cleanup()


def _changed(usual: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**usual, **changes}.items() if value is not None}


def _is_client(request: web.Request) -> bool:
    kind, _, text = request.headers.get("authorization", "").partition(" ")
    try:
        name, _, secret = b64decode(text).decode().partition(":")
    except ValueError:
        return False
    return kind == "Basic" and (unquote(name), unquote(secret)) == (CLIENT_ID, CLIENT_SECRET)
