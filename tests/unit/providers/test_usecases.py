"""Carrying operations: order of completion, isolation, time limits, and nothing left behind."""

import asyncio
from contextlib import aclosing
from datetime import timedelta

import pytest

from services.providers.breaker import BreakerPolicy
from services.providers.domain import (
    Kind,
    Operation,
    OperationResult,
    Outcome,
    ProviderNotFound,
    Webhook,
    unknown,
)
from services.providers.limits import CONCURRENCY_DEFAULT, Limits
from services.providers.usecases import Providers
from services.shared.telemetry import trace_id_var
from tests.unit.providers.makers import FakeOnramp, make_capabilities, make_operation


async def test_results_come_in_order_of_completion() -> None:
    fake = FakeOnramp(gates={"slow": asyncio.Event()})
    stream = Providers({"fake": fake}).execute(
        [make_operation("slow"), make_operation("quick")], None
    )

    first = await anext(stream)
    fake.gates["slow"].set()
    second = await anext(stream)

    assert [first.key, second.key] == ["quick", "slow"]


async def test_an_adapters_exception_is_unknown_and_fails_no_other() -> None:
    adapters = {"fake": FakeOnramp(), "broken": FakeOnramp(sends=RuntimeError("out of order"))}
    operations = [make_operation("bad", provider="broken"), make_operation("good")]

    results = {one.key: one async for one in Providers(adapters).execute(operations, None)}

    assert results["good"].outcome is Outcome.SUCCEEDED
    assert results["bad"].outcome is Outcome.UNKNOWN
    assert results["bad"].failure
    assert results["bad"].failure.code == "adapter_error"


async def test_operation_that_takes_too_long_is_unknown() -> None:
    fake = FakeOnramp(gates={"one": asyncio.Event()})
    stream = Providers({"fake": fake}).execute([make_operation()], timedelta(milliseconds=10))

    [result] = [result async for result in stream]

    assert result.outcome is Outcome.UNKNOWN
    assert result.failure
    assert result.failure.code == "timeout"


@pytest.mark.parametrize(
    "lost",
    [
        make_operation(provider="nobody"),
        make_operation(kind=Kind.PAYOUT),
        make_operation(kind=Kind.REFUND),
        make_operation(provider="nobody", provider_reference="pi_1"),
    ],
)
async def test_operation_that_no_adapter_serves_is_unknown(lost: Operation) -> None:
    providers = Providers({"fake": FakeOnramp()})

    for verb in (providers.execute, providers.look_up):
        [result] = [result async for result in verb([lost], None)]
        assert result.outcome is Outcome.UNKNOWN
        assert result.failure
        assert result.failure.code == "provider_unsupported"


async def test_looking_up_at_an_unknown_provider_proves_nothing() -> None:
    stream = Providers({}).look_up([make_operation()], None)

    [result] = [result async for result in stream]

    assert result.outcome is Outcome.UNKNOWN


async def test_each_operation_is_logged_under_its_own_trace() -> None:
    fake = FakeOnramp()
    operations = [
        make_operation("one", trace_id="a" * 32),
        make_operation("two", trace_id="b" * 32),
    ]

    _ = [result async for result in Providers({"fake": fake}).execute(operations, None)]

    assert sorted(fake.traces) == ["a" * 32, "b" * 32]
    assert trace_id_var.get() == ""


@pytest.mark.parametrize("limit", [CONCURRENCY_DEFAULT, 3])
async def test_no_more_than_a_providers_limit_run_at_once(limit: int) -> None:
    fake = FakeOnramp()
    limits = {} if limit == CONCURRENCY_DEFAULT else {"fake": Limits(concurrency=limit)}
    operations = [make_operation(f"key-{n}") for n in range(3 * limit)]

    stream = Providers({"fake": fake}, limits=limits).execute(operations, None)
    results = [result async for result in stream]

    assert len(results) == len(operations)
    assert fake.running_max == limit


class FakeRefunder(FakeOnramp):
    """An onramp whose refunds succeed."""

    async def refund(self, operation: Operation) -> OperationResult:
        return OperationResult(key=operation.key, outcome=Outcome.SUCCEEDED)


async def test_a_provider_that_fails_at_one_kind_is_still_sent_the_other() -> None:
    both = frozenset({Kind.COLLECTION, Kind.REFUND})
    fake = FakeRefunder(
        sends=unknown("", "provider_fault"), capabilities=make_capabilities(kinds=both)
    )
    providers = Providers({"fake": fake}, policy=BreakerPolicy(faults_in_a_row=1))
    for outcome in (Outcome.UNKNOWN, Outcome.NOT_SENT):
        [result] = [r async for r in providers.execute([make_operation()], None)]
        assert result.outcome is outcome

    refund = make_operation(kind=Kind.REFUND)
    [result] = [r async for r in providers.execute([refund], None)]

    assert result.outcome is Outcome.SUCCEEDED


async def test_a_caller_who_goes_away_leaves_nothing_running() -> None:
    fake = FakeOnramp(gates={"slow": asyncio.Event()})

    async with aclosing(
        Providers({"fake": fake}).execute([make_operation("slow"), make_operation("quick")], None)
    ) as stream:
        await anext(stream)
        assert fake.running == 1

    assert fake.running == 0


def test_a_webhook_of_an_unknown_provider_is_not_found() -> None:
    with pytest.raises(ProviderNotFound) as refused:
        Providers({}).read_webhook("acme", Webhook(headers={}, body=b""))

    assert refused.value.metadata == {"provider": "acme"}
