"""What a mesh leaves on the disk is its owner's, and its logs name no person, account or secret,
whatever was sent and however it went."""

import asyncio
import json
import stat
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.e2e.conftest import Mesh, Rest
from tests.polling import until

# As no identifier of ours has it by chance.
ACCOUNT, NAME, TOKEN = "0698877665544", "Adaeze Quartzfield", "tok_swordfish_private"
RECIPIENT = {"account": ACCOUNT, "bank_code": "044", "name": NAME}


@pytest.fixture
def data_dir(mesh: Mesh) -> Path:
    """The folder of a mesh that is ours."""
    return mesh.data_dir or pytest.skip("the files of another mesh are not here")


def _order(currency: str, **changes: Any) -> dict[str, Any]:
    body = {"user_id": str(uuid4()), "amount_usd": "100.00", "destination_currency": currency}
    return {**body, "recipient": RECIPIENT, **changes}


async def _everything_that_may_go_wrong(rest: Rest) -> None:
    """Requests that hold all of it in every place where a caller may put it."""
    authorization = {"authorization": f"Bearer {TOKEN}", "x_api_key": TOKEN}
    for currency, reference in (
        *(("NGN", ""), ("INR", ""), ("INR", "sim:no_balance"), ("MXN", "sim:late_fail")),
        *(("KES", "sim:500_after"), ("ZAR", "sim:payout_fails"), ("PHP", "sim:amount-1")),
    ):
        order = _order(currency, reference=reference)
        await rest.post("/api/payments", order, key=uuid4().hex, **authorization)
    wrong = (
        _order("INR", recipent=RECIPIENT),
        _order("XXX"),
        _order("INR", amount_usd=ACCOUNT * 9),
        _order("INR", recipient={**RECIPIENT, ACCOUNT: NAME}),
        _order("INR", reference="\u0000" + NAME),
        json.dumps(_order("INR"))[:-1],
        f"{NAME} {ACCOUNT}",
    )
    for body in wrong:
        await rest.post("/api/payments", body, key=uuid4().hex, **authorization)
    for path in ("/api/payments", "/api/corridors", "/no/such/path"):
        await rest.get(f"{path}?recipient.account={ACCOUNT}&name={NAME}&token={TOKEN}")
    for path in ("/api/webhooks", "/api/webhooks/paystack", "/api/webhooks/stripe"):
        await rest.post(path, {"event": NAME, "data": RECIPIENT}, **authorization)


async def test_logs_name_no_person_account_or_secret(
    mesh: Mesh, rest: Rest, data_dir: Path
) -> None:
    await _everything_that_may_go_wrong(rest)
    done = await rest.create(recipient=RECIPIENT)
    await rest.wait(done["transaction_id"], {"COMPLETED", "REFUNDED", "ACTION_REQUIRED"})
    last = (await rest.get("/api/corridors")).headers["x-request-id"]

    async def gateway_log() -> str:
        return await asyncio.to_thread((data_dir / "logs" / "gateway.log").read_text)

    # Envoy writes last of all.
    await until(gateway_log, lambda text: last in text)
    secrets = json.loads((data_dir / "credentials.json").read_text())
    del secrets["instance"]
    private = {"account": ACCOUNT, "name": NAME, "token": TOKEN, **secrets}
    found = {
        f"{log.name}: {what}"
        for log in (data_dir / "logs").iterdir()
        for text in [log.read_text(errors="replace")]
        for what, value in private.items()
        if value in text or value.replace(" ", "%20") in text
    }
    assert found == set()


def test_files_of_a_running_mesh_are_its_owners(data_dir: Path) -> None:
    others = stat.S_IRGRP | stat.S_IWGRP | stat.S_IROTH | stat.S_IWOTH
    # PostgreSQL sees to its own.
    ours = [p for p in data_dir.rglob("*") if "postgres" not in p.relative_to(data_dir).parts]

    assert {path.name for path in ours} >= {"simulator.jsonl", "credentials.json", "gateway.log"}
    assert {path.name for path in (data_dir, *ours) if path.lstat().st_mode & others} <= {
        path.name for path in ours if path.is_symlink()
    }
