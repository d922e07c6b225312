"""The limits of merchants over the wire: counted once a call is authenticated, before its message
is read, and said by each answer."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from caravel.payments.v1 import admin_pb2, payments_pb2, webhooks_pb2
from sqlalchemy.ext.asyncio import AsyncEngine

from services.shared.deployment import Deployment
from tests.wire.payments.calls import refusal
from tests.wire.payments.conftest import CORRIDORS, Service, serving_payments
from tests.wire.payments.merchant import new_merchant

READS, WRITES = 3, 2
FILE = f"""
reads = {{ calls = {READS}, seconds = 3600 }}
writes = {{ calls = {WRITES}, seconds = 3600 }}
"""
LIST = payments_pb2.ListPaymentsRequest(page_size=1)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "limits.toml"
    path.write_text(FILE)
    return path


@pytest.fixture
async def limited(engine: AsyncEngine, file: Path) -> AsyncIterator[Service]:
    async with serving_payments(engine, CORRIDORS, Deployment.STAGING, limits=file) as service:
        yield service


async def key_of(engine: AsyncEngine, name: str) -> tuple[tuple[str, str], ...]:
    made = await new_merchant(engine, name)
    return (("x-api-key", made.text),)


def lists(service: Service, key: tuple[tuple[str, str], ...]) -> Any:
    return service.payments.ListPayments(LIST, metadata=key)


async def test_a_merchant_at_its_limit_is_refused_and_no_other(
    limited: Service, engine: AsyncEngine
) -> None:
    acme, other = await key_of(engine, "Acme"), await key_of(engine, "Other")
    left = []
    for _ in range(READS):
        call = lists(limited, acme)
        await call
        left.append(dict(await call.trailing_metadata())["ratelimit"].partition(";t=")[0])

    call = lists(limited, acme)
    code, reason, metadata, _ = await refusal(call)
    trailing = dict(await call.trailing_metadata())

    assert left == ['"reads";r=2', '"reads";r=1', '"reads";r=0']
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert (reason, metadata) == ("RATE_LIMIT_EXCEEDED", {"limit": "reads"})
    assert trailing["ratelimit-policy"] == f'"reads";q={READS};w=3600'
    assert int(trailing["retry-after"]) == 3600 // READS
    await lists(limited, other)


async def test_a_call_that_is_refused_for_another_reason_says_what_is_left(
    limited: Service, engine: AsyncEngine
) -> None:
    acme = await key_of(engine, "Acme")
    call = limited.payments.CreatePayment(payments_pb2.CreatePaymentRequest(), metadata=acme)

    assert (await refusal(call))[1] == "IDEMPOTENCY_KEY_REQUIRED"
    assert dict(await call.trailing_metadata())["ratelimit"].startswith('"writes";r=1;')


async def test_nobody_without_a_credential_takes_from_a_merchant(
    limited: Service, engine: AsyncEngine
) -> None:
    acme = await key_of(engine, "Acme")
    for _ in range(READS + 1):
        call = limited.payments.ListPayments(LIST, metadata=(("x-api-key", "nobody"),))
        assert (await refusal(call))[1] == "API_KEY_INVALID"
        assert "ratelimit" not in dict(await call.trailing_metadata())

    await lists(limited, acme)


async def test_operators_and_providers_are_not_counted_with_the_sandbox(
    engine: AsyncEngine, file: Path
) -> None:
    async with serving_payments(engine, CORRIDORS, limits=file) as sandbox:
        for _ in range(READS):
            await sandbox.payments.ListPayments(LIST)
        assert (await refusal(sandbox.payments.ListPayments(LIST)))[1] == "RATE_LIMIT_EXCEEDED"
        for _ in range(READS + 1):
            await sandbox.admin.ListDeadLetters(admin_pb2.ListDeadLettersRequest())
            call = sandbox.webhooks.ReceiveEvent(webhooks_pb2.ReceiveEventRequest())
            assert (await refusal(call))[1] != "RATE_LIMIT_EXCEEDED"
