"""The console in a real browser: on a port of its own, with payments as a script says, and an
OpenID provider that runs here. Scripts are off, as nothing needs them, but for axe."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, Page

from gateway.console import views
from gateway.console.app import build_app
from gateway.console.serving import serving
from services.shared.deployment import Deployment
from tests.browsers import opened_browser
from tests.openid import OpenIdServer, serving_openid
from tests.wire.console.conftest import Clock, ScriptedPayments, of_provider

# Where a person may look at every page that was tested, when this names a folder.
SHOTS = os.environ.get("SCREENSHOTS_DIR", "")
SCHEMES = ("light", "dark")


@dataclass
class Console:
    """A running console, its payments, its provider and a browser in front of it."""

    url: str
    payments: ScriptedPayments
    openid: OpenIdServer
    context: BrowserContext
    page: Page
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
    payments, clock = ScriptedPayments(), Clock()
    fill(payments, clock)
    app: Any = None

    async def whichever(scope: Any, receive: Any, send: Any) -> None:
        await app(scope, receive, send)

    async with serving(whichever, "127.0.0.1", 0, None) as port, serving_openid() as openid:
        url = f"http://127.0.0.1:{port}"
        config = of_provider(openid, console_url=url, deployment=Deployment.SANDBOX)
        app = build_app(config, payments, clock)
        context = await chromium.new_context(**{"java_script_enabled": False, **options})
        page = await context.new_page()
        console = Console(url, payments, openid, context, page)
        page.on("console", lambda said: console.complaints.append(said.text))
        page.on("pageerror", lambda error: console.complaints.append(str(error)))
        page.on("requestfailed", lambda one: console.complaints.append(f"{one.url} failed"))
        yield console
        await context.close()


@pytest.fixture
async def console(chromium: Browser) -> AsyncIterator[Console]:
    async with visiting(chromium, viewport={"width": 1280, "height": 900}) as found:
        yield found


def fill(payments: ScriptedPayments, clock: Clock) -> None:
    """Something of each kind, with the longest words that there are."""
    now = clock.instant
    payments.late = late_payments(now)
    payments.letters = dead_letters(now)
    payments.open_disputes = disputes(now)
    payments.shown = shown_payment(now)


def late_payments(now: datetime) -> list[views.Late]:
    return [
        views.Late(
            transaction_id=f"pay_01m83mbj55ewdbrd2wha9z9e{at:02}",
            merchant_id="mer_01m83mbj55ewdbrd2wha9z9eme",
            corridor_id="us-ng",
            state=state,
            provider=provider,
            since=now - timedelta(minutes=17 * at + 3),
            deadline_at=now + timedelta(hours=at - 1) if waits else None,
            at_deadline="ALARM" if waits else "",
            waiting_for=waits,
            last_message="The bank of the recipient is not reachable now." if provider else "",
            amount="12,345.00 USD",
            hold_reason="provider_contradicts_itself" if waits == "ON_HOLD" else "",
        )
        for at, (state, provider, waits) in enumerate(
            [
                ("PAYING_OUT", "flutterwave", "ON_HOLD"),
                ("COLLECTING", "stripe", ""),
                ("RETURNED", "", "RETURNED"),
                ("RETURNED", "", "ACTION_REQUIRED"),
            ]
            * 8
        )
    ]


def dead_letters(now: datetime) -> list[views.DeadLetter]:
    return [
        views.DeadLetter(
            dead_letter_id=f"{kind.lower()}_MDE5YWJjZGU",
            kind=kind,
            transaction_id="" if kind == "ORPHAN" else "pay_01m83mbj55ewdbrd2wha9z9e00",
            merchant_id="mer_1",
            reason="step_failed",
            attempts=12,
            last_error="ZeroDivisionError at services/payments/engine/decisions/table.py:41",
            event="payment_intent.succeeded: SUCCEEDED 100.00 USD" if kind == "ORPHAN" else "",
            since=now - timedelta(days=2, hours=5),
        )
        for kind in ("STEP", "INBOX", "OUTBOX", "ORPHAN")
    ]


def disputes(now: datetime) -> list[views.Dispute]:
    return [
        views.Dispute(
            dispute_id="dsp_01m83mbj55ewdbrd2wha9z9eme",
            transaction_id="pay_01m83mbj55ewdbrd2wha9z9e00",
            merchant_id="mer_1",
            amount="100.00 USD",
            reason="fraudulent",
            since=now - timedelta(days=1),
            deadline_at=now + timedelta(days=6),
        )
    ]


def shown_payment(now: datetime) -> views.Payment:
    return views.Payment(
        transaction_id="pay_01m83mbj55ewdbrd2wha9z9e00",
        merchant_id="mer_01m83mbj55ewdbrd2wha9z9eme",
        status="ON_HOLD",
        hold_reason="step_failed",
        failure="",
        amount="100.00 USD",
        fee="2.50 USD",
        payout="9211.85 INR",
        rate="94.48046902971715",
        corridor_id="us-in",
        onramp="stripe",
        offramp="local_wallet",
        reference="order <b>17</b>",
        created_at=now - timedelta(hours=3),
        updated_at=now - timedelta(hours=2),
        deadline_at=now + timedelta(hours=22),
        events=[
            views.Event(
                sequence=at,
                from_state="CREATED" if at > 1 else "",
                to_state="COLLECTING" if at > 1 else "CREATED",
                actor="worker",
                cause="collection_succeeded",
                evidence=(("provider_reference", "pi_" + "x" * 40),),
                occurred_at=now - timedelta(hours=3) + timedelta(minutes=at),
            )
            for at in range(1, 6)
        ],
        unreadable_sequences=(),
    )
