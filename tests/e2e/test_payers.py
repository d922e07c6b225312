"""A payer who is present, as a merchant meets one: asked, shown, and waited for."""

from typing import Any

import aiohttp
import pytest

from tests.e2e.conftest import Mesh, Rest
from tests.polling import until

ASKS = "pm_card_threeDSecure2Required"


@pytest.fixture(autouse=True)
def _simulated(mesh: Mesh) -> None:
    if mesh.simulator_url is None:
        pytest.skip("needs the words of the simulator's own mesh")


async def _asked(rest: Rest, **changes: Any) -> Any:
    """A payment whose payer was asked to act."""
    payment = await rest.create(payer="PRESENT", payment_method=ASKS, **changes)
    path = f"/api/payments/{payment['transaction_id']}"

    async def look() -> Any:
        return (await rest.get(path)).json

    return await until(look, lambda shown: "next_action" in shown)


async def _act(mesh: Mesh, payment: Any, does: str) -> None:
    key = f"{payment['transaction_id']}-collection-1"
    url = f"{mesh.simulator_url}/control/stripe/payer/{key}"
    async with aiohttp.ClientSession() as session, session.post(url, json={"does": does}) as said:
        assert said.status == 200, await said.text()


@pytest.mark.parametrize(("does", "status"), [("authenticate", "COMPLETED"), ("fail", "FAILED")])
async def test_a_payer_who_is_present_is_waited_for(
    rest: Rest, mesh: Mesh, does: str, status: str
) -> None:
    payment = await _asked(rest)
    assert payment["status"] == "PENDING"
    assert payment["next_action"]["kind"] == "use_sdk"
    assert "_secret_" in payment["next_action"]["client_secret"]

    await _act(mesh, payment, does)

    ended = await rest.wait(payment["transaction_id"], {"COMPLETED", "FAILED", "EXPIRED"})
    assert ended["status"] == status
    assert "next_action" not in ended
    events = await rest.events(payment["transaction_id"])
    assert [event["cause"] for event in events].count("payer_asked") == 1
    assert payment["next_action"]["client_secret"] not in str(events)


async def test_a_payer_acts_on_the_page_of_the_bank_and_comes_back(rest: Rest) -> None:
    back = "http://localhost:3000/back"
    payment = await _asked(rest, return_url=back)
    assert payment["next_action"]["kind"] == "redirect"

    async with (
        aiohttp.ClientSession() as payer,
        payer.get(payment["next_action"]["url"], allow_redirects=False) as page,
    ):
        assert page.status in {200, 302, 303}


async def test_a_merchant_may_cancel_while_the_payer_is_asked(rest: Rest) -> None:
    payment = await _asked(rest)

    await rest.post(f"/api/payments/{payment['transaction_id']}:cancel", {})

    ended = await rest.wait(payment["transaction_id"], {"CANCELLED", "FAILED", "COMPLETED"})
    assert ended["status"] == "CANCELLED"


async def test_off_session_a_card_that_asks_for_its_payer_is_declined(rest: Rest) -> None:
    payment = await rest.create(payment_method=ASKS)

    ended = await rest.wait(payment["transaction_id"], {"FAILED", "COMPLETED", "ON_HOLD"})

    assert (ended["status"], ended["failure"]["code"]) == ("FAILED", "authentication_required")
