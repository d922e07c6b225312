"""The wallet, as the contract suite knows it."""

from services.providers.adapters.local_wallet import translate
from services.providers.domain import Kind, Operation
from services.providers.simulator import local_wallet_refusals as theirs
from services.providers.simulator.local_wallet_api import standard_headers
from services.shared.money import Money
from services.shared.recipients import Wallet
from tests.contract.facts import ATTEMPT, Case, Facts, Json, Refusals, Scheme

KEY = "wallet_contract_91bc"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def _payout(operation: Operation) -> Json:
    return {
        "id": "lwp_1",
        "reference": operation.key,
        "amount_minor": operation.amount.amount_minor,
        "currency": operation.amount.currency,
        "status": "completed",
    }


FACTS = Facts(
    case=Case(
        provider="local_wallet",
        kind=Kind.PAYOUT,
        amounts=(
            Money(184_223, "MXN"),
            Money(1, "INR"),
            Money(14_486, "JPY"),
            Money(10**15, "NGN"),
        ),
        refused_by={"reference": "invoice 17 sim:recipient_refused"},
        refusal_code="recipient_unreachable",
        effect="payout_accepted",
        success=_payout,
        amount_field="amount_minor",
        other_currency="EUR",
        error=lambda code: {"error": {"code": code, "message": "No."}},
        recipient=Wallet(holder_name="Ada Obi", wallet_id="wallet-0001"),
    ),
    scheme=Scheme(
        sign=lambda body, secret, at: standard_headers(body, secret, int(at.timestamp()), "msg_1"),
        secret=SECRET,
        variable="LOCAL_WALLET_WEBHOOK_SECRETS",
        body=b'{"transaction_id": "pay_1", "event_type": "payment_completed"}',
    ),
    event={
        "transaction_id": "pay_1",
        "event_type": "payment_failed",
        "reference": ATTEMPT,
        "amount_minor": 100,
        "currency": "INR",
        "failure_code": "recipient_blocked",
        "failure_message": "blocked",
        "note": {"words": ["of nobody"]},
    },
    sandbox={
        "LOCAL_WALLET_BASE_URL": "{url}",
        "LOCAL_WALLET_API_KEY": KEY,
        "LOCAL_WALLET_WEBHOOK_SECRETS": SECRET,
    },
    live={"LOCAL_WALLET_BASE_URL": "https://wallet.example"},
    simulator={"LOCAL_WALLET_API_KEY": KEY, "LOCAL_WALLET_WEBHOOK_SECRET": SECRET},
    refusals=Refusals(
        send=[f"{status} {code}: {words}" for status, code, words in theirs.REFUSALS],
        settle=[f"{code}: {words}" for code, words in theirs.FAILURES],
        tables=[
            (translate.REFUSED_CODES, [code for _, code, _ in theirs.REFUSALS]),
            (translate.FAILURES, [code for code, _ in theirs.FAILURES]),
            (
                [f"{status} {code}" for status, code in translate.ACCESS_CODES],
                [f"{status} {code}" for status, code, _ in theirs.REFUSALS],
            ),
        ],
    ),
    secrets=(KEY, SECRET.removeprefix("whsec_")),
)
