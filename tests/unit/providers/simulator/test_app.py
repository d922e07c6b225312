"""The simulator over plain HTTP: keys, restarts, webhooks that must be sent again, and modes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from services.providers.simulator.app import create_app
from tests.contract.lab import STRIPE_KEY, WALLET_KEY, Gateway, serving, simulator_config

FORM = {
    "amount": "10000",
    "currency": "usd",
    "confirm": "true",
    "payment_method": "pm_card_visa",
    "metadata[operation_key]": "pay_1-collection-1",
    "metadata[transaction_id]": "pay_1",
}
PAYOUT = {
    "reference": "pay_1-payout-1",
    "amount_minor": 14_486,
    "currency": "JPY",
    "note": "invoice 17",
    "transaction_id": "pay_1",
}


@dataclass
class Caller:
    """Calls one running simulator."""

    session: ClientSession
    url: str

    async def charge(self, key: str = "key-1", **changes: str) -> tuple[int, Any, dict[str, str]]:
        headers = {"authorization": f"Bearer {STRIPE_KEY}", "idempotency-key": key}
        form = {**FORM, **changes}
        url = f"{self.url}/v1/payment_intents"
        async with self.session.post(url, data=form, headers=headers) as answer:
            return answer.status, await answer.json(), dict(answer.headers)

    async def pay_out(self, **changes: Any) -> tuple[int, Any]:
        headers = {"authorization": f"Bearer {WALLET_KEY}"}
        url, body = f"{self.url}/v1/payouts", {**PAYOUT, **changes}
        async with self.session.post(url, json=body, headers=headers) as answer:
            return answer.status, await answer.json()

    async def payout(self, reference: str = "pay_1-payout-1") -> tuple[int, Any]:
        headers = {"authorization": f"Bearer {WALLET_KEY}"}
        url = f"{self.url}/v1/payouts/{reference}"
        async with self.session.get(url, headers=headers) as answer:
            return answer.status, await answer.json()

    async def effects(self) -> list[str]:
        async with self.session.get(f"{self.url}/book") as answer:
            return [line["effect"] for line in await answer.json()]


@asynccontextmanager
async def simulator(
    book: Path, gateway: Gateway, settle_seconds: str = "0"
) -> AsyncIterator[Caller]:
    async with serving(gateway.app()) as gateway_url:
        app = await create_app(simulator_config(gateway_url, book, settle_seconds))
        async with serving(app) as url, ClientSession() as session:
            yield Caller(session, url)


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


@pytest.fixture
async def caller(tmp_path: Path, gateway: Gateway) -> AsyncIterator[Caller]:
    async with simulator(tmp_path / "book.jsonl", gateway) as caller:
        yield caller


async def test_health_answers(caller: Caller) -> None:
    async with caller.session.get(f"{caller.url}/healthz") as answer:
        assert answer.status == 200


async def test_the_same_key_replays_the_first_answer(caller: Caller) -> None:
    status, first, headers = await caller.charge()
    again_status, again, again_headers = await caller.charge()

    assert (status, again_status) == (200, 200)
    assert first == again
    assert "Idempotent-Replayed" not in headers
    assert again_headers["Idempotent-Replayed"] == "true"
    assert again_headers["Request-Id"].startswith("req_")
    assert await caller.effects() == ["charge_succeeded"]


async def test_a_decline_is_replayed_too(caller: Caller) -> None:
    method = "pm_card_visa_chargeDeclinedInsufficientFunds"
    first = await caller.charge(payment_method=method)
    again = await caller.charge(payment_method=method)

    assert (first[0], first[1]) == (again[0], again[1])
    assert first[0] == 402
    error = first[1]["error"]
    assert (error["type"], error["code"], error["decline_code"]) == (
        "card_error",
        "card_declined",
        "insufficient_funds",
    )
    assert error["payment_intent"]["status"] == "requires_payment_method"
    assert await caller.effects() == ["charge_declined"]


async def test_a_key_with_other_parameters_is_refused(caller: Caller) -> None:
    await caller.charge()

    status, body, _ = await caller.charge(amount="10001")

    assert (status, body["error"]["type"]) == (400, "idempotency_error")


async def test_what_is_refused_before_it_begins_keeps_no_key(caller: Caller) -> None:
    refused = await caller.charge(amount="1")
    accepted = await caller.charge()

    assert (refused[0], refused[1]["error"]["code"]) == (400, "amount_too_small")
    assert accepted[0] == 200


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"amount": "100000000"}, "amount_too_large"),
        ({"amount": ""}, "parameter_missing"),
        ({"amount": "1.5"}, "parameter_invalid_integer"),
        ({"currency": "USD"}, "parameter_missing"),
        ({"payment_method": "pm_nobody"}, "resource_missing"),
        ({"payment_method_types[0]": "card"}, "payment_method_types_no_longer_supported"),
    ],
)
async def test_stripe_refuses_a_malformed_charge(
    caller: Caller, changes: dict[str, str], code: str
) -> None:
    status, body, _ = await caller.charge(**changes)

    assert (status, body["error"]["code"]) == (400, code)
    assert await caller.effects() == []


async def test_a_wrong_key_is_refused_everywhere(caller: Caller) -> None:
    for path in ("/v1/payment_intents/pi_1", "/v1/payouts/pay_1"):
        headers = {"authorization": "Bearer nobody"}
        async with caller.session.get(f"{caller.url}{path}", headers=headers) as answer:
            assert answer.status == 401


async def test_the_same_reference_returns_the_payout_that_exists(caller: Caller) -> None:
    first_status, first = await caller.pay_out()
    again_status, again = await caller.pay_out()
    other_status, other = await caller.pay_out(amount_minor=14_487)

    assert (first_status, again_status, other_status) == (201, 200, 409)
    assert first["id"] == again["id"]
    assert other["error"]["code"] == "reference_reused"


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"amount_minor": 0}, 422, "amount_invalid"),
        ({"amount_minor": 1.5}, 422, "amount_invalid"),
        ({"currency": "yen"}, 422, "currency_unsupported"),
        ({"recipient": {"account": ""}}, 422, "recipient_invalid"),
        ({"reference": "a b"}, 400, "reference_invalid"),
    ],
)
async def test_the_wallet_refuses_a_malformed_payout(
    caller: Caller, changes: dict[str, Any], status: int, code: str
) -> None:
    answer_status, body = await caller.pay_out(**changes)

    assert (answer_status, body["error"]["code"]) == (status, code)


async def test_a_held_payout_never_settles_even_after_a_restart(
    tmp_path: Path, gateway: Gateway
) -> None:
    book = tmp_path / "book.jsonl"
    async with simulator(book, gateway) as caller:
        await caller.pay_out(note="sim:hold")
    async with simulator(book, gateway) as caller:
        await caller.pay_out(reference="other")
        await gateway.next()
        _, held = await caller.payout()
        effects = await caller.effects()

    assert held["status"] == "accepted"
    assert effects == ["payout_accepted", "payout_accepted", "payout_completed"]


async def test_a_restart_forgets_nothing(tmp_path: Path, gateway: Gateway) -> None:
    book = tmp_path / "book.jsonl"
    async with simulator(book, gateway, settle_seconds="3600") as caller:
        _, charged, _ = await caller.charge()
        _, accepted = await caller.pay_out()
        await gateway.next()

    async with simulator(book, gateway) as caller:
        _, replayed, headers = await caller.charge()
        webhook = await gateway.next()
        _, settled = await caller.payout()

    assert replayed == charged
    assert headers["Idempotent-Replayed"] == "true"
    assert b"payment_completed" in webhook.body
    assert (settled["id"], settled["status"]) == (accepted["id"], "completed")


async def test_a_webhook_is_sent_again_until_it_is_taken(caller: Caller, gateway: Gateway) -> None:
    gateway.answers = [500, 301]

    await caller.charge()
    bodies = {(await gateway.next()).body for _ in range(3)}

    assert len(bodies) == 1


async def test_a_payment_without_webhooks_settles_silently(
    caller: Caller, gateway: Gateway
) -> None:
    await caller.charge(description="sim:no_webhook")
    await caller.pay_out(note="sim:no_webhook")
    async with asyncio.timeout(10):
        # Asking is the only way to find out: that is what the mode is for.
        while (await caller.payout())[1]["status"] != "completed":
            continue
    # Whatever else had been sent would have arrived before this one's event.
    await caller.pay_out(reference="loud")

    assert b'"loud"' in (await gateway.next()).body
    assert gateway.received.empty()
