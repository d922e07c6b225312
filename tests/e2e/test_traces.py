"""One trace leads through every log and has a span of every service: the caller's own, from the
gateway to the providers and back with the webhook's payment."""

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


@pytest.mark.parametrize("brought", [True, False], ids=["brought", "begun"])
async def test_a_payment_is_one_trace_from_the_call_to_its_completion(
    brought: bool, mesh: Mesh, rest: Rest
) -> None:
    collector = mesh.collector
    if collector is None:
        pytest.skip("the spans of a mesh that runs elsewhere are not at hand")
    recipient = {"holder_name": "Secret Person", "wallet_id": "wallet-7777"}
    body = {
        "user_id": str(uuid4()),
        "amount_usd": 30,
        "destination_currency": "INR",
        "reference": "secret-reference",
        "recipient": {"wallet": recipient},
    }
    parent = {"traceparent": f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"}
    created = await rest.post("/api/payments", body, key=uuid4().hex, **(parent if brought else {}))
    assert created.status == 201, created.json
    await rest.wait(created.json["transaction_id"], {"COMPLETED"})

    (trace_id,) = {e["trace_id"] for e in await rest.events(created.json["transaction_id"])}
    assert not brought or trace_id in parent["traceparent"]

    async def look() -> set[str]:
        found = {name for name, _ in collector.of(trace_id)}
        return found | {span.name for _, span in collector.of(trace_id)}

    await until(look, lambda seen: seen >= {*SERVICES, "gateway", "event payout_succeeded"})
    spans = collector.of(trace_id)
    ids = {span.span_id for _, span in spans}
    (first,) = [span for name, span in spans if name == "gateway"]
    assert len(ids) == len(spans)
    assert all(span.parent_span_id in ids for _, span in spans if span is not first)
    shown = str(spans)
    for secret in ("Secret Person", "wallet-7777", "secret-reference", body["user_id"]):
        assert secret not in shown
    said = {item.key: item.value.string_value for item in first.attributes}
    assert {said[name] for name in ("http.url", "user_agent", "peer.address")} == {"-"}
