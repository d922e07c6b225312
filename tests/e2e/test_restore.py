"""A sandbox that is restored to an older backup sends nothing and creates nothing until it is
recovered; then nobody is paid twice, although the lost time had a payout by another rail."""

import asyncio
import json
import os
import signal
import tomllib
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen
from uuid import uuid4

import pytest

from tests.conftest import ROOT
from tests.e2e.test_up import Sandbox, new_sandbox
from tests.polling import until

pytestmark = pytest.mark.skipif(
    "CARAVEL_REST_URL" in os.environ, reason="the ring runs against a mesh elsewhere"
)
USER = str(uuid4())
# Payouts by the first offramp of this corridor fail in the lost time, so that the next one pays.
OTHER_RAIL = "KES"
CORRIDOR = tomllib.loads((ROOT / "deploy" / "corridors" / "us-ke.toml").read_text())
FIRST = CORRIDOR["providers"]["offramps"][0]
SAME_RAIL = "INR"
# As the simulator's page of its failures has it.
NO_BALANCE = {"fails_as": {"probability": 1, "row": 15}}


def _call(url: str, body: Any = None, *, key: str = "", method: str | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    headers = {"content-type": "application/json", **({"idempotency-key": key} if key else {})}
    with urlopen(Request(url, data, headers, method=method)) as answer:
        return json.loads(answer.read() or b"{}")


def _pay(sandbox: Sandbox, currency: str, key: str) -> str:
    body = {"user_id": USER, "amount_usd": 100, "destination_currency": currency}
    made = _call(f"http://127.0.0.1:{sandbox.rest_port}/api/payments", body, key=key)
    return str(made["transaction_id"])


def _payment(sandbox: Sandbox, transaction_id: str) -> Any:
    return _call(f"http://127.0.0.1:{sandbox.rest_port}/api/payments/{transaction_id}")


async def _until(sandbox: Sandbox, transaction_id: str, status: str) -> None:
    async def look() -> Any:
        return (await asyncio.to_thread(_payment, sandbox, transaction_id))["status"]

    await until(look, lambda seen: seen == status)


def _signal_worker(sandbox: Sandbox, number: int) -> None:
    os.kill(sandbox.pids["worker"], number)


def _payouts(sandbox: Sandbox, transaction_id: str) -> set[str]:
    """The provider's ids of all payouts that have arrived for a payment."""
    book = _call(f"{sandbox.status['urls']['simulator']}/book")
    return {
        line["id"]
        for line in book
        if line["effect"] == "payout_completed" and line["transaction_id"] == transaction_id
    }


def _refusal(sandbox: Sandbox, currency: str, key: str) -> int:
    """The status of a creation, which the gateway or the service itself refuses."""
    try:
        _pay(sandbox, currency, key)
    except HTTPError as refused:
        return refused.code
    return 201


async def test_a_restored_sandbox_pays_nobody_twice() -> None:
    with new_sandbox() as sandbox:
        assert sandbox.up().returncode == 0
        _signal_worker(sandbox, signal.SIGSTOP)
        other, same = _pay(sandbox, OTHER_RAIL, "other"), _pay(sandbox, SAME_RAIL, "same")
        file = sandbox.data_dir / "before.dump"
        assert sandbox.caravel("backup", "--kind", "dump", "--to", str(file)).returncode == 0
        control = f"{sandbox.status['urls']['simulator']}/control/{FIRST}"
        _call(control, {"modes": NO_BALANCE}, method="PUT")
        _signal_worker(sandbox, signal.SIGCONT)
        await _until(sandbox, other, "COMPLETED")
        await _until(sandbox, same, "COMPLETED")
        lost = _pay(sandbox, SAME_RAIL, "lost")
        await _until(sandbox, lost, "COMPLETED")
        _call(control, {"modes": {}}, method="PUT")
        sandbox.caravel("down")

        assert sandbox.caravel("restore", str(file)).returncode == 0
        assert sandbox.up().returncode == 0
        assert sandbox.caravel("recover", "show").returncode == 1
        assert _refusal(sandbox, SAME_RAIL, "lost") == 503
        recovery = sandbox.caravel("recover", "start", "--reason", "a drill", "--as", "ada")
        assert recovery.returncode == 1
        assert "1 payments are held" in recovery.stdout
        assert "1 payments go on" in recovery.stdout
        assert lost in recovery.stdout.split("are unknown here")[1]
        accepted = sandbox.caravel("recover", "accept", "--reason", "settled", "--as", "ada")
        assert accepted.returncode == 0

        await _until(sandbox, same, "COMPLETED")
        assert _payment(sandbox, other)["status"] == "ON_HOLD"
        assert all(len(_payouts(sandbox, one)) == 1 for one in (other, same, lost))
        assert "All hold." in sandbox.caravel("verify").stdout
