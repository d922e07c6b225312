"""One suite for every registered adapter, in front of the real simulator on a real socket. Servers
that answer as no provider should are in test_hostile_answers."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from services.providers.adapters import ADAPTERS
from services.providers.domain import Kind, Operation, OperationResult, Outcome
from services.providers.ports import Adapter, Offramp, Onramp, Refunder
from services.shared.deployment import Deployment
from services.shared.recipients import BankAccount, MobileMoney, Recipient, Wallet
from tests.contract.cases import CASES, Case, send
from tests.contract.lab import Lab, answering, running_lab

every_adapter = pytest.mark.parametrize("case", [CASES[name] for name in ADAPTERS], ids=ADAPTERS)


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    async with running_lab(tmp_path / "book.jsonl") as lab:
        yield lab


async def final(lab: Lab, adapter: Adapter, operation: Operation) -> OperationResult:
    """The operation's end, as an engine reaches it: send, receive events, look up."""
    result = await send(adapter, operation)
    while result.outcome is Outcome.PENDING:
        await lab.gateway.next()
        result = await adapter.look_up(operation)
    return result


def test_every_registered_adapter_has_a_case() -> None:
    assert set(CASES) == set(ADAPTERS)


every_offramp = pytest.mark.parametrize(
    "case",
    [CASES[name] for name in ADAPTERS if CASES[name].kind is Kind.PAYOUT],
    ids=lambda case: case.provider,
)
# Recipients that none of the offramps pays.
STRANGE: tuple[Recipient, ...] = (
    BankAccount(holder_name="Ada Obi"),
    MobileMoney(holder_name="Ada Obi", phone_number="", operator="MTN"),
    Wallet(holder_name="Ada Obi"),
)
# Nobody named to be paid, and of payers what only a provider's own test mode knows.
UNNAMED: dict[str, dict[str, Any]] = {
    "nobody": {"recipient": None},
    "a test card": {"recipient": None, "payment_method": "pm_card_visa"},
    "a test card that declines": {
        "recipient": None,
        "payment_method": "pm_card_visa_chargeDeclined",
    },
}


@every_adapter
@pytest.mark.parametrize("named", list(UNNAMED))
async def test_outside_a_sandbox_test_cards_and_payouts_to_nobody_are_refused_and_nobody_is_asked(
    case: Case, named: str
) -> None:
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=500)

    async with answering(answer, prepared=False, deployment=Deployment.LIVE) as adapters:
        adapter = adapters[case.provider]
        result = await send(adapter, case.operation(**UNNAMED[named]))

    assert (result.outcome, asked) == (Outcome.FAILED, [])
    assert result.failure
    assert result.failure.code in adapter.capabilities.definitive_failures
    assert result.failure.message


@every_offramp
@pytest.mark.parametrize("recipient", STRANGE, ids=lambda one: one.kind)
async def test_a_recipient_of_a_kind_that_it_does_not_pay_is_refused_and_nobody_is_asked(
    case: Case, recipient: Recipient
) -> None:
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=500)

    async with answering(answer, prepared=False) as adapters:
        adapter = adapters[case.provider]
        result = await send(adapter, case.operation(recipient=recipient))

    assert (result.outcome, asked) == (Outcome.FAILED, [])
    assert result.failure
    assert result.failure.code == "recipient_unsupported"
    assert result.failure.code in adapter.capabilities.definitive_failures


@every_adapter
async def test_kinds_are_those_of_its_methods(lab: Lab, case: Case) -> None:
    adapter = lab.adapters[case.provider]

    kinds = adapter.capabilities.kinds

    assert (Kind.COLLECTION in kinds) == isinstance(adapter, Onramp)
    assert (Kind.PAYOUT in kinds) == isinstance(adapter, Offramp)
    assert (Kind.REFUND in kinds) == isinstance(adapter, Refunder)


@every_adapter
async def test_an_operation_succeeds_with_its_exact_amount(lab: Lab, case: Case) -> None:
    for amount in case.amounts:
        operation = case.operation(amount=amount)

        result = await final(lab, lab.adapters[case.provider], operation)

        assert (result.outcome, result.amount) == (Outcome.SUCCEEDED, amount)
        assert result.provider_reference
        for line in await lab.book(operation.key):
            assert (line["amount_minor"], line["currency"]) == (
                amount.amount_minor,
                amount.currency,
            )


@every_adapter
async def test_the_same_key_twice_is_one_operation(lab: Lab, case: Case) -> None:
    adapter, operation = lab.adapters[case.provider], case.operation()

    first = await send(adapter, operation)
    second = await send(adapter, operation)

    assert first.provider_reference == second.provider_reference
    effects = [line["effect"] for line in await lab.book(operation.key)]
    assert effects.count(case.effect) == 1


@every_adapter
async def test_the_same_key_at_once_is_one_operation(lab: Lab, case: Case) -> None:
    adapter, operation = lab.adapters[case.provider], case.operation()

    results = await asyncio.gather(*(send(adapter, operation) for _ in range(8)))

    effects = [line["effect"] for line in await lab.book(operation.key)]
    assert effects.count(case.effect) == 1
    assert not [result for result in results if result.outcome is Outcome.FAILED]


@every_adapter
async def test_the_same_key_with_another_amount_is_unknown(lab: Lab, case: Case) -> None:
    adapter, operation = lab.adapters[case.provider], case.operation()
    await send(adapter, operation)

    result = await send(adapter, replace(operation, amount=case.amounts[2]))

    assert result.outcome is Outcome.UNKNOWN
    effects = [line["effect"] for line in await lab.book(operation.key)]
    assert effects.count(case.effect) == 1


@every_adapter
async def test_a_refusal_carries_its_reason(lab: Lab, case: Case) -> None:
    operation = case.operation(**case.refused_by)

    result = await final(lab, lab.adapters[case.provider], operation)

    assert result.outcome is Outcome.FAILED
    assert result.failure is not None
    assert result.failure.code == case.refusal_code
    assert result.failure.message


@every_adapter
async def test_a_refusal_is_the_same_when_looked_up(lab: Lab, case: Case) -> None:
    adapter, operation = lab.adapters[case.provider], case.operation(**case.refused_by)
    refused = await final(lab, adapter, operation)

    assert await adapter.look_up(operation) == refused


@every_adapter
async def test_a_success_is_found_by_key_and_by_reference(lab: Lab, case: Case) -> None:
    adapter, operation = lab.adapters[case.provider], case.operation()
    done = await final(lab, adapter, operation)

    by_key = await adapter.look_up(operation)
    by_reference = await adapter.look_up(
        replace(operation, provider_reference=done.provider_reference)
    )

    assert by_key == by_reference == done


@every_adapter
async def test_operation_that_was_never_sent_is_absent(lab: Lab, case: Case) -> None:
    result = await lab.adapters[case.provider].look_up(case.operation())

    assert result.outcome is Outcome.ABSENT


@every_adapter
async def test_a_provider_that_forgot_its_own_reference_proves_nothing(
    lab: Lab, case: Case
) -> None:
    operation = case.operation(provider_reference="known_once_1")

    result = await lab.adapters[case.provider].look_up(operation)

    assert result.outcome is Outcome.UNKNOWN
    assert result.failure is not None
    assert result.failure.code == "reference_unknown"


@every_adapter
async def test_its_events_are_believed_and_name_the_operation(lab: Lab, case: Case) -> None:
    adapter, operation = lab.adapters[case.provider], case.operation()
    await send(adapter, operation)

    event = adapter.read_webhook(await lab.gateway.next())

    assert (event.key, event.transaction_id) == (operation.key, operation.transaction_id)
    assert (event.kind, event.outcome, event.amount, event.signed) == (
        case.kind,
        Outcome.SUCCEEDED,
        operation.amount if case.events_name_the_key else None,
        True,
    )
