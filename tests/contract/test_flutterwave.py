"""Flutterwave's own rules, against the real simulator: balances that run out, references that are
taken once, false answers, and money that returns."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from services.providers.adapters.flutterwave import Flutterwave
from services.providers.domain import Operation, OperationResult, Outcome, Webhook
from services.providers.simulator.app import create_app
from services.providers.simulator.flutterwave_account import flutterwave_headers
from services.shared.money import Money
from services.shared.recipients import BankAccount, MobileMoney
from tests.contract.cases import CASES
from tests.contract.lab import (
    Gateway,
    Lab,
    adapters_at,
    answering,
    running_lab,
    serving,
    simulator_config,
)
from tests.contract.test_webhooks import NOW, adapter_at

CASE = CASES["flutterwave"]


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    async with running_lab(tmp_path / "book.jsonl") as lab:
        yield lab


def flutterwave(lab: Lab) -> Flutterwave:
    adapter = lab.adapters["flutterwave"]
    assert isinstance(adapter, Flutterwave)
    return adapter


async def ended(lab: Lab, operation: Operation) -> OperationResult:
    """The operation's end, once its next event has come."""
    await lab.gateway.next()
    return await flutterwave(lab).look_up(operation)


@pytest.mark.parametrize(
    "recipient",
    [
        BankAccount(holder_name="Ada Obi", account_number="0690000031", bank_code="044"),
        BankAccount(account_number="0690000031", bank_code="044"),
        MobileMoney(holder_name="Wanjiru Kamau", phone_number="+254709929220", operator="MPESA"),
    ],
)
async def test_every_kind_of_recipient_is_paid(
    lab: Lab, recipient: BankAccount | MobileMoney
) -> None:
    operation = CASE.operation(amount=Money(12_345, "KES"), recipient=recipient)

    await flutterwave(lab).send_payout(operation)

    assert (await ended(lab, operation)).outcome is Outcome.SUCCEEDED


async def test_a_balance_that_runs_out_fails_the_payout(tmp_path: Path) -> None:
    first, second = (CASE.operation(amount=Money(80_00, "NGN")) for _ in range(2))
    gateway = Gateway()
    async with serving(gateway.app()) as gateway_url:
        book = tmp_path / "book.jsonl"
        config = simulator_config(gateway_url, book)
        small = config.model_copy(update={"flutterwave_balance": 100})
        app = await create_app(small)
        async with serving(app) as url, adapters_at(url) as adapters:
            lab = Lab(url, adapters, gateway, book)
            ends = []
            for operation in (first, second):
                await flutterwave(lab).send_payout(operation)
                ends.append(await ended(lab, operation))

    assert [end.outcome for end in ends] == [Outcome.SUCCEEDED, Outcome.FAILED]
    assert ends[1].failure
    assert ends[1].failure.code == "insufficient_balance"


async def test_a_failed_transfer_keeps_its_reference(lab: Lab) -> None:
    operation = CASE.operation(reference="sim:payout_fails")
    await flutterwave(lab).send_payout(operation)
    failed = await ended(lab, operation)

    again = await flutterwave(lab).send_payout(operation)

    assert again == failed
    assert failed.outcome is Outcome.FAILED
    assert [line["effect"] for line in await lab.book(operation.key)] == [
        "payout_accepted",
        "payout_failed",
    ]


@pytest.mark.parametrize("word", ["sim:500_after", "sim:brownout"])
async def test_an_answer_of_5xx_is_unknown_and_asking_finds_out(lab: Lab, word: str) -> None:
    operation = CASE.operation(reference=word)

    sent = await flutterwave(lab).send_payout(operation)

    assert sent.outcome is Outcome.UNKNOWN
    if word == "sim:500_after":
        assert (await ended(lab, operation)).outcome is Outcome.SUCCEEDED
    else:
        await flutterwave(lab).look_up(operation)
        assert (await flutterwave(lab).look_up(operation)).outcome is Outcome.ABSENT


async def test_a_503_with_a_body_of_success_is_unknown() -> None:
    operation = CASE.operation()

    async def lie(request: web.Request) -> web.Response:
        return web.json_response(CASE.answer(CASE.success(operation), request), status=503)

    async with answering(lie) as adapters:
        adapter = adapters["flutterwave"]
        assert isinstance(adapter, Flutterwave)
        results = [await adapter.send_payout(operation), await adapter.look_up(operation)]

    assert [result.outcome for result in results] == [Outcome.UNKNOWN, Outcome.UNKNOWN]


async def test_a_failure_in_the_first_answer_is_read_back_before_it_counts() -> None:
    operation = CASE.operation()
    asked: list[str] = []
    failed = {"status": "FAILED", "complete_message": "DISBURSE FAILED: Invalid account number"}

    async def hasty(request: web.Request) -> web.Response:
        asked.append(f"{request.method} {request.path}")
        bare = CASE.success(operation)
        return web.json_response(CASE.wrap(bare | failed if request.method == "POST" else bare))

    async with answering(hasty) as adapters:
        adapter = adapters["flutterwave"]
        assert isinstance(adapter, Flutterwave)
        result = await adapter.send_payout(operation)

    assert result.outcome is Outcome.SUCCEEDED
    assert asked == ["POST /v3/transfers", "GET /v3/transfers/190626"]


@pytest.mark.parametrize(
    ("others", "code"),
    [
        ([{"id": 7, "reference": "of somebody else"}], "answer_invalid"),
        ([{"id": 7}, "nonsense"], "answer_invalid"),
        (None, "duplicate"),
    ],
)
async def test_a_list_is_believed_only_where_it_is_about_our_reference(
    others: list[object] | None, code: str
) -> None:
    operation = CASE.operation()
    found = others or [{"id": number, "reference": operation.key} for number in (7, 8)]

    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"status": "success", "message": "Fetched", "data": found})

    async with answering(answer) as adapters:
        result = await adapters["flutterwave"].look_up(operation)

    assert result.outcome is Outcome.UNKNOWN
    assert result.failure
    assert result.failure.code == code


async def test_a_returned_payout_is_a_failure_that_says_so(lab: Lab) -> None:
    operation = CASE.operation(reference="sim:late_fail=0")
    await flutterwave(lab).send_payout(operation)
    await lab.gateway.next()
    returned = await ended(lab, operation)

    assert returned.outcome is Outcome.FAILED
    assert returned.failure
    assert returned.failure.code == "payout_returned"
    assert [line["effect"] for line in await lab.book(operation.key)] == [
        "payout_accepted",
        "payout_completed",
        "payout_returned",
    ]


# Made with openssl.
SIGNED = b'{"event":"transfer.completed","data":{"id":1,"status":"SUCCESSFUL"}}'
SIGNATURE = "LudO1DR/wqAhIUS41bE1+qM1O5QaPMsnlXreA/7+uJE="


async def test_a_signature_made_with_openssl_is_accepted_and_the_simulator_makes_it_too() -> None:
    adapter = await adapter_at("flutterwave", NOW, FLUTTERWAVE_WEBHOOK_SECRETS="secret-hash")

    event = adapter.read_webhook(Webhook(headers={"flutterwave-signature": SIGNATURE}, body=SIGNED))

    assert event.event_id == "transfer.completed:1:SUCCESSFUL"
    assert flutterwave_headers(SIGNED, "secret-hash") == {
        "verif-hash": "secret-hash",
        "flutterwave-signature": SIGNATURE,
    }
