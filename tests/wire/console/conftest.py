"""The console with a browser in front of it, payments as it really answers or as a script says, and
an OpenID provider that runs here."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest
from cryptography.fernet import Fernet
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.console.app import build_app
from gateway.console.client import (
    CALLS,
    Acting,
    Payments,
    Record,
    message_of,
    opened_payments,
    record_of,
)
from gateway.console.config import ConsoleSettings
from services.payments.merchants.tokens.opening import TokenSettings, opened_tokens
from services.payments.model.roles import ROLES
from services.shared.deployment import Deployment
from services.shared.errors import DomainError
from tests.openid import CLIENT_ID, CLIENT_SECRET, OpenIdServer, serving_openid
from tests.wire.payments.conftest import CORRIDORS, serving_payments

URL = "http://127.0.0.1:8081"
ADDRESS = "203.0.113.9"


def answer_of(name: str, /, **fields: Any) -> Record:
    """An answer of this call: fields of the contract, the others empty."""
    return record_of(message_of(CALLS[name].response, fields))


OPERATOR = answer_of(
    "GetOperator",
    name="ada",
    credential_id="opk_1",
    roles=["viewer"],
    scopes=sorted({scope for call in CALLS.values() for scope in call.access.scopes}),
    address=ADDRESS,
)


@dataclass(frozen=True)
class Asked:
    """A call that was made."""

    acting: Acting
    name: str
    request: Mapping[str, Any]
    idempotency_key: str


class ScriptedPayments:
    """The port Payments: answers as a script says, and keeps for whom it was asked."""

    def __init__(self) -> None:
        self.refusal: DomainError | Exception | None = None
        self.refusals: dict[str, DomainError] = {}
        self.answers: dict[str, Record | Callable[[Mapping[str, Any]], Record]] = {
            "GetOperator": OPERATOR
        }
        # Answers that come when something happens.
        self.waits: dict[str, Callable[[Mapping[str, Any]], Awaitable[Record]]] = {}
        self.asked: list[Asked] = []

    def says(self, name: str, /, **fields: Any) -> None:
        self.answers[name] = answer_of(name, **fields)

    async def call(
        self,
        acting: Acting,
        name: str,
        request: Mapping[str, Any] | None = None,
        idempotency_key: str = "",
    ) -> Record:
        # Only fields of the contract make a request.
        message_of(CALLS[name].request, request or {})
        self.asked.append(Asked(acting, name, request or {}, idempotency_key))
        if self.refusal or name in self.refusals:
            raise self.refusal or self.refusals[name]
        if name in self.waits:
            return await self.waits[name](request or {})
        answer = self.answers.get(name) or answer_of(name)
        return answer(request or {}) if callable(answer) else answer

    @property
    def asked_for(self) -> list[Acting]:
        return [one.acting for one in self.asked]

    def requests(self, name: str) -> list[Mapping[str, Any]]:
        return [one.request for one in self.asked if one.name == name]


class Clock:
    """The time, which only a test moves."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC).timestamp()

    def __call__(self) -> float:
        return self.now

    @property
    def instant(self) -> datetime:
        return datetime.fromtimestamp(self.now, UTC)


@dataclass
class Browser:
    """One browser at the console."""

    client: httpx2.AsyncClient
    page: httpx2.Response = field(init=False)

    async def get(self, path: str) -> httpx2.Response:
        self.page = await self.client.get(path)
        return self.page

    async def post(self, path: str, headers: dict[str, str] | None = None, **fields: str) -> Any:
        """Sends a form as a browser does, with the token of the page before."""
        found = re.search(r'name="form_token" value="([^"]*)"', self.page.text)
        fields.setdefault("form_token", found[1] if found else "")
        sent = {"origin": URL, **(headers or {})}
        self.page = await self.client.post(path, data=fields, headers=sent)
        return self.page

    async def sign_in_by_key(self, key: str) -> httpx2.Response:
        await self.get("/sign-in")
        answer: httpx2.Response = await self.post("/sign-in/key", key=key)
        return answer

    async def at_provider(self, path: str = "/sign-in/oidc") -> str:
        """Goes to the provider; returns where that sends the browser back to."""
        begun = await self.get(path)
        assert begun.status_code == 303, begun.text
        async with httpx2.AsyncClient() as outside:
            answered = await outside.get(begun.headers["location"])
        assert answered.status_code == 302, answered.text
        return str(answered.headers["location"])

    async def sign_in(self) -> httpx2.Response:
        """Signs in at the provider, as far as that goes."""
        back = await self.at_provider()
        assert back.startswith(f"{URL}/sign-in/callback?")
        return await self.get(back)

    @property
    def reason(self) -> str:
        """The reason on a page of refusal."""
        found = re.search(r"<dt>Reason</dt><dd><code>(\w+)</code>", self.page.text)
        return found[1] if found else ""


def settings(**changes: Any) -> ConsoleSettings:
    values = {
        "deployment": Deployment.STAGING,
        "payments_target": "unused",
        "console_url": URL,
        "session_keys": Fernet.generate_key().decode(),
        **changes,
    }
    return ConsoleSettings.model_validate(values)


def of_provider(openid: OpenIdServer, **changes: Any) -> ConsoleSettings:
    return settings(
        oidc_issuer=openid.url,
        oidc_client_id=CLIENT_ID,
        oidc_client_secret=CLIENT_SECRET,
        **changes,
    )


@asynccontextmanager
async def browsing(
    config: ConsoleSettings, payments: Payments, now: Clock | None = None
) -> AsyncIterator[Browser]:
    app = build_app(config, payments, now or Clock())
    # The gateway adds these.
    headers = {"x-client-address": ADDRESS, "x-request-id": "request-1"}
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=app), base_url=config.console_url, headers=headers
    ) as client:
        yield Browser(client)


def parameters(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query))


@pytest.fixture
def payments() -> ScriptedPayments:
    return ScriptedPayments()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def openid() -> AsyncIterator[OpenIdServer]:
    async with serving_openid() as server:
        yield server


@pytest.fixture
async def browser(
    openid: OpenIdServer, payments: ScriptedPayments, clock: Clock
) -> AsyncIterator[Browser]:
    """At a console with a provider, and payments as a script says."""
    async with browsing(of_provider(openid), payments, clock) as found:
        yield found


@pytest.fixture
async def real(engine: AsyncEngine, openid: OpenIdServer, tmp_path: Path) -> AsyncIterator[Browser]:
    """At a console in front of payments itself, which trusts the provider."""
    issuers = tmp_path / "issuers.toml"
    issuers.write_text(openid.issuers_file())
    trusted = TokenSettings(issuer="http://us.example", issuers=issuers, plain_http=True)
    async with (
        opened_tokens(trusted, ROLES) as tokens,
        serving_payments(engine, CORRIDORS, Deployment.STAGING, tokens) as service,
        opened_payments(f"127.0.0.1:{service.port}", None) as payments,
        browsing(of_provider(openid), payments) as found,
    ):
        yield found
