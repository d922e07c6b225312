"""Stripe, as the contract suite knows it."""

from services.providers.adapters.stripe import declines
from services.providers.domain import Kind, Operation
from services.providers.simulator import stripe_refusals as theirs
from services.providers.simulator.stripe_api import stripe_headers
from services.shared.money import Money
from tests.contract.facts import ATTEMPT, Case, Facts, Json, Refusals, Scheme

KEY = "sk_test_contract_4f0e9a"
SECRET = "whsec_contract_stripe_7d21"


def _intent(operation: Operation) -> Json:
    return {
        "id": "pi_1",
        "object": "payment_intent",
        "amount": operation.amount.amount_minor,
        "amount_received": operation.amount.amount_minor,
        "currency": operation.amount.currency.lower(),
        "status": "succeeded",
        "metadata": {
            "operation_key": operation.key,
            "transaction_id": operation.transaction_id,
        },
        # So that the same body also is a search result, for a look-up.
        "data": [{"id": "pi_1"}],
    }


def _code(body: Json) -> str:
    return str(body["error"].get("code", ""))


def _parameter(body: Json) -> str:
    return str(body["error"].get("param", ""))


def _said(status: int, body: Json) -> str:
    parts = (str(status), _code(body), _parameter(body))
    return " ".join(part for part in parts if part)


FACTS = Facts(
    case=Case(
        provider="stripe",
        kind=Kind.COLLECTION,
        amounts=tuple(Money(minor, "USD") for minor in (10_000, 50, 1_999, 99_999_999)),
        refused_by={"payment_method": "pm_card_visa_chargeDeclinedInsufficientFunds"},
        refusal_code="insufficient_funds",
        effect="charge_succeeded",
        success=_intent,
        amount_field="amount",
        other_currency="eur",
        error=lambda code: {
            "error": {"type": "invalid_request_error", "code": code, "message": "No."}
        },
    ),
    scheme=Scheme(
        sign=lambda body, secret, at: stripe_headers(body, secret, int(at.timestamp())),
        secret=SECRET,
        variable="STRIPE_WEBHOOK_SECRETS",
        body=b'{"id": "evt_1", "type": "payment_intent.succeeded"}',
    ),
    event={
        "id": "evt_1",
        "type": "payment_intent.succeeded",
        "data": {
            "object": {
                "id": "pi_1",
                "object": "payment_intent",
                "status": "succeeded",
                "amount": 10000,
                "currency": "usd",
                "cancellation_reason": "abandoned",
                "last_payment_error": {"code": "card_declined", "message": "declined"},
                "metadata": {"operation_key": ATTEMPT, "transaction_id": "pay_1"},
            }
        },
    },
    sandbox={
        "STRIPE_API_KEY": KEY,
        "STRIPE_BASE_URL": "{url}",
        "STRIPE_WEBHOOK_SECRETS": SECRET,
    },
    live={"STRIPE_API_KEY": "sk_live_1", "STRIPE_BASE_URL": ""},
    simulator={"STRIPE_API_KEY": KEY, "STRIPE_WEBHOOK_SECRET": SECRET},
    refusals=Refusals(
        send=[_said(*one) for one in theirs.REFUSALS],
        settle=[" ".join(filter(None, one)) for one in theirs.DECLINES],
        tables=[
            (declines.DECLINES, [issuer or code for code, issuer in theirs.DECLINES]),
            (declines.REFUSED_CODES, [_code(body) for _, body in theirs.REFUSALS]),
            (
                [f"{code} {parameter}".strip() for code, parameter in declines.REFUSED_PARAMETERS],
                [f"{_code(body)} {_parameter(body)}".strip() for _, body in theirs.REFUSALS],
            ),
            (
                [f"{status} {code}".strip() for status, code in declines.ACCESS_CODES],
                [f"{status} {_code(body)}".strip() for status, body in theirs.REFUSALS],
            ),
        ],
    ),
    secrets=(KEY, SECRET),
)
