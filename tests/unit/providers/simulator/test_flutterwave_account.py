"""The memory of a Flutterwave account of the simulator: its balances, its queue, and its
returned transfers."""

from decimal import Decimal
from pathlib import Path

import pytest

from tests.contract.lab import Gateway
from tests.unit.providers.simulator.flutterwave_caller import simulator


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


async def test_a_balance_runs_out_fees_and_all(tmp_path: Path, gateway: Gateway) -> None:
    book = tmp_path / "book.jsonl"
    async with simulator(book, gateway, flutterwave_balance=100) as caller:
        # 89.25 and a fee of 10.75 are exactly all; after that there is nothing for anybody.
        await caller.create(amount=89.25)
        await gateway.next()
        empty = await caller.balance()
        _, second = await caller.create(amount=0.01, reference="pay_2-payout-1")
        await gateway.next()
        _, failed = await caller.get(f"/transfers/{second['data']['id']}")

    assert empty == 0
    assert failed["data"]["status"] == "FAILED"
    assert failed["data"]["complete_message"] == (
        "DISBURSE FAILED: Insufficient funds in customer wallet"
    )


async def test_money_that_comes_back_can_be_paid_out_again(
    tmp_path: Path, gateway: Gateway
) -> None:
    book = tmp_path / "book.jsonl"
    async with simulator(book, gateway) as caller:
        before = await caller.balance()
        await caller.create(narration="sim:late_fail=0")
        for _ in ("successful", "failed"):
            await gateway.next()
        after = await caller.balance()
    async with simulator(book, gateway) as caller:
        after_restart = await caller.balance()

    assert before == after == after_restart


async def test_a_restart_forgets_no_transfer_and_no_naira(tmp_path: Path, gateway: Gateway) -> None:
    book = tmp_path / "book.jsonl"
    async with simulator(book, gateway) as caller:
        before = await caller.balance()
        await caller.create()
        await gateway.next()
        after = await caller.balance()
    async with simulator(book, gateway, settle_seconds=Decimal(3600)) as caller:
        _, queued = await caller.create(reference="pay_2-payout-1")
        balance_then = await caller.balance()
    async with simulator(book, gateway) as caller:
        webhook = await gateway.next()
        _, settled = await caller.get(f"/transfers/{queued['data']['id']}")
        status, _ = await caller.create()

    assert after < before
    assert balance_then == after
    assert b"pay_2-payout-1" in webhook.body
    assert settled["data"]["status"] == "SUCCESSFUL"
    assert status == 400


async def test_an_id_that_was_forgotten_is_not_given_again(
    tmp_path: Path, gateway: Gateway
) -> None:
    book = tmp_path / "book.jsonl"
    async with simulator(book, gateway) as caller:
        _, forgotten = await caller.create(narration="sim:amnesia")
    async with simulator(book, gateway) as caller:
        _, other = await caller.create(reference="pay_2-payout-1")

    assert forgotten["data"]["id"] != other["data"]["id"]
