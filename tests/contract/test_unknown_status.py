"""A status that no document names, wherever a provider can say it: UNKNOWN under a code of its own,
and never a claim that the money is another."""

from dataclasses import replace
from pathlib import Path

import pytest

from services.providers.domain import Kind, Operation, OperationResult, Outcome
from services.providers.ports import Refunder
from services.providers.simulator.faults.modes import Mode, Step
from services.shared.money import Money
from tests.contract.cases import CASES, Case, send
from tests.contract.faults import Trial, every_adapter, running_trial


def is_unknown_status(result: OperationResult) -> bool:
    assert result.failure
    return (result.outcome, result.failure.code) == (Outcome.UNKNOWN, "unknown_status")


async def strike(trial: Trial, case: Case, *steps: Step) -> None:
    modes = {Mode.UNKNOWN_STATUS.value: {"probability": 1, "steps": [one.value for one in steps]}}
    async with trial.session.put(
        f"{trial.lab.url}/control/{case.provider}", json={"modes": modes}
    ) as answer:
        assert answer.status == 200


@every_adapter
async def test_in_answers_and_look_ups(tmp_path: Path, case: Case) -> None:
    async with running_trial(tmp_path / "book.jsonl") as trial:
        adapter, operation = trial.adapters[case.provider], case.operation()
        await strike(trial, case, Step.SEND, Step.LOOK_UP)

        sent = await send(adapter, operation)
        known = replace(operation, provider_reference=sent.provider_reference)

        assert is_unknown_status(sent)
        assert sent.provider_reference
        assert is_unknown_status(await adapter.look_up(operation))
        assert is_unknown_status(await adapter.look_up(known))


@every_adapter
async def test_in_events(tmp_path: Path, case: Case) -> None:
    if case.provider == "local_wallet":
        pytest.skip("its events have a type and no status; an unknown type is refused")
    async with running_trial(tmp_path / "book.jsonl") as trial:
        operation = case.operation()
        await strike(trial, case, Step.EVENT)
        await send(trial.adapters[case.provider], operation)

        event = await trial.next_event(operation)

    assert (event.key, event.outcome) == (operation.key, Outcome.UNKNOWN)
    assert event.failure
    assert event.failure.code == "unknown_status"


async def test_in_refunds_their_look_ups_and_their_events(tmp_path: Path) -> None:
    case = CASES["stripe"]
    async with running_trial(tmp_path / "book.jsonl") as trial:
        collected = case.operation()
        done = await trial.done(collected)
        refund = _refund_of(collected, done.id)
        adapter = trial.adapters["stripe"]
        assert isinstance(adapter, Refunder)
        await strike(trial, case, Step.SEND, Step.LOOK_UP, Step.LIST, Step.EVENT)

        results = [await adapter.refund(refund), await adapter.look_up(refund)]
        by_id = replace(refund, provider_reference=results[0].provider_reference)
        results.append(await adapter.look_up(by_id))
        event = await trial.next_event(refund)

    assert all(map(is_unknown_status, results))
    assert (event.kind, event.outcome) == (Kind.REFUND, Outcome.UNKNOWN)
    assert event.failure
    assert event.failure.code == "unknown_status"


def _refund_of(collected: Operation, collection_reference: str) -> Operation:
    return replace(
        collected,
        kind=Kind.REFUND,
        key=f"{collected.transaction_id}-refund-1",
        amount=Money(4_000, "USD"),
        collection_reference=collection_reference,
    )
