"""A claim against a collection as a merchant and an operator meet it: raised at Stripe, shown,
sent, posted, and listed until it is decided."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any, NamedTuple

import aiohttp
import pytest

from tests.e2e.conftest import Mesh, Rest, carried_out
from tests.polling import until
from tests.receiver import Receiver, receiving


@pytest.fixture(autouse=True)
def _simulated(mesh: Mesh) -> None:
    if mesh.simulator_url is None:
        pytest.skip("needs the simulator's own mesh")


class Claim(NamedTuple):
    """The body of a dispute, its end at Stripe and with us, and the dollars taken and kept."""

    raised: dict[str, Any]
    ends: str
    status: str
    taken: str
    kept: str


CLAIMS = [
    Claim({}, "won", "WON", "100.00", "0.00"),
    Claim({}, "lost", "LOST", "100.00", "100.00"),
    Claim({"amount": 2500}, "lost", "LOST", "25.00", "25.00"),
    Claim({"inquiry": True}, "warning_closed", "CLOSED", "0.00", "0.00"),
]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as running:
        yield running


async def _at_stripe(mesh: Mesh, path: str, **body: Any) -> Any:
    """Something happens at Stripe without a request of ours."""
    url = f"{mesh.simulator_url}/control/stripe/{path}"
    async with aiohttp.ClientSession() as session, session.post(url, json=body) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


async def _lost(mesh: Mesh) -> Decimal:
    """The balance of chargebacks by `verify`, which finds the books right."""
    done = await carried_out(mesh, "verify")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line.split() for line in done.stdout.splitlines() if "chargebacks:USD" in line]
    return Decimal(lines[0][-2]) if lines else Decimal(0)


async def _dispute(rest: Rest, transaction_id: str, statuses: set[str]) -> Any:
    async def look() -> Any:
        shown = (await rest.get(f"/api/payments/{transaction_id}")).json
        return [one for one in shown["disputes"] if one["status"] in statuses]

    (dispute,) = await until(look, lambda found: len(found) == 1)
    return dispute


async def _listed(operators: Rest) -> list[str]:
    page = (await operators.get("/api/admin/disputes?page_size=200")).json
    return [one["dispute"]["dispute_id"] for one in page["open_disputes"]]


@pytest.mark.parametrize("claim", CLAIMS)
async def test_a_dispute_is_sent_posted_and_listed_until_it_is_decided(
    rest: Rest, operators: Rest, mesh: Mesh, receiver: Receiver, claim: Claim
) -> None:
    before = await _lost(mesh)
    endpoint = (await rest.post("/api/webhook-endpoints", {"url": receiver.url})).json
    payment = await rest.create(destination_currency="MXN")
    transaction_id = payment["transaction_id"]
    await rest.wait(transaction_id, {"COMPLETED"})

    raised = await _at_stripe(mesh, "disputes", transaction_id=transaction_id, **claim.raised)
    dispute = await until(
        lambda: _dispute(rest, transaction_id, {"NEEDS_RESPONSE"}),
        lambda found: found["withdrawn_usd"] == claim.taken,
    )
    assert (dispute["kind"], dispute["provider_reference"]) == ("DISPUTE", raised["id"])
    assert dispute["respond_by"]
    assert dispute["dispute_id"] in await _listed(operators)
    await _at_stripe(mesh, f"disputes/{raised['id']}", status=claim.ends)
    decided = await until(
        lambda: _dispute(rest, transaction_id, {claim.status}),
        lambda found: found["withdrawn_usd"] == claim.kept,
    )

    assert decided["dispute_id"] == dispute["dispute_id"]
    assert dispute["dispute_id"] not in await _listed(operators)
    assert (await rest.wait(transaction_id, {"COMPLETED"}))["refunded_usd"] == "0.00"

    async def sent() -> list[str]:
        events = [one.verified(endpoint["secret"]) for one in receiver.received]
        about = [one for one in events if one["type"].startswith("dispute.")]
        return [one["type"] for one in about if one["data"]["transaction_id"] == transaction_id]

    types = await until(sent, lambda found: "dispute.closed" in found)
    assert "dispute.created" in types
    await rest.send("DELETE", f"/api/webhook-endpoints/{endpoint['endpoint_id']}")
    assert await _lost(mesh) - before == Decimal(claim.kept)


async def test_a_warning_before_the_payout_holds_it_until_an_operator_decides(
    rest: Rest, operators: Rest, mesh: Mesh
) -> None:
    # The offramps have no money, so that the payout is still to be sent when the warning comes.
    payment = await rest.create(destination_currency="MXN", reference="sim:no_balance")
    transaction_id = payment["transaction_id"]

    async def waits() -> bool:
        return any(one["cause"] == "payout_waits" for one in await rest.events(transaction_id))

    await until(waits, bool)
    await _at_stripe(mesh, "warnings", transaction_id=transaction_id)
    held = await rest.wait(transaction_id, {"ON_HOLD"})
    assert held["hold"] == {"reason": "disputed"}
    (warning,) = held["disputes"]
    assert (warning["kind"], warning["withdrawn_usd"]) == ("FRAUD_WARNING", "0.00")

    released = await operators.say(
        f"/api/admin/payments/{transaction_id}:release", {"note": "known"}
    )

    assert released.status == 200, released.body
    assert "hold" not in released.json
    await until(waits, bool)
