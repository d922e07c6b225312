"""Payments through providers that misbehave as real ones do: whatever they do to us, the money
arrives once, and the simulator's own book is the witness."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from tests.e2e.conftest import Mesh, Rest
from tests.polling import until


@pytest.fixture
async def simulator(mesh: Mesh) -> AsyncIterator[aiohttp.ClientSession]:
    """The simulator's own pages; those of a mesh in containers are not published."""
    if mesh.simulator_url is None:
        pytest.skip("the simulator of a mesh that runs elsewhere is not at hand")
    async with aiohttp.ClientSession(mesh.simulator_url) as session:
        yield session


async def _effects(simulator: aiohttp.ClientSession, transaction_id: str) -> Counter[str]:
    """The real effects, by kind."""
    async with simulator.get("/book") as answer:
        lines: list[dict[str, Any]] = await answer.json()
    return Counter(line["effect"] for line in lines if line["key"].startswith(transaction_id))


@asynccontextmanager
async def _misbehaving(
    simulator: aiohttp.ClientSession, provider: str, mode: str
) -> AsyncIterator[None]:
    regime = {"modes": {mode: 1.0}, "seed": 1}
    async with simulator.put(f"/control/{provider}", json=regime) as answer:
        assert answer.status == 200, await answer.text()
    try:
        yield
    finally:
        async with simulator.delete(f"/control/{provider}") as answer:
            assert answer.status in (200, 204)


@pytest.mark.parametrize(
    "words",
    [
        "sim:500_after",
        "sim:500_before",
        "sim:drop_before_accept",
        "sim:rate_limit",
        "sim:invalid_utf8",
        "sim:extra_fields",
        "sim:duplicate_webhook=3",
        "sim:webhook_before_response",
        "sim:bad_signature",
        "sim:webhook_only",
    ],
)
async def test_the_money_arrives_once_under_every_fault_of_a_provider(
    rest: Rest, simulator: aiohttp.ClientSession, words: str
) -> None:
    payment = await rest.create(reference=f"order 7 {words}")

    await rest.wait(payment["transaction_id"], {"COMPLETED"})

    effects = await _effects(simulator, payment["transaction_id"])
    assert effects["charge_succeeded"] == 1
    assert effects["payout_completed"] == 1


@pytest.mark.parametrize("currency", ["INR", "ZAR"])
@pytest.mark.parametrize(
    "words", ["sim:no_webhook sim:500_after", "sim:webhook_only sim:500_after"]
)
async def test_asking_alone_and_events_alone_each_finish_a_payment(
    rest: Rest, simulator: aiohttp.ClientSession, words: str, currency: str
) -> None:
    """Every answer to a send is lost, and then there is only one way left to learn of it."""
    payment = await rest.create(destination_currency=currency, reference=words)

    done = await rest.wait(payment["transaction_id"], {"COMPLETED", "ON_HOLD", "REFUNDED"})

    assert done["status"] == "COMPLETED"
    effects = await _effects(simulator, payment["transaction_id"])
    assert effects["charge_succeeded"] == 1
    assert effects["payout_completed"] == 1


@pytest.mark.parametrize("words", ["sim:amount+1", "sim:currency_swap", "sim:net_of_fee"])
async def test_an_amount_that_a_provider_misstates_never_completes_a_payment(
    rest: Rest, words: str
) -> None:
    payment = await rest.create(reference=words)

    async def causes() -> list[str]:
        return [event["cause"] for event in await rest.events(payment["transaction_id"])]

    await until(causes, lambda seen: any("unknown" in cause or "held" in cause for cause in seen))

    shown = (await rest.get(f"/api/payments/{payment['transaction_id']}")).json
    assert shown["status"] in ("PENDING", "ON_HOLD")


async def test_a_payout_that_the_first_offramp_does_not_pay_is_paid_by_the_next(
    rest: Rest, simulator: aiohttp.ClientSession
) -> None:
    payment = await rest.create(destination_currency="NGN", reference="sim:fails_as@flutterwave=15")
    assert payment["offramp"] == "flutterwave"

    done = await rest.wait(payment["transaction_id"], {"COMPLETED", "REFUNDED", "ON_HOLD"})

    assert (done["status"], done["offramp"]) == ("COMPLETED", "paystack")
    causes = [event["cause"] for event in await rest.events(payment["transaction_id"])]
    assert causes.count("payout_failed_over") == 1
    assert (await _effects(simulator, payment["transaction_id"]))["payout_completed"] == 1


async def test_a_payout_that_no_offramp_takes_is_refunded(
    rest: Rest, simulator: aiohttp.ClientSession
) -> None:
    payment = await rest.create(reference="sim:payout_fails")

    done = await rest.wait(payment["transaction_id"], {"REFUNDED", "COMPLETED", "ON_HOLD"})

    assert done["status"] == "REFUNDED"
    assert done["failure"]["code"] == "payout_failed"
    effects = await _effects(simulator, payment["transaction_id"])
    assert effects["charge_succeeded"] == effects["refund_succeeded"] == 1


async def test_a_recipient_that_one_offramp_refuses_is_paid_by_no_other_until_it_is_corrected(
    rest: Rest, simulator: aiohttp.ClientSession
) -> None:
    refused_one = {"holder_name": "Ama Refused", "phone_number": "+233551234987", "operator": "MTN"}
    payment = await rest.create(destination_currency="GHS", recipient={"mobile_money": refused_one})
    name = payment["transaction_id"]

    refused = await rest.wait(name, {"ACTION_REQUIRED", "COMPLETED", "REFUNDED", "ON_HOLD"})

    assert (refused["status"], refused["offramp"]) == ("ACTION_REQUIRED", "flutterwave")
    assert refused["action_required"]["reason"] == "recipient_account_invalid"
    assert refused["action_required"]["field"] == "recipient.mobile_money.phone_number"
    assert (await _effects(simulator, name))["payout_accepted"] == 1

    corrected = await rest.post(
        f"/api/payments/{name}:correct",
        {"recipient": {"mobile_money": {**refused_one, "holder_name": "Ama Example"}}},
        key=uuid4().hex,
    )
    assert (corrected.status, corrected.json["status"]) == (200, "PROCESSING")
    done = await rest.wait(name, {"COMPLETED", "REFUNDED", "ON_HOLD"})

    assert (done["status"], done["offramp"]) == ("COMPLETED", "flutterwave")
    effects = await _effects(simulator, name)
    assert (effects["charge_succeeded"], effects["payout_completed"]) == (1, 1)


async def test_a_brown_out_leaves_the_api_up_and_what_waited_drains_after_it(
    rest: Rest, simulator: aiohttp.ClientSession
) -> None:
    async with _misbehaving(simulator, "local_wallet", "brownout"):
        created = await asyncio.gather(*(rest.create() for _ in range(20)))
        quote = await rest.post("/api/quotes", {"amount_usd": 5, "destination_currency": "INR"})
        other = await rest.create(destination_currency="ZAR")
        await rest.wait(other["transaction_id"], {"COMPLETED"})
        shown = await asyncio.gather(
            *(rest.get(f"/api/payments/{p['transaction_id']}") for p in created)
        )
        assert quote.status == 201
        assert "COMPLETED" not in {answer.json["status"] for answer in shown}

    await asyncio.gather(*(rest.wait(p["transaction_id"], {"COMPLETED"}) for p in created))

    for payment in created:
        effects = await _effects(simulator, payment["transaction_id"])
        assert effects["payout_completed"] == 1
