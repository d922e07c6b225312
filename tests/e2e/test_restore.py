"""A sandbox that is restored to an older backup sends nothing and creates nothing until it is
recovered; then nobody is charged or paid twice, although every client repeats every request, and
the lost time had a payout by another rail and payments that the backup does not have."""

import asyncio
import json
import os
import signal
import tomllib
from collections import Counter
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen
from uuid import uuid4

import grpc
import pytest
from caravel.payments.v1 import recovery_pb2, recovery_pb2_grpc

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
REASON = ("--reason", "a drill", "--as", "ada")
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


def _book(sandbox: Sandbox) -> Counter[tuple[str, str]]:
    """How often money has moved for a payment at its providers, by what moved."""
    book = _call(f"{sandbox.status['urls']['simulator']}/book")
    return Counter((line["transaction_id"], line["effect"]) for line in book)


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
        lost_on_other = _pay(sandbox, OTHER_RAIL, "lost_on_other")
        await _until(sandbox, lost, "COMPLETED")
        await _until(sandbox, lost_on_other, "COMPLETED")
        _call(control, {"modes": {}}, method="PUT")
        sandbox.caravel("down")
        assert sandbox.caravel("restore", str(file)).returncode == 0
        assert sandbox.up().returncode == 0
        book = _book(sandbox)
        assert sandbox.caravel("recover", "show").returncode == 1
        assert _refusal(sandbox, SAME_RAIL, "lost") == 503

        recovery = sandbox.caravel("recover", "start", *REASON, "--json")
        assert recovery.returncode == 0, recovery.stdout
        report = json.loads(recovery.stdout)
        assert set(report["held"]) == {other}
        assert set(report["goes_on"]) == {same}
        assert set(report["made_again"]) == {lost, lost_on_other}
        assert report["unknown"] == {}
        assert "All hold." in sandbox.caravel("verify").stdout

        await _until(sandbox, same, "COMPLETED")
        requests = {
            "other": (OTHER_RAIL, other),
            "same": (SAME_RAIL, same),
            "lost": (SAME_RAIL, lost),
            "lost_on_other": (OTHER_RAIL, lost_on_other),
        }
        for key, (currency, transaction_id) in requests.items():
            assert _pay(sandbox, currency, key) == transaction_id
        assert _refusal(sandbox, OTHER_RAIL, "lost") == 422
        assert _payment(sandbox, lost)["hold"] == {"reason": "recovered"}
        for one in (lost, lost_on_other):
            assert sandbox.caravel("operate", "release", one, "--note", "paid").returncode == 0
            await _until(sandbox, one, "COMPLETED")
        assert _payment(sandbox, other)["status"] == "ON_HOLD"
        assert _book(sandbox) == book
        assert "All hold." in sandbox.caravel("verify").stdout


async def test_an_operator_recovers_it_by_calls_while_all_else_is_refused() -> None:
    with new_sandbox() as sandbox:
        assert sandbox.up().returncode == 0
        file = sandbox.data_dir / "before.dump"
        assert sandbox.caravel("backup", "--kind", "dump", "--to", str(file)).returncode == 0
        lost = _pay(sandbox, SAME_RAIL, "lost")
        await _until(sandbox, lost, "COMPLETED")
        sandbox.caravel("down")
        assert sandbox.caravel("restore", str(file)).returncode == 0
        assert sandbox.up().returncode == 0
        propose = ("propose", "accept", "database", "--reason", "a drill", "--as", "ada")
        proposed = sandbox.caravel(*propose)
        assert proposed.returncode == 0, proposed.stderr
        override = ("propose", "override", "us-ng", "--rate", "1540.5", "--reason", "thin market")
        assert "DATABASE_OLDER" in sandbox.caravel(*override).stderr

        async with grpc.aio.insecure_channel(sandbox.status["urls"]["operators_grpc"]) as channel:
            calls = recovery_pb2_grpc.RecoveryServiceStub(channel)

            async def standing() -> recovery_pb2.DatabaseStanding:
                return await calls.GetDatabaseStanding(recovery_pb2.GetDatabaseStandingRequest())

            before = await standing()
            await calls.StartRecovery(recovery_pb2.StartRecoveryRequest(reason="a drill"))
            after = await until(standing, lambda seen: seen.recovery.HasField("ended_at"))
            listed = await calls.ListRecoveredPayments(recovery_pb2.ListRecoveredPaymentsRequest())

        assert (before.older, before.HasField("recovery")) == (True, False)
        assert lost in before.finding
        assert (after.finding, after.recovery.state) == ("", recovery_pb2.Recovery.ACCEPTED)
        assert [(one.transaction_id, one.fate) for one in listed.payments] == [
            (lost, recovery_pb2.RecoveredPayment.MADE_AGAIN)
        ]
        assert after.recovery.explained
        proposal_id = proposed.stdout.split()[0]
        late = sandbox.caravel("approve", proposal_id, "--yes", "--as", "grace")
        assert "DATABASE_NOT_OLDER" in late.stderr
        shown = sandbox.caravel("recover", "show")
        assert (shown.returncode, "is ACCEPTED: 1 of 1 payments" in shown.stdout) == (0, True)

        async def paid_again() -> str:
            return await asyncio.to_thread(_replayed, sandbox, "lost")

        assert await until(paid_again, bool) == lost
        assert "All hold." in sandbox.caravel("verify").stdout


def _replayed(sandbox: Sandbox, key: str) -> str:
    """The payment that a repeated request is answered with; empty while it is refused."""
    try:
        return _pay(sandbox, SAME_RAIL, key)
    except HTTPError:
        return ""
