"""The promises a client retries on, through the gateway and to the byte."""

import asyncio
from uuid import uuid4

import pytest

from tests.e2e.conftest import Rest

BODY = {"user_id": str(uuid4()), "amount_usd": 25, "destination_currency": "PHP"}


async def test_the_same_key_and_body_answers_the_same_bytes(rest: Rest) -> None:
    key = uuid4().hex
    first = await rest.post("/api/payments", BODY, key=key)
    await rest.wait(first.json["transaction_id"], {"COMPLETED"})

    again = await rest.post("/api/payments", BODY, key=key)

    assert (first.status, again.status) == (201, 201)
    assert again.body == first.body
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"


async def test_the_same_key_with_another_body_is_422(rest: Rest) -> None:
    key = uuid4().hex
    await rest.post("/api/payments", BODY, key=key)

    other = await rest.post("/api/payments", {**BODY, "amount_usd": 26}, key=key)

    assert (other.status, other.reason) == (422, "IDEMPOTENCY_KEY_REUSED")


async def test_no_key_is_400(rest: Rest) -> None:
    answer = await rest.post("/api/payments", BODY)

    assert (answer.status, answer.reason) == (400, "IDEMPOTENCY_KEY_REQUIRED")


@pytest.mark.parametrize("key", ["", "a b", "ü", "k" * 256])
async def test_a_malformed_key_is_400(rest: Rest, key: str) -> None:
    answer = await rest.post("/api/payments", BODY, key=key)

    assert answer.status == 400
    assert answer.reason in ("IDEMPOTENCY_KEY_INVALID", "IDEMPOTENCY_KEY_REQUIRED")


async def test_fifty_parallel_requests_make_one_payment(rest: Rest) -> None:
    key = uuid4().hex
    body = {**BODY, "user_id": str(uuid4())}

    answers = await asyncio.gather(*(rest.post("/api/payments", body, key=key) for _ in range(50)))

    assert {answer.status for answer in answers} <= {201, 409}
    created = [answer for answer in answers if answer.status == 201]
    assert len({answer.body for answer in created}) == 1
    assert [answer.headers.get("idempotent-replayed") for answer in created].count(None) <= 1
    listed = (await rest.get(f"/api/payments?user_id={body['user_id']}")).json["payments"]
    assert len(listed) == 1
