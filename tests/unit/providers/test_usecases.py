"""Carrying operations: order of completion, isolation, time limits, and nothing left behind."""

import asyncio
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from services.providers.domain import (
    Capabilities,
    Kind,
    LookUpStrength,
    Operation,
    OperationResult,
    Outcome,
    ProviderNotFound,
    Webhook,
    WebhookEvent,
)
from services.providers.usecases import CONCURRENCY_PER_PROVIDER, Providers
from services.shared.money import Money
from services.shared.telemetry import trace_id_var


@dataclass
class FakeOnramp:
    """An onramp whose answers a test lets go one by one."""

    gates: dict[str, asyncio.Event] = field(default_factory=dict)
    error: Exception | None = None
    traces: list[str] = field(default_factory=list)
    running: int = 0
    running_max: int = 0
    capabilities: Capabilities = field(
        default_factory=lambda: Capabilities(
            kinds=frozenset({Kind.COLLECTION}),
            key_lifetime=timedelta(hours=1),
            look_up=LookUpStrength.STRONG,
            look_up_lag=timedelta(),
            event_is_evidence=False,
        )
    )

    async def start_collection(self, operation: Operation) -> OperationResult:
        self.traces.append(trace_id_var.get())
        self.running += 1
        self.running_max = max(self.running, self.running_max)
        try:
            if operation.key in self.gates:
                await self.gates[operation.key].wait()
            if self.error and operation.key == "bad":
                raise self.error
            await asyncio.sleep(0)
        finally:
            self.running -= 1
        return OperationResult(key=operation.key, outcome=Outcome.SUCCEEDED)

    async def look_up(self, operation: Operation) -> OperationResult:
        return OperationResult(key=operation.key, outcome=Outcome.ABSENT)

    def read_webhook(self, webhook: Webhook) -> WebhookEvent:
        return WebhookEvent(event_id="evt", event_type="something")


def operation(key: str = "one", **changes: object) -> Operation:
    base = Operation(
        provider="fake",
        kind=Kind.COLLECTION,
        key=key,
        amount=Money(100, "USD"),
        transaction_id="pay_1",
    )
    return replace(base, **changes)  # type: ignore[arg-type]


async def test_results_come_in_order_of_completion() -> None:
    fake = FakeOnramp(gates={"slow": asyncio.Event()})
    stream = Providers({"fake": fake}).execute([operation("slow"), operation("quick")], None)

    first = await anext(stream)
    fake.gates["slow"].set()
    second = await anext(stream)

    assert [first.key, second.key] == ["quick", "slow"]


async def test_an_adapters_exception_is_unknown_and_fails_no_other() -> None:
    fake = FakeOnramp(error=RuntimeError("out of order"))
    stream = Providers({"fake": fake}).execute([operation("bad"), operation("good")], None)

    results = {result.key: result async for result in stream}

    assert results["good"].outcome is Outcome.SUCCEEDED
    assert results["bad"].outcome is Outcome.UNKNOWN
    assert results["bad"].failure
    assert results["bad"].failure.code == "adapter_error"
    assert "out of order" not in results["bad"].failure.message


async def test_what_takes_too_long_is_unknown() -> None:
    fake = FakeOnramp(gates={"one": asyncio.Event()})
    stream = Providers({"fake": fake}).execute([operation()], timedelta(milliseconds=10))

    [result] = [result async for result in stream]

    assert result.outcome is Outcome.UNKNOWN
    assert result.failure
    assert result.failure.code == "timeout"


@pytest.mark.parametrize("verb", ["execute", "look_up"])
@pytest.mark.parametrize("reference", ["", "pi_1"])
@pytest.mark.parametrize("wanted", [{"provider": "nobody"}, {"kind": Kind.PAYOUT}])
async def test_what_no_adapter_takes_may_have_been_sent_before_and_is_unknown(
    wanted: dict[str, object], reference: str, verb: str
) -> None:
    providers = Providers({"fake": FakeOnramp()})
    lost = replace(operation(provider_reference=reference), **wanted)  # type: ignore[arg-type]

    [result] = [result async for result in getattr(providers, verb)([lost], None)]

    assert result.outcome is Outcome.UNKNOWN
    assert result.failure
    assert result.failure.code == "provider_unsupported"


async def test_each_operation_is_logged_under_its_own_trace() -> None:
    fake = FakeOnramp()
    operations = [operation("one", trace_id="a" * 32), operation("two", trace_id="b" * 32)]

    _ = [result async for result in Providers({"fake": fake}).execute(operations, None)]

    assert sorted(fake.traces) == ["a" * 32, "b" * 32]
    assert trace_id_var.get() == ""


async def test_no_more_than_the_limit_run_at_once() -> None:
    fake = FakeOnramp()
    operations = [operation(f"key-{n}") for n in range(3 * CONCURRENCY_PER_PROVIDER)]

    results = [result async for result in Providers({"fake": fake}).execute(operations, None)]

    assert len(results) == len(operations)
    assert fake.running_max == CONCURRENCY_PER_PROVIDER


async def test_a_caller_who_goes_away_leaves_nothing_running() -> None:
    fake = FakeOnramp(gates={"slow": asyncio.Event()})

    async with aclosing(
        Providers({"fake": fake}).execute([operation("slow"), operation("quick")], None)
    ) as stream:
        await anext(stream)
        assert fake.running == 1

    assert fake.running == 0


def test_a_webhook_of_an_unknown_provider_is_not_found() -> None:
    with pytest.raises(ProviderNotFound) as refused:
        Providers({}).read_webhook("acme", Webhook(headers={}, body=b""))

    assert refused.value.metadata == {"provider": "acme"}
