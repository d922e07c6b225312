"""The conversation with Paystack, call by call: the calls that were made and those that were not,
when a refusal is definitive, and what each status means. The promises of every adapter are in
test_adapters."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from services.providers.adapters import ADAPTERS
from services.providers.adapters.kit.http import open_session
from services.providers.config import Config
from services.providers.domain import Operation, Outcome, Webhook
from services.providers.simulator.paystack_api import paystack_headers
from services.shared.clock import SystemClock
from services.shared.deployment import Deployment
from services.shared.money import Money
from services.shared.recipients import BankAccount, MobileMoney, Recipient
from tests.contract.cases import CASES, send
from tests.contract.lab import answering, provider_environment, serving
from tests.contract.test_webhooks import NOW, adapter_at

CASE = CASES["paystack"]
RECIPIENTS, TRANSFERS, VERIFY = "/transferrecipient", "/transfer", "/transfer/verify"
ADA = BankAccount(holder_name="Ada Obi", account_number="0690000031", bank_code="044")
Answer = tuple[int, Any]
RECIPIENT_MADE: Answer = (201, {"status": True, "data": {"recipient_code": "RCP_1"}})
ABSENT: Answer = (404, {"status": False, "message": "Transfer not found"})


def bank(**codes: str) -> BankAccount:
    return BankAccount(holder_name="Ada Obi", account_number="0690000031", **codes)


def mobile(phone_number: str, operator: str) -> MobileMoney:
    return MobileMoney(holder_name="Ada Obi", phone_number=phone_number, operator=operator)


def refusal(code: str, error_type: str = "validation_error", status: int = 400) -> Answer:
    return status, {"status": False, "message": "No.", "type": error_type, "code": code}


def transfer(operation: Operation, **changes: Any) -> Answer:
    return 200, CASE.wrap({**CASE.success(operation), **changes})


@dataclass
class Script:
    """Answers each path with what is written for it, and keeps what was asked."""

    answers: Mapping[str, Answer]
    asked: list[str] = field(default_factory=list)
    bodies: dict[str, Any] = field(default_factory=dict)

    async def answer(self, request: web.Request) -> web.Response:
        path = VERIFY if request.path.startswith(VERIFY) else request.path
        self.asked.append(path)
        if request.can_read_body:
            self.bodies[path] = await request.json()
        status, body = self.answers[path]
        if isinstance(body, bytes):
            return web.Response(status=status, body=body)
        return web.json_response(body, status=status)


@asynccontextmanager
async def scripted(script: Script, **changes: object) -> AsyncIterator[Any]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", script.answer)
    async with serving(app) as url, open_session() as session:
        config = Config.load(provider_environment(url)).model_copy(update=changes)
        yield ADAPTERS["paystack"].open(config, session, SystemClock())


@pytest.mark.parametrize(
    ("status", "outcome", "code"),
    [
        ("success", Outcome.SUCCEEDED, None),
        ("pending", Outcome.PENDING, None),
        ("received", Outcome.PENDING, None),
        ("otp", Outcome.PENDING, "otp_required"),
        ("failed", Outcome.FAILED, "payout_failed"),
        ("reversed", Outcome.FAILED, "payout_returned"),
        ("abandoned", Outcome.FAILED, "payout_abandoned"),
        ("blocked", Outcome.FAILED, "payout_blocked"),
        ("rejected", Outcome.FAILED, "payout_rejected"),
        ("SUCCESS", Outcome.UNKNOWN, "unknown_status"),
        ("queued", Outcome.UNKNOWN, "unknown_status"),
    ],
)
async def test_each_status_means_one_outcome(
    status: str, outcome: Outcome, code: str | None
) -> None:
    operation = CASE.operation()
    stated = transfer(operation, status=status)
    script = Script({RECIPIENTS: RECIPIENT_MADE, TRANSFERS: stated, VERIFY: stated})

    async with scripted(script) as paystack:
        results = [await paystack.send_payout(operation), await paystack.look_up(operation)]

    for result in results:
        assert result.outcome is outcome
        assert (result.failure.code if result.failure else None) == code
        assert result.provider_reference == "TRF_1"


@pytest.mark.parametrize(
    ("currency", "recipient", "account"),
    [
        ("NGN", bank(bank_code="044"), ("nuban", "044", "0690000031")),
        ("ZAR", bank(branch_code="632005"), ("basa", "632005", "0690000031")),
        ("GHS", bank(bank_code="030100"), ("ghipss", "030100", "0690000031")),
        ("KES", bank(bank_code="68"), ("kepss", "68", "0690000031")),
        ("GHS", mobile("+233551234987", "MTN"), ("mobile_money", "MTN", "0551234987")),
        ("GHS", mobile("+233201234987", "TELECEL"), ("mobile_money", "VOD", "0201234987")),
        ("GHS", mobile("+233271234987", "AIRTELTIGO"), ("mobile_money", "ATL", "0271234987")),
        ("KES", mobile("+254710000000", "MPESA"), ("mobile_money", "MPESA", "0710000000")),
        # As it was given before recipients had kinds.
        ("GHS", mobile("0551234987", "MTN"), ("mobile_money", "MTN", "0551234987")),
    ],
)
async def test_a_payout_is_a_recipient_and_then_a_transfer_to_it(
    currency: str, recipient: Recipient, account: tuple[str, str, str]
) -> None:
    recipient_type, code, number = account
    operation = CASE.operation(amount=Money(12_345, currency), recipient=recipient)
    script = Script({RECIPIENTS: RECIPIENT_MADE, TRANSFERS: transfer(operation)})

    async with scripted(script) as paystack:
        await paystack.send_payout(operation)

    assert script.asked == [RECIPIENTS, TRANSFERS]
    assert script.bodies[RECIPIENTS] == {
        "type": recipient_type,
        "name": "Ada Obi",
        "account_number": number,
        "bank_code": code,
        "currency": currency,
    }
    assert script.bodies[TRANSFERS] == {
        "source": "balance",
        "amount": 12_345,
        "currency": currency,
        "recipient": "RCP_1",
        "reference": operation.key,
        "reason": "invoice 17",
    }


async def test_a_currency_that_it_does_not_pay_is_refused_without_asking() -> None:
    script = Script({})

    async with scripted(script) as paystack:
        result = await paystack.send_payout(CASE.operation(amount=Money(100, "MXN")))

    assert (result.outcome, script.asked) == (Outcome.FAILED, [])
    assert result.failure
    assert result.failure.code == "currency_unsupported"


@pytest.mark.parametrize("deployment", list(Deployment))
async def test_nobody_is_paid_by_default(deployment: Deployment) -> None:
    script = Script({})

    async with scripted(script, deployment=deployment) as paystack:
        result = await paystack.send_payout(CASE.operation(recipient=None))

    assert (result.outcome, script.asked) == (Outcome.FAILED, [])
    assert result.failure
    assert result.failure.code == "recipient_missing"


@pytest.mark.parametrize(
    ("code", "ours"),
    [
        ("invalid_bank_code", "recipient_bank_unknown"),
        ("invalid_params", "recipient_invalid"),
        ("zebra_crossing", "recipient_invalid"),
    ],
)
async def test_a_refused_recipient_is_definitive_when_no_transfer_is_known(
    code: str, ours: str
) -> None:
    script = Script({RECIPIENTS: refusal(code), VERIFY: ABSENT})

    async with scripted(script) as paystack:
        result = await paystack.send_payout(CASE.operation(recipient=ADA))

    assert result.outcome is Outcome.REFUSED
    assert result.failure
    assert (result.failure.code, result.failure.message) == (ours, "No.")
    assert script.asked == [RECIPIENTS, VERIFY]


async def test_an_insufficient_balance_is_definitive_when_no_transfer_is_known() -> None:
    refused = refusal("insufficient_balance", "api_error")
    script = Script({RECIPIENTS: RECIPIENT_MADE, TRANSFERS: refused, VERIFY: ABSENT})

    async with scripted(script) as paystack:
        result = await paystack.send_payout(CASE.operation())

    assert result.outcome is Outcome.REFUSED
    assert result.failure
    assert result.failure.code == "insufficient_balance"


@pytest.mark.parametrize("step", [RECIPIENTS, TRANSFERS])
@pytest.mark.parametrize("code", ["duplicate_transfer_reference", "insufficient_balance"])
@pytest.mark.parametrize("status", ["pending", "success"])
async def test_no_refusal_is_believed_over_a_transfer_that_an_earlier_try_made(
    step: str, code: str, status: str
) -> None:
    operation = CASE.operation()
    answers = {
        RECIPIENTS: RECIPIENT_MADE,
        VERIFY: transfer(operation, status=status),
        step: refusal(code),
    }

    async with scripted(Script(answers)) as paystack:
        result = await paystack.send_payout(operation)
        found = await paystack.look_up(operation)

    assert result == found
    assert result.outcome in (Outcome.PENDING, Outcome.SUCCEEDED)


async def test_a_refusal_is_unknown_while_nobody_can_be_asked() -> None:
    answers = {
        RECIPIENTS: RECIPIENT_MADE,
        TRANSFERS: refusal("insufficient_balance"),
        VERIFY: refusal("rate_limited", status=429),
    }

    async with scripted(Script(answers)) as paystack:
        result = await paystack.send_payout(CASE.operation())

    assert result.outcome is Outcome.UNKNOWN
    assert result.failure
    assert result.failure.code == "rate_limited"


async def test_a_duplicate_that_is_not_to_be_found_is_unknown() -> None:
    duplicate = refusal("duplicate_transfer_reference")
    script = Script({RECIPIENTS: RECIPIENT_MADE, TRANSFERS: duplicate, VERIFY: ABSENT})

    async with scripted(script) as paystack:
        result = await paystack.send_payout(CASE.operation())

    assert result.outcome is Outcome.UNKNOWN
    assert result.failure
    assert result.failure.code == "reference_reused"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (refusal("invalid_Key", status=401), "provider_unauthenticated"),
        (refusal("zebra", "api_error"), "request_refused"),
        (refusal("zebra", status=429), "rate_limited"),
        (refusal("zebra", status=500), "provider_fault"),
        ((500, b"<html>"), "provider_fault"),
        ((201, {"status": True, "data": {}}), "answer_invalid"),
        ((201, {"status": False, "data": {"recipient_code": "RCP_1"}}), "answer_invalid"),
        ((201, b"RCP_1"), "answer_invalid"),
        ((302, b""), "answer_invalid"),
    ],
)
async def test_without_a_recipient_nothing_was_sent(answer: Answer, code: str) -> None:
    script = Script({RECIPIENTS: answer})

    async with scripted(script) as paystack:
        result = await paystack.send_payout(CASE.operation())

    assert (result.outcome, script.asked) == (Outcome.NOT_SENT, [RECIPIENTS])
    assert result.failure
    assert result.failure.code == code


@pytest.mark.parametrize(
    "answer",
    [
        (404, b"<html>"),
        (404, {"message": "Transfer not found"}),
        (404, {"status": False, "message": "Route not found"}),
        (200, {"status": False, "message": "Transfer not found"}),
        (500, {"status": False, "message": "Transfer not found"}),
    ],
)
async def test_only_paystacks_own_words_are_absence(answer: Answer) -> None:
    async with scripted(Script({VERIFY: answer})) as paystack:
        result = await paystack.look_up(CASE.operation())

    assert result.outcome is Outcome.UNKNOWN


# Made with openssl.
SIGNED = b'{"event":"transfer.completed","data":{"id":1,"status":"SUCCESSFUL"}}'
SIGNATURE = (
    "3b3c4a98bbb882541c23057eb134059caa40c7fc031f54529e8849dce558e1b0"
    "48b7ece743ebba5bec77caf5c6efc219555892a25bce276c255985f7749be6b1"
)


async def test_a_signature_made_with_openssl_is_accepted_and_the_simulator_makes_it_too() -> None:
    adapter = await adapter_at("paystack", NOW, PAYSTACK_WEBHOOK_SECRETS="sk_test_x")
    headers = {"x-paystack-signature": SIGNATURE}

    event = adapter.read_webhook(Webhook(headers=headers, body=SIGNED))

    assert event.event_id == "transfer.completed:1"
    assert paystack_headers(SIGNED, "sk_test_x") == headers


@pytest.mark.parametrize("status", [429, 503])
async def test_it_is_left_alone_where_only_the_recipient_was_asked_for(
    status: int,
) -> None:
    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=status, headers={"retry-after": "17"})

    operation = CASE.operation()
    async with answering(refuse, prepared=False) as adapters:
        result = await send(adapters["paystack"], operation)

    assert (result.outcome, result.retry_after_seconds) == (Outcome.NOT_SENT, 17)
