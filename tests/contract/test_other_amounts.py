"""An amount that is not ours under our key: UNKNOWN, with the amount that has moved, so that the
book can have it. An amount counts only once it has moved."""

from dataclasses import replace
from pathlib import Path

import pytest

from services.providers.domain import Kind, Outcome
from services.providers.ports import Refunder
from services.providers.simulator.faults.modes import Mode, Step
from services.shared.money import Money
from tests.contract.cases import CASES, Case, send
from tests.contract.faults import Trial, every_adapter, running_trial

LIES = (Mode.AMOUNT_PLUS, Mode.AMOUNT_MINUS, Mode.CURRENCY_SWAP, Mode.NET_OF_FEE)


async def strike(trial: Trial, provider: str, mode: Mode, *steps: Step) -> None:
    modes = {mode.value: {"probability": 1, "steps": [one.value for one in steps]}}
    async with trial.session.put(
        f"{trial.lab.url}/control/{provider}", json={"modes": modes}
    ) as answer:
        assert answer.status == 200


@every_adapter
@pytest.mark.parametrize("lie", LIES)
async def test_other_amount_that_has_moved_is_reported(
    tmp_path: Path, case: Case, lie: Mode
) -> None:
    async with running_trial(tmp_path / "book.jsonl") as trial:
        operation = case.operation()
        await send(trial.adapters[case.provider], operation)
        done = await trial.done(operation)
        await strike(trial, case.provider, lie, Step.LOOK_UP, Step.LIST)

        known = replace(operation, provider_reference=done.id)
        result = await trial.adapters[case.provider].look_up(known)

    assert result.failure
    assert (result.outcome, result.failure.code) == (Outcome.UNKNOWN, "amount_mismatch")
    assert result.amount is not None
    assert result.amount != operation.amount
    assert (result.amount.currency != operation.amount.currency) == (lie is Mode.CURRENCY_SWAP)


@every_adapter
async def test_open_operation_of_another_amount_has_moved_nothing(
    tmp_path: Path, case: Case
) -> None:
    if case.kind is Kind.COLLECTION:
        pytest.skip("a charge is over at once")
    async with running_trial(tmp_path / "book.jsonl") as trial:
        trial_case = case.operation(reference="sim:hold sim:amount+1")

        result = await send(trial.adapters[case.provider], trial_case)

    assert result.failure
    assert (result.failure.code, result.amount) == ("amount_mismatch", None)


async def test_a_refund_of_another_amount_is_said_with_it(tmp_path: Path) -> None:
    async with running_trial(tmp_path / "book.jsonl") as trial:
        collected = CASES["stripe"].operation()
        adapter = trial.adapters["stripe"]
        assert isinstance(adapter, Refunder)
        await send(adapter, collected)
        done = await trial.done(collected)
        refund = replace(
            collected,
            kind=Kind.REFUND,
            key=f"{collected.transaction_id}-refund-1",
            amount=Money(4_000, "USD"),
            collection_reference=done.id,
        )
        await strike(trial, "stripe", Mode.AMOUNT_PLUS, Step.SEND)

        result = await adapter.refund(refund)

    assert result.failure
    assert (result.failure.code, result.amount) == ("amount_mismatch", Money(4_001, "USD"))
