"""Cancel and refund as a merchant meets them, through the gateway."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from tests.e2e.conftest import Answer, Mesh, Rest
from tests.polling import until


@pytest.fixture(autouse=True)
def _simulated(mesh: Mesh) -> None:
    if mesh.simulator_url is None:
        pytest.skip("needs the words of the simulator's own mesh")


async def test_a_payout_that_came_back_is_refunded_in_parts(rest: Rest) -> None:
    payment = await rest.create(destination_currency="MXN", reference="sim:late_fail")
    path = f"/api/payments/{payment['transaction_id']}/refunds"
    await rest.wait(payment["transaction_id"], {"RETURNED"})

    # A number keeps its digits on the way, as it does at the creation.
    part = await rest.post(path, '{"amount_usd": 40.10, "ends_payout": true}', key=uuid4().hex)
    assert part.status == 201, part.body
    assert part.json["status"] == "PENDING"
    await _refunded(rest, payment["transaction_id"], "40.10")
    too_much = await rest.post(path, {"amount_usd": "59.91"}, key=uuid4().hex)
    assert (too_much.status, too_much.reason) == (400, "REFUND_TOO_LARGE")
    key = uuid4().hex
    answers = [await rest.post(path, {"full": True}, key=key) for _ in range(2)]
    assert answers[0].body == answers[1].body
    assert answers[1].headers["idempotent-replayed"] == "true"

    done = await rest.wait(payment["transaction_id"], {"REFUNDED", "ON_HOLD"})
    assert (done["status"], done["refunded_usd"]) == ("REFUNDED", "100.00")


async def test_parts_that_are_asked_for_together_follow_each_other_until_nothing_is_left(
    rest: Rest,
) -> None:
    payment = await rest.create(destination_currency="MXN", reference="sim:late_fail")
    path = f"/api/payments/{payment['transaction_id']}/refunds"
    await rest.wait(payment["transaction_id"], {"RETURNED"})

    async def insist(key: str) -> tuple[int, str]:
        """Asks until the answer is final; every other one says when to come again."""

        async def ask() -> Answer:
            answer = await rest.post(path, {"amount_usd": "20.00", "ends_payout": True}, key=key)
            if answer.status == 409:
                assert answer.reason == "PAYMENT_BUSY"
                assert 1 <= int(answer.headers["retry-after"]) <= 60
            return answer

        answer = await until(ask, lambda answer: answer.status != 409)
        return answer.status, answer.reason if answer.status != 201 else ""

    ends = await asyncio.gather(*(insist(uuid4().hex) for _ in range(6)))

    assert sorted(ends) == [(201, "")] * 5 + [(400, "REFUND_TOO_LARGE")]
    done = await rest.wait(payment["transaction_id"], {"REFUNDED", "ON_HOLD"})
    assert (done["status"], done["refunded_usd"]) == ("REFUNDED", "100.00")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({}, "FIELD_REQUIRED"),
        ({"full": False}, "FIELD_REQUIRED"),
        ({"amount_usd": "", "full": False}, "FIELD_REQUIRED"),
        ({"amount_usd": "40.00", "full": True}, "FIELDS_CONTRADICTORY"),
    ],
)
async def test_a_refund_that_does_not_say_how_much_changes_nothing(
    rest: Rest, body: dict[str, Any], reason: str
) -> None:
    payment = await rest.create(destination_currency="MXN", reference="sim:late_fail")
    path = f"/api/payments/{payment['transaction_id']}"
    await rest.wait(payment["transaction_id"], {"RETURNED"})

    answer = await rest.post(f"{path}/refunds", body, key=uuid4().hex)

    assert (answer.status, answer.reason) == (400, reason)
    shown = (await rest.get(path)).json
    assert (shown["status"], shown["refunded_usd"]) == ("RETURNED", "0.00")


async def test_refunds_are_listed_read_and_tried_again(rest: Rest) -> None:
    payment = await rest.create(
        destination_currency="MXN", reference="sim:late_fail sim:refund_fails@stripe"
    )
    path = f"/api/payments/{payment['transaction_id']}"
    await rest.wait(payment["transaction_id"], {"RETURNED"})
    assert (await rest.get(f"{path}/refunds")).json == {"refunds": []}
    unsaid = await rest.post(f"{path}/refunds", {"amount_usd": "40.00"}, key=uuid4().hex)
    assert (unsaid.status, unsaid.reason) == (400, "REFUND_ENDS_PAYOUT")
    body = {"amount_usd": "40.00", "ends_payout": True, "reason": "half was enough"}
    created = await rest.post(f"{path}/refunds", body, key=uuid4().hex)
    assert created.status == 201, created.body
    refund = f"/api/refunds/{created.json['refund_id']}"

    async def failed() -> Any:
        return (await rest.get(refund)).json

    shown = await until(failed, lambda one: one["status"] == "FAILED")
    assert shown["failure"]["code"]
    assert (shown["reason"], shown["requested_by"]) == ("half was enough", "merchant")
    assert (await rest.get(f"{path}/refunds")).json == {"refunds": [shown]}
    assert (await rest.wait(payment["transaction_id"], {"ON_HOLD"}))["hold"] == {
        "reason": "refund_failed"
    }
    key = uuid4().hex
    answers = [await rest.post(f"{refund}:retry", {}, key=key) for _ in range(2)]
    assert [answer.status for answer in answers] == [200, 200]
    assert answers[0].body == answers[1].body
    assert answers[1].headers["idempotent-replayed"] == "true"
    # It fails again at the simulator, and can be tried again.
    await until(failed, lambda one: one["status"] == "FAILED")
    missing = await rest.get("/api/refunds/ref_01jd8x3v9me7rb5k3n6q2f4h8z")
    assert (missing.status, missing.reason) == (404, "REFUND_NOT_FOUND")
    without = await rest.post(f"{refund}:retry", {})
    assert (without.status, without.reason) == (400, "IDEMPOTENCY_KEY_REQUIRED")


async def _refunded(rest: Rest, transaction_id: str, amount: str) -> None:
    async def look() -> str:
        shown = (await rest.get(f"/api/payments/{transaction_id}")).json
        return str(shown["refunded_usd"])

    await until(look, lambda refunded: refunded == amount)


async def test_a_cancelled_payment_ends_without_a_payout(rest: Rest) -> None:
    # The collection hangs for a while, so that there is something to cancel.
    payment = await rest.create(reference="sim:accept_then_hang@stripe")
    transaction_id = payment["transaction_id"]

    answer = await rest.post(f"/api/payments/{transaction_id}:cancel", {})

    assert answer.status == 200, answer.body
    assert answer.json["cancel_requested"] is True
    done = await rest.wait(transaction_id, {"CANCELLED", "REFUNDED"})
    causes = [event["cause"] for event in await rest.events(transaction_id)]
    assert "payout_intended" not in causes
    assert done["refunded_usd"] == ("100.00" if done["status"] == "REFUNDED" else "0.00")


async def test_a_completed_payment_is_neither_cancelled_nor_refunded(rest: Rest) -> None:
    payment = await rest.create(destination_currency="MXN")
    path = f"/api/payments/{payment['transaction_id']}"
    await rest.wait(payment["transaction_id"], {"COMPLETED"})

    cancel = await rest.post(f"{path}:cancel", {})
    refund = await rest.post(f"{path}/refunds", {"full": True}, key=uuid4().hex)

    assert (cancel.status, cancel.reason) == (400, "PAYMENT_NOT_CANCELLABLE")
    assert (refund.status, refund.reason) == (400, "PAYMENT_NOT_REFUNDABLE")
