"""Paystack, as the contract suite knows it."""

from services.providers.adapters.paystack import refusals
from services.providers.domain import Kind, Operation
from services.providers.simulator import paystack_refusals as theirs
from services.providers.simulator.paystack_api import paystack_headers
from services.shared.money import Money
from services.shared.recipients import BankAccount
from tests.contract.facts import ATTEMPT, Case, Facts, Json, Refusals, Scheme

KEY = "sk_test_contract_paystack_77a1"


def _transfer(operation: Operation) -> Json:
    return {
        "id": 14,
        "transfer_code": "TRF_1",
        "reference": operation.key,
        "amount": operation.amount.amount_minor,
        "currency": operation.amount.currency,
        "status": "success",
    }


def _said(refusal: tuple[int, str, str, str]) -> str:
    status, code, words, _ = refusal
    return " ".join(part for part in (str(status), code, words) if part)


_ALL = (*theirs.RECIPIENT_REFUSALS, *theirs.TRANSFER_REFUSALS)

FACTS = Facts(
    case=Case(
        provider="paystack",
        kind=Kind.PAYOUT,
        amounts=(
            Money(14_486_050, "NGN"),
            Money(1, "ZAR"),
            Money(10**12, "NGN"),
            Money(99_999, "GHS"),
            Money(250_000, "KES"),
        ),
        refused_by={"reference": "invoice 17 sim:payout_fails"},
        refusal_code="payout_failed",
        effect="payout_accepted",
        success=_transfer,
        amount_field="amount",
        other_currency="EUR",
        error=lambda code: {
            "status": False,
            "message": "No.",
            "type": "validation_error",
            "code": code,
        },
        id_field="transfer_code",
        recipient=BankAccount(holder_name="Ada Obi", account_number="0690000032", bank_code="044"),
        wrap=lambda transfer: {"status": True, "message": "Transfer retrieved", "data": transfer},
        preparations={
            "/transferrecipient": {
                "status": True,
                "message": "Transfer recipient created successfully",
                "data": {"recipient_code": "RCP_1"},
            }
        },
    ),
    scheme=Scheme(
        sign=lambda body, secret, _: paystack_headers(body, secret),
        secret=KEY,
        variable="PAYSTACK_WEBHOOK_SECRETS",
        body=b'{"event": "transfer.success", "data": {"id": 1}}',
        timed=False,
    ),
    event={
        "event": "transfer.failed",
        "data": {
            "id": 1,
            "status": "failed",
            "reference": ATTEMPT.replace("_payout_", "-payout-"),
            "amount": 150,
            "currency": "NGN",
            "transfer_code": "TRF_1",
            "reason": "no",
            "recipient": {"details": {"account_name": None}},
        },
    },
    sandbox={
        "PAYSTACK_BASE_URL": "{url}",
        "PAYSTACK_API_KEY": KEY,
        "PAYSTACK_WEBHOOK_SECRETS": KEY,
    },
    live={
        "PAYSTACK_API_KEY": "sk_live_2",
        "PAYSTACK_BASE_URL": "",
        "PAYSTACK_WEBHOOK_SECRETS": "sk_live_2, sk_live_1",
    },
    simulator={"PAYSTACK_API_KEY": KEY},
    refusals=Refusals(
        prepare=[_said(one) for one in theirs.RECIPIENT_REFUSALS],
        send=[_said(one) for one in theirs.TRANSFER_REFUSALS],
        settle=theirs.FAILURES,
        tables=[
            (refusals.REFUSED_CODES, [code for _, code, *_ in _ALL]),
            (refusals.REFUSALS, [words for status, _, words, _ in _ALL if status != 401]),
            (refusals.KEY_REFUSALS, [words for status, _, words, _ in _ALL if status == 401]),
        ],
    ),
    secrets=(KEY,),
)
