"""The services inside a running mesh, called past the gateway: an operator's certificate looks, and
moves no money. Their certificates are replaced while payments go on."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from deploy.authority import SERVERS, SERVICES, renew
from deploy.local.mesh.state import DataDir
from tests.conftest import ROOT
from tests.e2e.conftest import Mesh, Rest
from tests.polling import until

OPERATION = {
    "provider": "local_wallet",
    "kind": "PAYOUT",
    "key": "forged",
    "amount": {"currency_code": "INR", "amount_minor": "99999999"},
    "recipient": {"wallet": {"holder_name": "Mallory", "wallet_id": "wallet-0666"}},
}
EXECUTE = "caravel.providers.v1.ProviderService/Execute"


def data_dir_of(mesh: Mesh) -> DataDir:
    if mesh.data_dir is None:
        pytest.skip("the certificates of a mesh that runs elsewhere are not at hand")
    return DataDir.at(mesh.data_dir)


def dialled(mesh: Mesh, service: str) -> list[str]:
    """The words that `./caravel dial` prints for grpcurl."""
    folder = data_dir_of(mesh).root
    done = subprocess.run(
        [sys.executable, "-m", "deploy.local", "dial", service, "--data-dir", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


def run(*words: str | Path) -> "subprocess.CompletedProcess[str]":
    """A command to its end, whatever that is."""
    return subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("service", SERVERS)
def test_an_operator_reflects_and_asks_for_health_everywhere(
    mesh: Mesh, grpcurl: Path, service: str
) -> None:
    listed = run(grpcurl, *dialled(mesh, service), "list")
    health = run(grpcurl, *dialled(mesh, service), "grpc.health.v1.Health/Check")

    assert "grpc.reflection.v1.ServerReflection" in listed.stdout.split()
    assert json.loads(health.stdout) == {"status": "SERVING"}


@pytest.mark.parametrize(
    ("service", "call", "answered"),
    [
        ("fees", "caravel.fees.v1.FeeService/CalculateFees", "results"),
        ("fx", "caravel.fx.v1.FxService/GetRates", "results"),
        ("providers", "caravel.providers.v1.ProviderService/ListProviders", "providers"),
    ],
)
def test_an_operator_reads(
    mesh: Mesh, grpcurl: Path, service: str, call: str, answered: str
) -> None:
    question: dict[str, Any] = {
        "fees": {
            "queries": [
                {
                    "corridor_id": "us-in",
                    "amount": {"currency_code": "USD", "amount_minor": "10000"},
                }
            ]
        },
        "fx": {"queries": [{"corridor_id": "us-in"}]},
        "providers": {},
    }
    answer = run(grpcurl, "-d", json.dumps(question[service]), *dialled(mesh, service), call)

    assert json.loads(answer.stdout)[answered]


def test_an_operator_moves_no_money(mesh: Mesh, grpcurl: Path) -> None:
    request = json.dumps({"operations": [OPERATION]})

    refused = run(grpcurl, "-d", request, *dialled(mesh, "providers"), EXECUTE)

    assert refused.returncode != 0 and refused.stdout == ""
    assert "PermissionDenied" in refused.stderr
    assert "that of a service that may not make this call" in refused.stderr


def test_nobody_gets_in_without_a_certificate(mesh: Mesh, grpcurl: Path) -> None:
    target = dialled(mesh, "providers")[-1]
    request = json.dumps({"operations": [OPERATION]})
    files = ("-import-path", ROOT / "protos", "-proto", "caravel/providers/v1/providers.proto")

    for words in (("-plaintext",), ("-insecure",)):
        refused = run(grpcurl, *words, *files, "-d", request, target, EXECUTE)
        assert refused.returncode != 0 and refused.stdout == ""


async def test_nothing_of_it_has_reached_a_provider(mesh: Mesh) -> None:
    if mesh.simulator_url is None:
        pytest.skip("the simulator of a mesh that runs elsewhere is not at hand")
    async with aiohttp.ClientSession() as http, http.get(f"{mesh.simulator_url}/book") as answer:
        assert "forged" not in {line["key"] for line in await answer.json()}


async def expiries(mesh: Mesh) -> dict[str, float]:
    """When the certificate ends that each process uses now, by its metrics."""
    found = {}
    async with aiohttp.ClientSession() as http:
        for process in mesh.status["processes"]:
            if process["name"] in SERVERS:
                url = f"http://127.0.0.1:{process['metrics_port']}/metrics"
                async with http.get(url) as answer:
                    text = await answer.text()
                [value] = re.findall(r"^caravel_certificate_expires_at\{.*\} (\S+)$", text, re.M)
                found[process["name"]] = float(value)
    return found


async def test_all_certificates_are_replaced_while_payments_go_on(mesh: Mesh, rest: Rest) -> None:
    data_dir = data_dir_of(mesh)
    before = await expiries(mesh)
    assert before.keys() == set(SERVERS)
    pids = {process["name"]: process["pid"] for process in mesh.status["processes"]}

    assert renew(data_dir.certificates, again=True) == list(SERVICES)

    async def replaced() -> bool:
        payment = await rest.create()
        await rest.wait(payment["transaction_id"], {"COMPLETED"})
        now = await expiries(mesh)
        return all(now[name] > before[name] for name in SERVERS)

    await until(replaced, bool)
    assert {process["name"]: process["pid"] for process in mesh.status["processes"]} == pids
