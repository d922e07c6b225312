"""One trace id leads through every log: the caller's own, from the gateway to the providers and
back with the webhook's payment."""

import json
import secrets
from pathlib import Path
from uuid import uuid4

import pytest

from tests.e2e.conftest import Mesh, Rest
from tests.polling import until

SERVICES = {"fees", "fx", "payments", "providers", "worker"}


def _services_that_log(logs: Path, trace_id: str) -> set[str]:
    found = set()
    for log in logs.glob("*.log"):
        for line in log.read_text(errors="replace").splitlines():
            if trace_id in line and line.startswith("{"):
                found.add(json.loads(line).get("service", log.stem))
    return found


async def test_a_callers_trace_is_in_every_services_log_and_in_the_history(
    mesh: Mesh, rest: Rest
) -> None:
    if mesh.data_dir is None:
        pytest.skip("the logs of a mesh that runs elsewhere are not at hand")
    trace_id, logs = secrets.token_hex(16), mesh.data_dir / "logs"
    body = {"user_id": str(uuid4()), "amount_usd": 30, "destination_currency": "PHP"}
    parent = f"00-{trace_id}-{secrets.token_hex(8)}-01"

    created = await rest.post("/api/payments", body, key=uuid4().hex, traceparent=parent)
    await rest.wait(created.json["transaction_id"], {"COMPLETED"})

    events = await rest.events(created.json["transaction_id"])
    assert {event["trace_id"] for event in events} == {trace_id}

    async def look() -> set[str]:
        return _services_that_log(logs, trace_id)

    await until(look, lambda services: services >= SERVICES)
