"""A dispute whose webhooks never arrive: nobody can connect to the gateway while it is opened and
lost, and the provider gives all of them up. It is read in the provider's list all the same."""

import random
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp

from tests.chaos.mesh import ChaosMesh
from tests.chaos.proxy import Toxic
from tests.chaos.receiver import Receiver, is_genuine, read
from tests.chaos.sweep import verify
from tests.polling import until

BODY = {
    "user_id": "6f1c2a8e-6a52-4a56-9d0a-6e7f0f6a1c11",
    "amount_usd": "100.00",
    "destination_currency": "INR",
}


async def _post(session: aiohttp.ClientSession, path: str, body: Any) -> Any:
    headers = {"idempotency-key": uuid4().hex}
    async with session.post(path, json=body, headers=headers) as answer:
        assert answer.ok, await answer.text()
        return await answer.json()


async def _dispute_and_lose(mesh: ChaosMesh, transaction_id: str) -> str:
    """At the provider, which then dies with all that it has not delivered."""
    link = mesh.links["simulator>gateway"]
    link.set(Toxic(down=True))
    async with aiohttp.ClientSession(mesh.simulator_url) as provider:
        path = "/control/stripe/disputes"
        dispute = str((await _post(provider, path, {"transaction_id": transaction_id}))["id"])
        await _post(provider, f"{path}/{dispute}", {"status": "lost"})
    mesh.kill("simulator")
    await mesh.healthy("simulator")
    link.heal()
    return dispute


async def test_a_dispute_without_webhooks_is_on_its_payment_posted_and_sent(
    tmp_path: Path,
) -> None:
    mesh = ChaosMesh(
        data_dir=tmp_path / "mesh",
        payments=1,
        settings={"worker": {"EVENTS_SECONDS": "1", "AUDIT_SECONDS": "0"}},
    )
    async with (
        Receiver(tmp_path, random.Random(0), misbehaves=0.0) as receiver,
        mesh,
        aiohttp.ClientSession(mesh.rest_url) as merchant,
    ):
        secret = (await _post(merchant, "/api/webhook-endpoints", {"url": receiver.url}))["secret"]
        transaction_id = (await _post(merchant, "/api/payments", BODY))["transaction_id"]

        async def look() -> Any:
            async with merchant.get(f"/api/payments/{transaction_id}") as answer:
                return await answer.json()

        await until(look, lambda shown: shown["status"] == "COMPLETED")
        reference = await _dispute_and_lose(mesh, transaction_id)
        shown = await until(
            look, lambda shown: [one["status"] for one in shown["disputes"]] == ["LOST"]
        )

        async def sent() -> list[str]:
            receipts = [one for one in read(tmp_path) if is_genuine(one, [secret])]
            return [one.event_type for one in receipts if one.payment_id == transaction_id]

        await until(sent, lambda types: "dispute.closed" in types)
        code, verified = await verify(mesh)

    (dispute,) = shown["disputes"]
    assert (dispute["provider_reference"], dispute["withdrawn_usd"]) == (reference, "100.00")
    assert code == 0, verified
    (lost,) = [line.split() for line in verified.splitlines() if "chargebacks:USD" in line]
    assert lost[-2] == "100.00"
    mesh.forget_database()
