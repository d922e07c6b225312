"""Wise, as the contract suite knows it."""

import base64

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from services.providers.adapters.wise import translate
from services.providers.adapters.wise.translate import mark_of
from services.providers.domain import Kind, Operation
from services.providers.simulator import wise_refusals as theirs
from services.providers.simulator.wise_events import wise_headers
from services.shared.money import Money
from services.shared.recipients import BankAccount
from tests.contract.facts import Case, Facts, Json, Refusals, Scheme

KEY = "wise-contract-4c9e01"


def _pair() -> str:
    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return base64.b64encode(
        made.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    ).decode()


PAIR = _pair()


def _transfer(operation: Operation) -> Json:
    return {
        "id": 16_521_632,
        "customerTransactionId": str(mark_of(operation.key)),
        "targetValue": float(operation.amount.decimal),
        "targetCurrency": operation.amount.currency,
        "status": "outgoing_payment_sent",
    }


def _path(body: Json) -> str:
    return str(body["errors"][0]["path"]) if "errors" in body else ""


def _code(body: Json) -> str:
    return str(body.get("errorCode") or body.get("error"))


def _said(body: Json) -> str:
    """The words of a refusal, behind the code or the path by which the adapter knows it."""
    if "errors" in body:
        return f"{_path(body)}: {body['errors'][0]['message']}"
    return f"{_code(body)}: {body.get('errorMessage') or body.get('error_description')}"


FACTS = Facts(
    case=Case(
        provider="wise",
        kind=Kind.PAYOUT,
        amounts=(
            Money(1_484_533, "EUR"),
            Money(1, "EUR"),
            Money(99_999_999_999_999, "EUR"),
        ),
        recipient=BankAccount(holder_name="Max Mustermann", iban="DE89370400440532013000"),
        refused_by={"reference": "invoice 17 sim:payout_fails"},
        refusal_code="payout_cancelled",
        effect="payout_accepted",
        success=_transfer,
        amount_field="targetValue",
        other_currency="USD",
        error=lambda code: {
            "errors": [{"code": code, "message": "No.", "path": "", "arguments": []}]
        },
        currency_field="targetCurrency",
        key_field="customerTransactionId",
        wrap_found=lambda transfer: [transfer],
        found_query="profile",
        malformed_by=0.001,
        preparations={
            "/v1/accounts": {"id": 40_000_000},
            "/v3/profiles/1/quotes": {"id": "8fa9be20-ba43-4b15-abbb-9424e1481050"},
        },
        events_name_the_key=False,
        lists_all=True,
        reads_after_send=True,
    ),
    scheme=Scheme(
        sign=lambda body, secret, _: wise_headers(body, secret),
        secret=PAIR,
        variable="WISE_WEBHOOK_SECRETS",
        body=b'{"event_type": "transfers#state-change", "data": {"resource": {"id": 1}}}',
        others=(_pair(), _pair()),
        timed=False,
    ),
    event={
        "event_type": "transfers#state-change",
        "data": {
            "resource": {"type": "transfer", "id": 1, "profile_id": 1, "account_id": 2},
            "current_state": "cancelled",
            "previous_state": "processing",
            "occurred_at": "2026-11-23T12:00:00Z",
        },
        "schema_version": "2.0.0",
        "sent_at": "2026-11-23T12:00:01Z",
    },
    sandbox={
        "WISE_BASE_URL": "{url}",
        "WISE_API_KEY": KEY,
        "WISE_WEBHOOK_SECRETS": PAIR,
    },
    live={
        "WISE_BASE_URL": "",
        "WISE_PROFILE_ID": "4711",
        "WISE_SOURCE_CURRENCY": "EUR",
    },
    simulator={"WISE_API_KEY": KEY, "WISE_WEBHOOK_SECRET": PAIR},
    refusals=Refusals(
        prepare=[_said(body) for _, body in theirs.RECIPIENT_REFUSALS],
        send=[_said(body) for _, body in theirs.FUNDING_REFUSALS],
        settle=theirs.FAILURES,
        tables=[
            (translate.RECIPIENT_PATHS, [_path(body) for _, body in theirs.RECIPIENT_REFUSALS]),
            (translate.FUNDING_REFUSALS, [_code(body) for _, body in theirs.FUNDING_REFUSALS]),
            (translate.TOKEN_REFUSALS, [_code(theirs.INVALID_TOKEN[1])]),
            (translate.FAILURES, theirs.FAILURES),
        ],
    ),
    secrets=(KEY, PAIR),
)
