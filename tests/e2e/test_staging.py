"""A staging deployment: the same mesh, in which every call needs a key and nothing has a sandbox's
default. One payment over every provider, a quote, a refund, endpoints, webhooks, native gRPC and
the commands, each with the key of a merchant that the command has made."""

import json
import re
import subprocess
import tomllib
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import grpc
import pytest
from caravel.payments.v1 import payments_pb2, payments_pb2_grpc

from deploy.local.mesh import ports
from tests.conftest import ROOT
from tests.e2e.conftest import CARAVEL, PORT_FLAGS, START_SECONDS, Rest
from tests.polling import until

CARD = "pm_card_visa"
CORRIDORS = [
    tomllib.loads(file.read_text()) for file in sorted((ROOT / "deploy/corridors").glob("*.toml"))
]
# For each offramp a corridor that asks it first.
FIRST_OF = {one["providers"]["offramps"][0]: one for one in reversed(CORRIDORS)}


@dataclass(frozen=True)
class Staging:
    """The mesh, and the key of its merchant."""

    urls: Mapping[str, str]
    data_dir: Path
    key: str

    def caravel(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command of ./caravel on this mesh, run to its end."""
        return _caravel(*words, "--data-dir", str(self.data_dir))


def _caravel(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [CARAVEL, *words], capture_output=True, text=True, timeout=START_SECONDS, check=False
    )


@pytest.fixture(scope="module")
def staging(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Staging]:
    """A staging mesh of this module's own."""
    data_dir = tmp_path_factory.mktemp("staging") / "data"
    folder = ["--data-dir", str(data_dir)]
    with ports.claimed(PORT_FLAGS) as claimed:
        listen = [word for flag, port in claimed.items() for word in (flag, str(port))]
        try:
            started = _caravel("up", "--detach", "--deployment", "staging", *folder, *listen)
            assert started.returncode == 0, started.stdout + started.stderr
            assert "Calls need a key" in started.stdout
            made = _caravel("merchants", "create", "--name", "Example", *folder)
            assert made.returncode == 0, made.stderr
            urls = json.loads(_caravel("status", "--json", *folder).stdout)["urls"]
            yield Staging(urls, data_dir, _key_in(made.stdout))
        finally:
            _caravel("down", "--delete", *folder)


def test_the_command_line_lists_merchants_and_has_help_for_each_verb(staging: Staging) -> None:
    listed = _caravel("merchants", "list", "--data-dir", str(staging.data_dir))
    helped = _caravel("operators", "roll", "--help")

    assert [one["name"] for one in json.loads(listed.stdout)] == ["Example"]
    assert "--overlap-hours" in helped.stdout


def _key_in(text: str) -> str:
    (key,) = [word.strip('",') for word in text.split() if word.strip('",').startswith("cvl_")]
    assert key.startswith("cvl_test_")
    return key


@pytest.fixture
async def rest(staging: Staging) -> AsyncIterator[Rest]:
    """The merchant's client."""
    headers = {"authorization": f"Bearer {staging.key}"}
    async with aiohttp.ClientSession(staging.urls["rest"], headers=headers) as session:
        yield Rest(session)


def _order(corridor: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    kind, rules = next(iter(corridor["recipients"].items()))
    return {
        "destination_currency": corridor["destination"]["currency"],
        "destination_country": corridor["destination"]["country"],
        "recipient": {kind: rules["example"]},
        "payment_method": CARD,
        **changes,
    }


@pytest.mark.parametrize("offramp", FIRST_OF)
async def test_a_payment_completes_over_every_provider(rest: Rest, offramp: str) -> None:
    payment = await rest.create(**_order(FIRST_OF[offramp]))

    done = await rest.wait(payment["transaction_id"], {"COMPLETED", "FAILED", "ON_HOLD"})

    assert (done["status"], done["onramp"], done["offramp"]) == ("COMPLETED", "stripe", offramp)
    assert not done["recipient_is_example"]


async def test_the_wallet_pays_too(rest: Rest) -> None:
    """No corridor asks it first for a bank account, and those with wallets reach it alone."""
    corridor = next(one for one in CORRIDORS if one["id"] == "us-in")
    order = _order(corridor, recipient={"wallet": corridor["recipients"]["wallet"]["example"]})
    payment = await rest.create(**order)

    done = await rest.wait(payment["transaction_id"], {"COMPLETED", "FAILED", "ON_HOLD"})

    assert (done["status"], done["offramp"]) == ("COMPLETED", "local_wallet")


@pytest.mark.parametrize("path", ["payments", "corridors", "webhook-endpoints", "docs"])
async def test_nothing_is_answered_without_a_key(staging: Staging, path: str) -> None:
    async with aiohttp.ClientSession(staging.urls["rest"]) as session:
        if path == "docs":
            assert (await Rest(session).get("/docs")).status == 200
            return
        answer = await Rest(session).get(f"/api/{path}")

    assert (answer.status, answer.reason) == (401, "CREDENTIALS_MISSING")


async def test_nobody_is_paid_by_default(rest: Rest) -> None:
    body = {"user_id": str(uuid4()), "amount_usd": "10.00", "destination_currency": "INR"}

    answer = await rest.post("/api/payments", body, key=uuid4().hex)

    assert (answer.status, answer.reason) == (400, "FIELD_REQUIRED")
    assert "recipient is required" in answer.body.decode()


async def test_a_payment_without_a_card_is_declined(rest: Rest) -> None:
    payment = await rest.create(**_order(CORRIDORS[0], payment_method=""))

    done = await rest.wait(payment["transaction_id"], {"COMPLETED", "FAILED", "ON_HOLD"})

    assert done["status"] == "FAILED"


async def test_a_quote_is_kept_and_its_payment_refunded(rest: Rest) -> None:
    order = _order(next(one for one in CORRIDORS if one["id"] == "us-in"))
    recipient = {"wallet": order["recipient"].get("wallet") or {}}
    quoted = await rest.post(
        "/api/quotes",
        {"amount_usd": "100.00", "destination_currency": "INR", "recipient": recipient},
        key=uuid4().hex,
    )
    assert quoted.status == 201, quoted.body
    payment = await rest.create(
        quote_id=quoted.json["quote_id"], payment_method=CARD, reference="sim:late_fail"
    )
    assert payment["quote_id"] == quoted.json["quote_id"]
    at = f"/api/payments/{payment['transaction_id']}"
    await rest.wait(payment["transaction_id"], {"RETURNED"})

    asked = {"amount_usd": "40.00", "reason": "half was enough", "ends_payout": True}
    refund = await until(
        lambda: rest.post(f"{at}/refunds", asked, key="a-refund"), lambda one: one.status != 409
    )

    assert refund.status in (200, 201), refund.body
    await until(lambda: rest.get(f"{at}/refunds"), lambda one: "SUCCEEDED" in one.body.decode())


async def test_an_endpoint_is_on_the_internet_and_by_tls(rest: Rest) -> None:
    made = await rest.post("/api/webhook-endpoints", {"url": "https://example.com/hook"})
    assert made.status == 201, made.body

    listed = (await rest.get("/api/webhook-endpoints")).json["endpoints"]
    here = await rest.post("/api/webhook-endpoints", {"url": "http://127.0.0.1:9/hook"})

    assert [one["url"] for one in listed] == ["https://example.com/hook"]
    assert here.status == 400
    gone = await rest.send("DELETE", f"/api/webhook-endpoints/{listed[0]['endpoint_id']}")
    assert gone.status in (200, 204)


async def test_a_providers_event_counts_by_its_signature_alone(rest: Rest) -> None:
    payment = await rest.create(**_order(FIRST_OF["paystack"]))
    await rest.wait(payment["transaction_id"], {"COMPLETED"})

    events = await rest.events(payment["transaction_id"])
    unsigned = await rest.post(
        "/api/webhooks", {"event_id": "evt_1", "event_type": "payout.completed"}
    )

    assert [one["to_state"] for one in events][-1] == "COMPLETED"
    assert unsigned.status == 401


async def test_the_key_serves_native_grpc_too(staging: Staging) -> None:
    metadata = (("x-api-key", staging.key),)
    async with grpc.aio.insecure_channel(staging.urls["grpc"]) as channel:
        stub: Any = payments_pb2_grpc.PaymentServiceStub(channel)
        listed = await stub.ListPayments(
            payments_pb2.ListPaymentsRequest(page_size=1), metadata=metadata, timeout=10
        )
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.ListPayments(payments_pb2.ListPaymentsRequest(), timeout=10)

    assert listed.payments
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_the_commands_serve_staging(staging: Staging) -> None:
    verified = staging.caravel("verify")

    assert (verified.returncode, "All hold." in verified.stdout) == (0, True), verified
    assert staging.caravel("status").returncode == 0
    assert re.fullmatch(
        r"The database is at revision [0-9]{4}\.\n", staging.caravel("migrate").stdout
    )


def test_up_starts_nothing_live() -> None:
    refused = _caravel("up", "--deployment", "live")

    assert refused.returncode == 2 and refused.stderr.count("\n") == 1
