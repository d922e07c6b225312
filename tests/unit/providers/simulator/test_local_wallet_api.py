"""The wallet's calls: one payout a reference, for ever, which settles by itself and says so."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.contract.lab import Gateway
from tests.contract.providers.local_wallet import KEY as WALLET_KEY
from tests.unit.providers.simulator.caller import Caller, simulator


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
        ({"recipient": None}, 422, "recipient_invalid"),
        ({"reference": "a b"}, 400, "reference_invalid"),
    ],
)
async def test_the_wallet_refuses_a_malformed_payout(
    caller: Caller, changes: dict[str, Any], status: int, code: str
) -> None:
    answer_status, body = await caller.pay_out(**changes)

    assert (answer_status, body["error"]["code"]) == (status, code)


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b'{"reference": '])
async def test_body_that_is_not_an_object_is_refused(body: bytes, caller: Caller) -> None:
    headers = {"authorization": f"Bearer {WALLET_KEY}"}
    async with caller.session.post(
        f"{caller.url}/v1/payouts", data=body, headers=headers
    ) as answer:
        refusal = await answer.json()

    assert (answer.status, refusal["error"]["code"]) == (400, "body_invalid")


async def test_a_payout_nobody_asked_for_is_not_found(caller: Caller) -> None:
    status, body = await caller.payout("pay_2-payout-1")

    assert (status, body["error"]["code"]) == (404, "not_found")


async def test_duplicate_requests_at_once_are_one_payout(caller: Caller) -> None:
    answers = await asyncio.gather(*(caller.pay_out() for _ in range(8)))

    assert sorted(status for status, _ in answers) == [200] * 7 + [201]
    assert len({body["id"] for _, body in answers}) == 1
    assert (await caller.effects()).count("payout_accepted") == 1


@pytest.mark.parametrize(
    ("note", "ends"),
    [
        ("invoice 17", ["payout_completed", "payout_returned"]),
        ("invoice 17 sim:payout_fails", ["payout_failed", "payout_completed"]),
    ],
)
async def test_a_payout_that_has_ended_is_turned_into_its_opposite(
    note: str, ends: list[str], caller: Caller, gateway: Gateway
) -> None:
    _, accepted = await caller.pay_out(note=note)
    await gateway.next()

    turns = f"{caller.url}/control/local_wallet/turns"
    async with caller.session.post(f"{turns}/{accepted['reference']}") as turned:
        assert turned.status == 204
    async with caller.session.post(f"{turns}/pay_2-payout-1") as unknown:
        assert unknown.status == 404

    assert await caller.effects() == ["payout_accepted", *ends]


@pytest.mark.parametrize(
    ("note", "status", "failure_code"),
    [
        ("invoice 17", "completed", None),
        ("invoice 17 sim:payout_fails", "failed", "network_down"),
        ("invoice 17 sim:recipient_refused", "failed", "recipient_unreachable"),
    ],
)
async def test_a_payout_settles_by_itself_and_its_event_says_how(
    note: str, status: str, failure_code: str | None, caller: Caller, gateway: Gateway
) -> None:
    _, accepted = await caller.pay_out(note=note)

    webhook = await gateway.next()
    _, settled = await caller.payout()

    event = json.loads(webhook.body)
    assert (event["event_type"], event["transaction_id"]) == (f"payment_{status}", "pay_1")
    assert (event["reference"], event["amount_minor"], event["currency"]) == (
        "pay_1-payout-1",
        14_486,
        "JPY",
    )
    assert event.get("failure_code") == settled.get("failure_code") == failure_code
    assert (accepted["status"], settled["status"]) == ("accepted", status)
    assert webhook.headers["webhook-signature"].startswith("v1,")
    assert await caller.effects() == ["payout_accepted", f"payout_{status}"]


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
