"""The simulator's Flutterwave over plain HTTP: its refusals, its lists, its events, its answers."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.lab import Gateway
from tests.contract.providers.flutterwave import SECRET as FLUTTERWAVE_SECRET
from tests.unit.providers.simulator.flutterwave_caller import Caller, simulator


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


@pytest.fixture
async def caller(tmp_path: Path, gateway: Gateway) -> AsyncIterator[Caller]:
    async with simulator(tmp_path / "book.jsonl", gateway) as caller:
        yield caller


async def test_a_transfer_is_new_and_a_moment_later_successful(
    caller: Caller, gateway: Gateway
) -> None:
    status, created = await caller.create()
    await gateway.next()
    _, fetched = await caller.get(f"/transfers/{created['data']['id']}")

    assert (status, created["message"]) == (200, "Transfer Queued Successfully")
    assert (created["data"]["status"], fetched["data"]["status"]) == ("NEW", "SUCCESSFUL")
    assert (fetched["data"]["amount"], fetched["data"]["fee"]) == (148453.38, 53.75)


async def test_an_event_carries_both_proofs_and_calls_the_name_otherwise(
    caller: Caller, gateway: Gateway
) -> None:
    await caller.create(narration="sim:payout_fails", beneficiary_name="Ada Obi")

    webhook = await gateway.next()

    assert webhook.headers["verif-hash"] == FLUTTERWAVE_SECRET
    assert webhook.headers["flutterwave-signature"]
    event = json.loads(webhook.body)
    assert (event["event"], event["event.type"]) == ("transfer.completed", "Transfer")
    assert (event["data"]["status"], event["data"]["fullname"]) == ("FAILED", "Ada Obi")
    assert event["data"]["complete_message"] == "DISBURSE FAILED: Invalid account number"


async def test_a_reference_is_taken_once(caller: Caller) -> None:
    await caller.create()

    status, again = await caller.create(amount=1)

    assert (status, again["status"], again["data"]) == (400, "error", None)
    assert again["message"] == "Transfer with reference pay_1-payout-1 already exists"


@pytest.mark.parametrize(
    "changes",
    [
        {"account_bank": ""},
        {"account_number": None},
        {"account_number": "not a number"},
        {"amount": 0},
        {"amount": -1},
        {"amount": 1.005},
        {"amount": "100"},
        {"amount": True},
        {"currency": "ngn"},
        {"debit_currency": "USD"},
        {"debit_currency": None},
        {"reference": "a b"},
        {"reference": "x" * 101},
    ],
)
async def test_a_malformed_transfer_is_refused(caller: Caller, changes: dict[str, Any]) -> None:
    status, body = await caller.create(**changes)

    assert (status, body["status"], body["data"]) == (400, "error", None)
    assert (await caller.get("/transfers"))[1]["data"] == []


async def test_a_wrong_key_is_refused_everywhere(tmp_path: Path, gateway: Gateway) -> None:
    async with simulator(tmp_path / "book.jsonl", gateway, key="nobody's") as caller:
        paths = ("/transfers", "/transfers/1", "/balances/NGN")
        statuses = {(await caller.get(path))[0] for path in paths}
        statuses.add((await caller.create())[0])

    assert statuses == {401}


async def test_transfers_are_listed_by_reference_status_and_page(caller: Caller) -> None:
    for number in range(21):
        await caller.create(reference=f"reference-{number}", narration="sim:hold")

    _, second_page = await caller.get("/transfers?status=PENDING&page=2")
    _, one = await caller.get("/transfers?reference=reference-7")
    _, none = await caller.get("/transfers?reference=reference-99")

    assert [transfer["reference"] for transfer in second_page["data"]] == ["reference-0"]
    info = {"total": 21, "current_page": 2, "total_pages": 2}
    assert second_page["meta"]["page_info"] == info
    assert [transfer["reference"] for transfer in one["data"]] == ["reference-7"]
    assert none["data"] == []
    assert (await caller.get("/transfers?page=0"))[0] == 400
