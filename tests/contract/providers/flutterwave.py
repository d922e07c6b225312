"""Flutterwave, as the contract suite knows it."""

from services.providers.adapters.flutterwave import refusals
from services.providers.domain import Kind, Operation
from services.providers.simulator import flutterwave_refusals as theirs
from services.providers.simulator.flutterwave_account import flutterwave_headers
from services.shared.money import Money
from services.shared.recipients import BankAccount
from tests.contract.facts import ATTEMPT, Case, Facts, Json, Refusals, Scheme

KEY = "FLWSECK_TEST-contract-5c10e8-X"
SECRET = "contract-flutterwave-hash-b3f2"


def _transfer(operation: Operation) -> Json:
    return {
        "id": 190_626,
        "reference": operation.key,
        "amount": float(operation.amount.decimal),
        "currency": operation.amount.currency,
        "status": "SUCCESSFUL",
        "complete_message": "Transaction was successful",
    }


FACTS = Facts(
    case=Case(
        provider="flutterwave",
        kind=Kind.PAYOUT,
        amounts=(
            Money(1_484_533, "NGN"),
            Money(1, "KES"),
            Money(14_486, "UGX"),
            Money(99_999_999_999_999, "NGN"),
            Money(30, "GHS"),
        ),
        refused_by={"reference": "invoice 17 sim:payout_fails"},
        refusal_code="recipient_account_invalid",
        effect="payout_accepted",
        success=_transfer,
        amount_field="amount",
        other_currency="EUR",
        error=lambda code: {"status": "error", "message": code, "data": None},
        wrap=lambda transfer: {"status": "success", "message": "Fetched", "data": transfer},
        wrap_found=lambda transfer: {"status": "success", "message": "Fetched", "data": [transfer]},
        recipient=BankAccount(holder_name="Ada Obi", account_number="0690000032", bank_code="044"),
        # A whole amount may well come as 100.0; only a part of the smallest unit may not.
        malformed_by=0.001,
    ),
    scheme=Scheme(
        sign=lambda body, secret, _: flutterwave_headers(body, secret),
        secret=SECRET,
        variable="FLUTTERWAVE_WEBHOOK_SECRETS",
        body=b'{"event": "transfer.completed", "data": {"id": 1, "status": "SUCCESSFUL"}}',
        timed=False,
    ),
    event={
        "event": "transfer.completed",
        "data": {
            "id": 1,
            "status": "FAILED",
            "reference": ATTEMPT,
            "amount": 1.5,
            "currency": "NGN",
            "complete_message": "DISBURSE FAILED: no",
            "meta": {"transaction_id": "pay_1"},
        },
    },
    sandbox={
        "FLUTTERWAVE_BASE_URL": "{url}/v3",
        "FLUTTERWAVE_API_KEY": KEY,
        "FLUTTERWAVE_WEBHOOK_SECRETS": SECRET,
        "FLUTTERWAVE_WEBHOOK_SCHEME": "signature",
    },
    live={
        "FLUTTERWAVE_API_KEY": "FLWSECK-1-X",
        "FLUTTERWAVE_BASE_URL": "",
        "FLUTTERWAVE_WEBHOOK_SCHEME": "signature",
    },
    simulator={"FLUTTERWAVE_API_KEY": KEY, "FLUTTERWAVE_WEBHOOK_SECRET": SECRET},
    refusals=Refusals(
        send=[f"{status} {words}" for status, words in theirs.REFUSALS],
        settle=theirs.FAILURES,
        tables=[
            (refusals.REFUSALS, [words for status, words in theirs.REFUSALS if status == 400]),
            (refusals.KEY_REFUSALS, [words for status, words in theirs.REFUSALS if status == 401]),
            (
                refusals.FAILURES,
                [one.removeprefix(theirs.ADMITTED) for one in (*theirs.FAILURES, theirs.REVERSED)],
            ),
        ],
    ),
    secrets=(KEY, SECRET),
)
