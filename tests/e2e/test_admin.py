"""An operator's work through the gateway: a payment on hold is released, or resolved with
evidence; and dead letters are listed."""

from typing import Any

import pytest

from tests.e2e.conftest import Mesh, Rest


@pytest.fixture(autouse=True)
def _simulated(mesh: Mesh) -> None:
    if mesh.simulator_url is None:
        pytest.skip("needs the words of the simulator's own mesh")


async def _held(rest: Rest) -> Any:
    """A payment whose collection was stated with another amount than ours."""
    payment = await rest.create(destination_currency="MXN", reference="sim:amount-1")
    return await rest.wait(payment["transaction_id"], {"ON_HOLD", "COMPLETED", "REFUNDED"})


async def test_a_person_ends_a_hold_by_stating_what_became_of_the_attempt(
    rest: Rest, operators: Rest
) -> None:
    payment = await _held(rest)
    assert payment["hold"] == {"reason": "amount_mismatch"}
    path = f"/api/admin/payments/{payment['transaction_id']}"
    said = {"note": "asked", "outcome": "SUCCEEDED", "evidence": "line 12"}

    resolved = await operators.say(f"{path}:resolve", said)
    assert resolved.status == 200, resolved.body

    events = await rest.events(payment["transaction_id"])
    assert [e["cause"] for e in events if e["actor"] == "operator:ada"] == [
        "attempt_resolved",
        "collection_succeeded",
    ]
    actions = (await operators.get("/api/admin/operator-actions?page_size=1")).json["actions"]
    assert (actions[0]["action"], actions[0]["note"]) == ("RESOLVE_ATTEMPT", "asked")
    assert actions[0]["subject"] == payment["transaction_id"]


async def test_a_released_payment_goes_on_without_its_hold(rest: Rest, operators: Rest) -> None:
    payment = await _held(rest)

    path = f"/api/admin/payments/{payment['transaction_id']}:release"
    released = await operators.say(path, {})

    assert (released.status, released.json["status"]) == (200, "PENDING")
    assert "hold" not in released.json


async def test_dead_letters_are_listed_and_refusals_are_clear(operators: Rest) -> None:
    listed = await operators.get("/api/admin/dead-letters?kind=STEP")
    assert listed.json == {"dead_letters": [], "next_page_token": ""}

    for verb in ("requeue", "discard"):
        refused = await operators.post(f"/api/admin/dead-letters/step_MDE5:{verb}", {})
        assert (refused.status, refused.reason) == (404, "DEAD_LETTER_NOT_FOUND")
        named = await operators.post(
            f"/api/admin/dead-letters/step_MDE5:{verb}", {"operator": "ceo@caravel"}
        )
        assert (named.status, named.reason) == (400, "FIELD_UNKNOWN")


async def test_operators_see_positions_and_scoreboards(rest: Rest, operators: Rest) -> None:
    payment = await rest.create(destination_currency="MXN")
    await rest.wait(payment["transaction_id"], {"COMPLETED"})

    boards = (await operators.get("/api/admin/scoreboards")).json["scoreboards"]
    exposure = await operators.get("/api/admin/exposure")

    assert [one["corridor_id"] for one in boards] == sorted(one["corridor_id"] for one in boards)
    assert exposure.status == 200, exposure.body
    assert "seen_at" in exposure.json
    assert (await rest.get("/api/admin/exposure")).status == 404
