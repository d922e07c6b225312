"""Flutterwave's words and ours: amounts, requests, statuses, causes, events, and both proofs."""

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import ClientSession

from services.providers.adapters.flutterwave import Flutterwave, translate
from services.providers.adapters.flutterwave.amounts import to_number
from services.providers.adapters.kit.amounts import major_units
from services.providers.adapters.kit.bearer import write_object
from services.providers.adapters.kit.http import AnswerInvalid, read_object
from services.providers.config import Config
from services.providers.domain import (
    Failure,
    Kind,
    Operation,
    Outcome,
    Webhook,
    WebhookAuthentication,
    WebhookSignatureInvalid,
)
from services.shared.clock import SystemClock
from services.shared.deployment import Deployment
from services.shared.errors import Invalid
from services.shared.money import Money
from services.shared.recipients import BankAccount, MobileMoney, Recipient, Wallet
from tests.contract.lab import provider_environment
from tests.contract.providers.flutterwave import SECRET as FLUTTERWAVE_SECRET

OPERATION = Operation(
    provider="flutterwave",
    kind=Kind.PAYOUT,
    key="pay_1-payout-1",
    amount=Money(14_845_338, "NGN"),
    transaction_id="pay_1",
    reference="invoice 17",
)
ACCOUNT = BankAccount(holder_name="Ada Obi", account_number="0690000031", bank_code="044")


def mobile(phone_number: str, operator: str) -> MobileMoney:
    return MobileMoney(holder_name="Ada Obi", phone_number=phone_number, operator=operator)


# A key that is not a test key; it is used to speak with nobody.


async def adapter(*, deployment: Deployment = Deployment.SANDBOX, **variables: str) -> Flutterwave:
    config: Any = Config.load(provider_environment("http://127.0.0.1:1") | variables)
    config = config.model_copy(update={"deployment": deployment})
    async with ClientSession() as session:
        return Flutterwave(config, session, SystemClock())


def transfer(status: str, **changes: Any) -> dict[str, Any]:
    fields = {
        "id": 26251,
        "status": status,
        "amount": Decimal("148453.38"),
        "currency": "NGN",
        "reference": OPERATION.key,
        "complete_message": "",
    }
    return {**fields, **changes}


@pytest.mark.parametrize(
    ("money", "text"),
    [
        (Money(14_845_338, "NGN"), "148453.38"),
        (Money(1, "KES"), "0.01"),
        (Money(10**15, "GHS"), "10000000000000.00"),
        (Money(14_486, "UGX"), "14486"),
        (Money(14_486, "XOF"), "14486"),
        (Money(1_448_600, "TZS"), "14486"),
    ],
)
def test_amounts_are_major_units_to_the_digit_both_ways(money: Money, text: str) -> None:
    number = to_number(money)

    assert number is not None
    assert write_object({"amount": number}) == f'{{"amount": {text}}}'
    parsed = read_object(f'{{"amount": {text}}}'.encode(), exact=True)["amount"]
    assert major_units(parsed, money.currency) == money


@pytest.mark.parametrize("money", [Money(1_448_650, "TZS"), Money(100, "JPY"), Money(1, "KWD")])
def test_unpayable_amount_is_not_rounded(money: Money) -> None:
    assert to_number(money) is None


@pytest.mark.parametrize(
    "text",
    ["1.005", "-1.00", "1e400", "1e-400", "1E999999999", "1e15", '"1.00"', "true", "null", "[1]"],
)
def test_a_number_that_is_no_exact_amount_is_none(text: str) -> None:
    assert (
        major_units(read_object(f'{{"amount": {text}}}'.encode(), exact=True)["amount"], "NGN")
        is None
    )


@pytest.mark.parametrize("currency", ["ngn", "ZZZ", "", None, 566])
def test_an_amount_of_no_currency_is_none(currency: object) -> None:
    assert major_units(1, currency) is None


def test_a_long_binary_fraction_is_read_as_what_it_says() -> None:
    parsed = read_object(
        b'{"fee": 3.3000000000000003, "amount": 165, "big": 9999999999999.99}', exact=True
    )

    assert major_units(parsed["fee"], "XAF") is None
    assert major_units(parsed["amount"], "XAF") == Money(165, "XAF")
    assert major_units(parsed["big"], "NGN") == Money(999_999_999_999_999, "NGN")


@pytest.mark.parametrize(
    ("currency", "recipient", "bank", "number"),
    [
        ("NGN", ACCOUNT, "044", "0690000031"),
        ("GHS", mobile("+233551234987", "MTN"), "MTN", "233551234987"),
        ("GHS", mobile("+233201234987", "TELECEL"), "VODAFONE", "233201234987"),
        ("GHS", mobile("+233271234987", "AIRTELTIGO"), "TIGO", "233271234987"),
        ("KES", mobile("+254709929220", "MPESA"), "MPS", "254709929220"),
        ("KES", mobile("+254733123456", "AIRTEL"), "MPX", "254733123456"),
        ("UGX", mobile("+256772123456", "MTN"), "MPS", "256772123456"),
    ],
)
def test_accounts_at_banks_and_at_mobile_networks_are_one_request(
    currency: str, recipient: Recipient, bank: str, number: str
) -> None:
    operation = replace(OPERATION, amount=Money(14_845_338, currency))
    account = translate.account_of(recipient, currency)
    assert account

    body = translate.transfer_body(operation, account, Decimal("148453.38"))

    assert body == {
        "account_bank": bank,
        "account_number": number,
        "amount": Decimal("148453.38"),
        "currency": currency,
        "debit_currency": currency,
        "reference": OPERATION.key,
        "narration": "invoice 17",
        "meta": {"transaction_id": "pay_1"},
        "beneficiary_name": "Ada Obi",
    }


def test_a_narration_is_never_empty_nor_too_long() -> None:
    account = translate.account_of(ACCOUNT, "NGN")
    assert account
    bodies = [
        translate.transfer_body(replace(OPERATION, reference=words), account, Decimal(1))
        for words in ("", "x" * 200)
    ]

    assert [body["narration"] for body in bodies] == ["pay_1", "x" * 100]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"amount": Money(1_448_650, "TZS")}, "amount_unsupported"),
        ({"amount": Money(100, "JPY")}, "currency_unsupported"),
        ({}, "recipient_missing"),
        ({"recipient": Wallet(holder_name="Ada Obi", wallet_id="1")}, "recipient_unsupported"),
        ({"recipient": mobile("+2348012345678", "MTN")}, "recipient_unsupported"),
        ({"recipient": BankAccount(iban="DE89370400440532013000")}, "recipient_unsupported"),
    ],
)
async def test_unpayable_payout_is_refused_before_any_request(
    changes: dict[str, Any], code: str
) -> None:
    flutterwave = await adapter(deployment=Deployment.LIVE)

    # Its session is closed: had it asked, this would not come back.
    result = await flutterwave.send_payout(replace(OPERATION, **changes))

    assert (result.outcome, result.failure and result.failure.code) == (Outcome.FAILED, code)
    assert code in flutterwave.capabilities.definitive_failures


@pytest.mark.parametrize(
    ("answer", "outcome", "code"),
    [
        (transfer("NEW"), Outcome.PENDING, None),
        (transfer("PENDING"), Outcome.PENDING, None),
        (transfer("SUCCESSFUL"), Outcome.SUCCEEDED, None),
        (transfer("successful"), Outcome.UNKNOWN, "unknown_status"),
        (transfer("some_new_status"), Outcome.UNKNOWN, "unknown_status"),
        (transfer("SUCCESSFUL", amount=Decimal("148453.37")), Outcome.UNKNOWN, "amount_mismatch"),
        (transfer("SUCCESSFUL", currency="GHS"), Outcome.UNKNOWN, "amount_mismatch"),
        (transfer("FAILED", amount=1), Outcome.UNKNOWN, "amount_mismatch"),
        (transfer("SUCCESSFUL", reference="other"), Outcome.UNKNOWN, "reference_mismatch"),
    ],
)
def test_every_status_has_its_outcome(
    answer: dict[str, Any], outcome: Outcome, code: str | None
) -> None:
    result = translate.read_transfer(OPERATION, answer)

    assert result.outcome is outcome
    assert (result.failure.code if result.failure else None) == code
    assert result.provider_reference == "26251"


@pytest.mark.parametrize(
    ("cause", "code"),
    [
        ("DISBURSE FAILED: Insufficient funds in customer wallet", "insufficient_balance"),
        ("DISBURSE FAILED: Insufficient funds in customer balance", "insufficient_balance"),
        ("DISBURSE FAILED: Insufficient funds", "insufficient_balance"),
        ("DISBURSE FAILED: Invalid account number", "recipient_account_invalid"),
        ("DISBURSE FAILED: Invalid transfer amount. Minimum is 100", "amount_invalid"),
        ("DISBURSE FAILED: You can only spend EUR 100.00 at once", "limit_exceeded"),
        (
            "DISBURSE FAILED: You have exceeded your daily limit for this product",
            "limit_exceeded",
        ),
        ("DISBURSE FAILED: Transaction reversed", "payout_returned"),
        ("disburse failed:  invalid  account number.", "recipient_account_invalid"),
    ],
)
def test_a_known_cause_makes_a_failure_definitive(cause: str, code: str) -> None:
    result = translate.read_transfer(OPERATION, transfer("FAILED", complete_message=cause))

    assert result.outcome is Outcome.FAILED
    assert result.failure == Failure(code, cause)
    assert code in translate.DEFINITIVE_FAILURES


@pytest.mark.parametrize(
    "cause",
    [
        "",
        "DISBURSE FAILED: ",
        "DISBURSE FAILED: Timed out",
        "DISBURSE FAILED: Insufficient funds, but it may go through",
        "the account number is not an invalid account number",
        None,
        7,
    ],
)
def test_any_other_cause_is_unknown(cause: object) -> None:
    result = translate.read_transfer(OPERATION, transfer("FAILED", complete_message=cause))

    assert result.outcome is Outcome.UNKNOWN
    assert result.failure
    assert result.failure.code == "failure_unknown"


@pytest.mark.parametrize("number", ["26251", 0, -1, True, None, 10**18, Decimal("1.0")])
def test_transfer_without_a_valid_id_is_refused(number: object) -> None:
    with pytest.raises(AnswerInvalid):
        translate.read_transfer(OPERATION, transfer("SUCCESSFUL", id=number))


def event(**data: Any) -> bytes:
    parsed = {"id": 26251, "reference": OPERATION.key, "amount": 148453.38, "currency": "NGN"}
    body = {"event": "transfer.completed", "event.type": "Transfer", "data": {**parsed, **data}}
    return json.dumps(body).encode()


def test_a_failure_inside_transfer_completed_is_a_failure() -> None:
    cause = "DISBURSE FAILED: Insufficient funds in customer wallet"
    meta = {"transaction_id": "pay_1"}

    read = translate.read_event(event(status="FAILED", complete_message=cause, meta=meta))

    assert (read.kind, read.outcome, read.key) == (Kind.PAYOUT, Outcome.FAILED, OPERATION.key)
    assert (read.transaction_id, read.provider_reference) == ("pay_1", "26251")
    assert (read.amount, read.failure) == (
        OPERATION.amount,
        Failure("insufficient_balance", cause),
    )


@pytest.mark.parametrize(
    ("data", "outcome", "code"),
    [
        ({"status": "SUCCESSFUL"}, Outcome.SUCCEEDED, ""),
        ({"status": "PENDING"}, Outcome.PENDING, ""),
        (
            {"status": "FAILED", "complete_message": "who knows"},
            Outcome.UNKNOWN,
            "failure_unknown",
        ),
        ({"status": "zebra", "meta": []}, Outcome.UNKNOWN, "unknown_status"),
    ],
)
def test_an_event_hints_at_what_it_says(data: dict[str, Any], outcome: Outcome, code: str) -> None:
    read = translate.read_event(event(**data))

    assert (read.outcome, read.transaction_id) == (outcome, "")
    assert (read.failure.code if read.failure else "") == code


def test_each_status_of_a_transfer_is_an_event_of_its_own() -> None:
    statuses = ("SUCCESSFUL", "FAILED", "SUCCESSFUL")
    ids = [translate.read_event(event(status=status)).event_id for status in statuses]

    assert ids[0] == ids[2]
    assert ids[0] != ids[1]


def test_an_event_about_none_of_ours_keeps_its_type_only() -> None:
    charge = json.dumps({"event": "charge.completed", "data": {"id": 1, "reference": "r"}})

    for body in (charge.encode(), event(reference=None)):
        read = translate.read_event(body)
        assert (read.kind, read.key, read.transaction_id) == (None, "", "")


@pytest.mark.parametrize("data", [None, [], {}, {"id": "1"}, {"id": True}])
def test_an_event_without_its_data_is_invalid(data: object) -> None:
    with pytest.raises(Invalid):
        translate.read_event(json.dumps({"event": "transfer.completed", "data": data}).encode())


async def test_the_secret_hash_is_a_proof_only_where_it_is_the_scheme() -> None:
    webhook = Webhook(headers={"verif-hash": FLUTTERWAVE_SECRET}, body=event(status="SUCCESSFUL"))
    by_hash = await adapter(FLUTTERWAVE_WEBHOOK_SCHEME="verif_hash")
    by_signature = await adapter(FLUTTERWAVE_WEBHOOK_SCHEME="signature")

    assert by_hash.read_webhook(webhook).outcome is Outcome.SUCCEEDED
    with pytest.raises(WebhookSignatureInvalid):
        by_signature.read_webhook(webhook)


@pytest.mark.parametrize("given", ["", "x", FLUTTERWAVE_SECRET[:-1], f"{FLUTTERWAVE_SECRET} ", "ž"])
async def test_any_other_hash_is_refused(given: str) -> None:
    flutterwave = await adapter(FLUTTERWAVE_WEBHOOK_SCHEME="verif_hash")

    with pytest.raises(WebhookSignatureInvalid):
        flutterwave.read_webhook(
            Webhook(headers={"verif-hash": given}, body=event(status="SUCCESSFUL"))
        )


async def test_two_secret_hashes_may_be_active() -> None:
    flutterwave = await adapter(
        FLUTTERWAVE_WEBHOOK_SCHEME="verif_hash", FLUTTERWAVE_WEBHOOK_SECRETS="old,new"
    )

    for secret in ("old", "new"):
        webhook = Webhook(headers={"verif-hash": secret}, body=event(status="SUCCESSFUL"))
        assert flutterwave.read_webhook(webhook).signed


async def test_the_record_says_which_proof_it_takes_and_that_none_is_evidence() -> None:
    by_hash = await adapter(FLUTTERWAVE_WEBHOOK_SCHEME="")
    by_signature = await adapter(FLUTTERWAVE_WEBHOOK_SCHEME="signature")

    schemes = [one.capabilities.webhook_authentication for one in (by_hash, by_signature)]

    assert schemes == [WebhookAuthentication.SHARED_VALUE, WebhookAuthentication.BODY_SIGNATURE]
    assert not by_hash.capabilities.event_is_evidence
    assert not by_signature.capabilities.event_is_evidence
