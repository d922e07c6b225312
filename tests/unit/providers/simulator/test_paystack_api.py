"""The simulator's Paystack: recipients that outlive a restart, and what it refuses. The
adapter's reading of its answers is in tests/contract."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from services.providers.adapters.paystack import Paystack
from services.providers.domain import Operation, OperationResult, Outcome
from services.shared.money import Money
from services.shared.recipients import BankAccount
from tests.contract.cases import CASES
from tests.contract.lab import Lab, running_lab
from tests.contract.providers.paystack import KEY as PAYSTACK_KEY

CASE = CASES["paystack"]
ADA = BankAccount(holder_name="Ada Obi", account_number="0690000031", bank_code="044")


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    async with running_lab(tmp_path / "book.jsonl") as lab:
        yield lab


async def paid_out(lab: Lab, operation: Operation) -> OperationResult:
    paystack = lab.adapters["paystack"]
    assert isinstance(paystack, Paystack)
    return await paystack.send_payout(operation)


async def everything(lab: Lab) -> list[dict[str, Any]]:
    async with ClientSession() as session, session.get(f"{lab.url}/book") as answer:
        lines: list[dict[str, Any]] = await answer.json()
        return lines


async def test_the_same_account_is_one_recipient_also_after_a_restart(tmp_path: Path) -> None:
    book = tmp_path / "book.jsonl"
    for _ in range(2):
        async with running_lab(book) as lab:
            await paid_out(lab, CASE.operation(recipient=ADA))
            effects = [line["effect"] for line in await everything(lab)]

    assert effects.count("recipient_created") == 1
    assert effects.count("payout_accepted") == 2


async def test_the_simulators_balance_can_run_out(lab: Lab) -> None:
    result = await paid_out(lab, CASE.operation(amount=Money(10**12 + 1, "NGN")))

    assert result.outcome is Outcome.REFUSED
    assert result.failure
    assert result.failure.code == "insufficient_balance"


async def test_the_simulator_makes_no_recipient_of_nonsense(lab: Lab) -> None:
    nobody = replace(ADA, account_number="not a number")

    result = await paid_out(lab, CASE.operation(recipient=nobody))

    assert result.outcome is Outcome.REFUSED
    assert result.failure
    assert result.failure.code == "recipient_account_invalid"


async def test_the_simulator_refuses_another_key(lab: Lab) -> None:
    headers = {"authorization": "Bearer sk_test_nobody"}

    async with (
        ClientSession() as session,
        session.get(f"{lab.url}/transfer/verify/{'x' * 16}", headers=headers) as answer,
    ):
        assert answer.status == 401


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("/transferrecipient", {"type": "nuban", "currency": "ZAR"}, "Type is not available"),
        ("/transfer", {"source": "card"}, "Source must be"),
        ("/transfer", {"source": "balance", "amount": 1.5}, "Amount must be"),
        ("/transfer", {"source": "balance", "amount": 1, "reference": "SHORT"}, "Your reference"),
        ("/transfer", {"source": "balance", "amount": 1, "reference": "x" * 51}, "Your reference"),
    ],
)
async def test_it_refuses_what_paystack_refuses(
    lab: Lab, path: str, body: dict[str, Any], message: str
) -> None:
    headers = {"authorization": f"Bearer {PAYSTACK_KEY}"}

    async with (
        ClientSession() as session,
        session.post(f"{lab.url}{path}", json=body, headers=headers) as answer,
    ):
        refusal = await answer.json()

    assert (answer.status, refusal["status"], refusal["type"]) == (400, False, "validation_error")
    assert refusal["message"].startswith(message)


async def test_a_transfer_to_nobody_is_refused(lab: Lab) -> None:
    headers = {"authorization": f"Bearer {PAYSTACK_KEY}"}
    body = {"source": "balance", "amount": 1, "reference": "x" * 16, "recipient": "RCP_nobody"}

    async with (
        ClientSession() as session,
        session.post(f"{lab.url}/transfer", json=body, headers=headers) as answer,
    ):
        assert answer.status == 404
