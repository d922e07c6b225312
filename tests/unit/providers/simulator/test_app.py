"""The simulator as one server: both providers side by side, its own two pages, and restarts.
Each provider's own rules are in test_stripe_api and test_wallet_api."""

from pathlib import Path

import pytest

from services.providers.simulator.app import REQUEST_BYTES_MAX
from tests.contract.lab import Gateway
from tests.contract.providers.local_wallet import KEY as WALLET_KEY
from tests.polling import until
from tests.unit.providers.simulator.caller import Caller, simulator


async def test_health_answers(caller: Caller) -> None:
    async with caller.session.get(f"{caller.url}/healthz") as answer:
        assert answer.status == 200


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer ", "Bearer nobody", "Bearer s\u00e9same"]
)
async def test_a_wrong_key_is_refused_everywhere(authorization: str | None, caller: Caller) -> None:
    headers = {} if authorization is None else {"authorization": authorization}
    for path in ("/v1/payment_intents/pi_1", "/v1/payouts/pay_1"):
        async with caller.session.get(f"{caller.url}{path}", headers=headers) as answer:
            assert answer.status == 401


async def test_the_book_shows_every_effect_in_its_order_and_no_inner_state(
    caller: Caller, gateway: Gateway
) -> None:
    await caller.charge(description="invoice 17")
    await gateway.next()
    await caller.pay_out()
    await gateway.next()

    lines = await caller.book()

    shown = [(line["provider"], line["effect"], line["transaction_id"]) for line in lines]
    assert shown == [
        ("stripe", "charge_succeeded", "pay_1"),
        ("local_wallet", "payout_accepted", "pay_1"),
        ("local_wallet", "payout_completed", "pay_1"),
    ]
    assert [line["reference"] for line in lines] == ["invoice 17"] * 3
    assert not [line for line in lines if "state" in line]


async def test_a_request_too_large_is_refused_and_does_nothing(caller: Caller) -> None:
    url, body = f"{caller.url}/v1/payouts", b" " * (REQUEST_BYTES_MAX + 1)
    headers = {"authorization": f"Bearer {WALLET_KEY}"}

    async with caller.session.post(url, data=body, headers=headers) as answer:
        assert answer.status == 413

    assert await caller.effects() == []


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


async def test_a_payment_without_webhooks_settles_silently(
    caller: Caller, gateway: Gateway
) -> None:
    await caller.charge(description="sim:no_webhook")
    await caller.pay_out(note="sim:no_webhook")
    # Asking is the only way to find out: that is what the mode is for.
    await until(caller.payout, lambda seen: seen[1]["status"] == "completed")
    # Any other event would have arrived before this one's.
    await caller.pay_out(reference="loud")

    assert b'"loud"' in (await gateway.next()).body
    assert gateway.received.empty()
