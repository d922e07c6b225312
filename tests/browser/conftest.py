"""The console in a real browser: on a port of its own, with payments as a script says, and an
OpenID provider that runs here. Scripts are off, as nothing needs them, but for axe."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from playwright.async_api import Browser, BrowserContext, Page, Request, ViewportSize, expect

from gateway.console.app import build_app
from gateway.console.serving import serving
from services.shared.deployment import Deployment
from services.shared.errors import Unavailable
from services.shared.sandbox_operators import OPERATORS
from tests.browser.operators import Operator
from tests.browser.payment_sample import PAYMENT, payment
from tests.browser.preview_sample import preview
from tests.browser.samples import (
    STATES,
    actions,
    dead_letters,
    dispute,
    endpoint,
    key,
    late_payments,
    merchant,
    override,
    overview,
    pauses,
    positions,
    proposal,
    recovered,
    scoreboard,
    search,
)
from tests.browsers import opened_browser
from tests.e2e import conftest as whole
from tests.e2e.conftest import Mesh, Rest
from tests.openid import OpenIdServer, serving_openid
from tests.wire.console.conftest import Clock, ScriptedPayments, answer_of, of_provider

# Where a person may look at every page that was tested, when this names a folder.
SHOTS = os.environ.get("SCREENSHOTS_DIR", "")


@dataclass
class Console:
    """A running console, its payments, its provider and a browser in front of it."""

    url: str
    payments: ScriptedPayments
    openid: OpenIdServer
    context: BrowserContext
    page: Page
    # Has the payment change, for pages that are open.
    moved: asyncio.Event
    # All that the browser complained about.
    complaints: list[str] = field(default_factory=list)

    async def open(self, path: str) -> None:
        await self.page.goto(f"{self.url}{path}")

    async def shoot(self, name: str) -> None:
        """Keeps a picture of the page, where a person wants to look."""
        if SHOTS:
            path = Path(SHOTS) / f"{name}.png"
            await self.page.screenshot(path=str(path), full_page=True)


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    async with opened_browser() as browser:
        yield browser


@asynccontextmanager
async def visiting(chromium: Browser, **options: Any) -> AsyncIterator[Console]:
    payments, clock, moved = ScriptedPayments(), Clock(), asyncio.Event()
    fill(payments, clock, moved)
    app: Any = None

    async def whichever(scope: Any, receive: Any, send: Any) -> None:
        await app(scope, receive, send)

    async with serving(whichever, "127.0.0.1", 0, None) as port, serving_openid() as openid:
        url = f"http://127.0.0.1:{port}"
        config = of_provider(openid, console_url=url, deployment=Deployment.SANDBOX)
        app = build_app(config, payments, clock)
        context = await chromium.new_context(**{"java_script_enabled": False, **options})
        page = await context.new_page()
        console = Console(url, payments, openid, context, page, moved)
        listen_to(page, console.complaints)
        try:
            yield console
        finally:
            await context.close()
            # Ends the streams that wait, so that the server need not.
            payments.refusal = Unavailable("the test is over")
            moved.set()


async def sign_in(console: Console, name: str = "grace") -> None:
    await console.open("/sign-in")
    await console.page.get_by_role("button", name=f"Sign in as {name}").click()
    await expect(console.page.get_by_role("heading", level=1)).to_have_text("Overview")


def listen_to(page: Page, complaints: list[str]) -> None:
    """Keeps all that the browser complains about on this page, but for what it stopped itself: a
    page that is left ends what it was reading."""

    def failed(request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":
            complaints.append(f"{request.url} failed: {request.failure}")

    page.on("console", lambda said: complaints.append(said.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("requestfailed", failed)


@pytest.fixture
async def console(chromium: Browser) -> AsyncIterator[Console]:
    async with visiting(chromium, viewport={"width": 1280, "height": 900}) as found:
        yield found


REFUSED = {"wallet": {"holder_name": "Asha Refused", "wallet_id": "wallet-1"}}
# The payments that the verbs need, and the status in which each comes to rest.
NEEDED: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "held": ("ON_HOLD", {"destination_currency": "MXN", "reference": "sim:amount-1@stripe"}),
    "short": ("ON_HOLD", {"destination_currency": "MXN", "reference": "sim:amount-1@stripe"}),
    "sent": ("SENT", {"reference": "sim:hold"}),
    "returned": (
        "RETURNED",
        {"destination_currency": "NGN", "reference": "sim:late_fail@flutterwave"},
    ),
    "refundable": (
        "ACTION_REQUIRED",
        {"destination_currency": "NGN", "reference": "sim:payout_fails"},
    ),
    "correctable": ("ACTION_REQUIRED", {"recipient": REFUSED}),
}
Operators = Mapping[str, Operator]
# The fixture of the end-to-end tests.
mesh = whole.mesh


@pytest.fixture(scope="session")
async def operators(chromium: Browser, mesh: Mesh) -> AsyncIterator[Operators]:
    """Both, each with a browser of their own."""
    if mesh.simulator_url is None:
        pytest.skip("needs the words of the simulator's own mesh")
    async with _signed_in(chromium, mesh) as found:
        yield found


@asynccontextmanager
async def _signed_in(chromium: Browser, mesh: Mesh, **options: Any) -> AsyncIterator[Operators]:
    async with AsyncExitStack() as stack:
        found = {}
        for name in OPERATORS:
            size = ViewportSize(width=1280, height=900)
            context = await chromium.new_context(viewport=size, **options)
            stack.push_async_callback(context.close)
            one = Operator(name, mesh.operators_url, await context.new_page())
            listen_to(one.page, one.complaints)
            found[name] = one
        await asyncio.gather(*(one.sign_in() for one in found.values()))
        yield found


@asynccontextmanager
async def without_scripts(
    chromium: Browser, mesh: Mesh
) -> AsyncIterator[tuple[Operator, Operator]]:
    """Two operators whose browsers run no scripts, and complain about nothing."""
    async with _signed_in(chromium, mesh, java_script_enabled=False) as found:
        first, second = found.values()
        yield first, second
        assert first.complaints + second.complaints == []


@asynccontextmanager
async def _without_complaints(operator: Operator) -> AsyncIterator[Operator]:
    operator.complaints.clear()
    yield operator
    assert operator.complaints == []


@pytest.fixture
async def ada(operators: Operators) -> AsyncIterator[Operator]:
    async with _without_complaints(operators["ada"]) as one:
        yield one


@pytest.fixture
async def grace(operators: Operators) -> AsyncIterator[Operator]:
    async with _without_complaints(operators["grace"]) as one:
        yield one


@pytest.fixture(scope="session")
async def rest(mesh: Mesh) -> AsyncIterator[Rest]:
    """A merchant of the mesh."""
    async with aiohttp.ClientSession(mesh.rest_url) as session:
        yield Rest(session)


@pytest.fixture(scope="session")
async def payments(rest: Rest, operators: Operators) -> Mapping[str, str]:
    """The pages of the payments that the verbs need."""

    async def prepared(status: str, request: Mapping[str, Any]) -> str:
        made = await rest.create(**request)
        await rest.wait(made["transaction_id"], {status})
        return f"/payments/{made['transaction_id']}"

    paths = await asyncio.gather(*(prepared(*one) for one in NEEDED.values()))
    return dict(zip(NEEDED, paths, strict=True))


def fill(payments: ScriptedPayments, clock: Clock, moved: asyncio.Event) -> None:
    """Something of each kind, with the longest words that there are."""
    now = clock.instant

    async def changes(_request: Mapping[str, Any]) -> Any:
        await moved.wait()
        if payments.refusal is None:
            moved.clear()
        return answer_of("WatchChanges", changes=[{"transaction_id": PAYMENT}], cursor="c")

    payments.waits["WatchChanges"] = changes
    payments.answers["ListOverduePayments"] = lambda request: late_payments(now, request)
    payments.answers["ListDeadLetters"] = lambda request: dead_letters(now, request)
    payments.says("ListDisputes", open_disputes=[dispute(now)])
    payments.says("InspectPayment", **payment(now))
    payments.says("SearchPayments", **search(now))
    payments.says("GetOverview", **overview(now))
    payments.says("ListMerchantEndpoints", endpoints=[endpoint(now)])
    payments.says("ListPauses", pauses=pauses(now))
    payments.says("ListRecoveredPayments", payments=recovered())
    payments.says("ListProposals", proposals=[proposal(now, state) for state in STATES])
    payments.says("GetProposal", **proposal(now, "PROPOSED"))
    payments.answers["PreviewVerb"] = lambda request: preview(now, request)
    made = {"api_key": "cvk_test_" + "x" * 43, "key": key(now)}
    for call in ("CreateOperatorKey", "RollOperatorKey", "CreateMerchantKey"):
        payments.says(call, **made)
    payments.says("ListRateOverrides", overrides=[override(now)])
    payments.says("GetExposure", positions=positions(now), unrealised_result_usd="-12.50")
    payments.says("ListScoreboards", scoreboards=[scoreboard(now)])
    payments.says("ListOperatorActions", actions=actions(now))
    payments.says("ListOperatorKeys", keys=[key(now, operator="grace")])
    payments.says("ListMerchantKeys", keys=[key(now)])
    payments.says("ListMerchants", merchants=[merchant(now, "ENABLED"), merchant(now, "DISABLED")])
    payments.says("GetMerchant", **merchant(now, "ENABLED"))
