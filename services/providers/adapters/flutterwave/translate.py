"""Flutterwave's words and our outcomes: the tables, and the few functions that read transfers
and events by them. An answer that is not listed here is UNKNOWN, and every field is checked
before it counts."""

from decimal import Decimal
from typing import Any

from services.providers.adapters.flutterwave.api import Envelope, Json, as_object
from services.providers.adapters.flutterwave.refusals import (
    FAILURES,
    KEY_REFUSALS,
    REFUSALS,
    failure_code,
    is_duplicate,
    refusal_code,
)
from services.providers.adapters.kit import answers
from services.providers.adapters.kit.amounts import major_units, states_money
from services.providers.adapters.kit.answers import (
    Stated,
    read_stated,
    unknown_status,
)
from services.providers.adapters.kit.events import not_an_event, read_event_object
from services.providers.adapters.kit.http import AnswerInvalid, instant, text
from services.providers.adapters.kit.refusals import CURRENCY_UNSUPPORTED, REQUEST_INVALID
from services.providers.domain import (
    RECIPIENT_MISSING,
    Failure,
    Kind,
    Operation,
    OperationResult,
    Outcome,
    Recipient,
    WebhookEvent,
    refused,
    unknown,
)

# Its name in messages for operators.
NAME = "Flutterwave"
# The outcome of a transfer's status; "FAILED" needs the closer look below.
STATUSES = {
    "NEW": Outcome.PENDING,
    "PENDING": Outcome.PENDING,
    "SUCCESSFUL": Outcome.SUCCEEDED,
    "FAILED": Outcome.FAILED,
}
# The amount that our request cannot state.
AMOUNT_UNSUPPORTED = "amount_unsupported"
# All that a FAILED or REFUSED of ours can say about a payout.
DEFINITIVE_FAILURES = frozenset(
    {*REFUSALS.values(), *KEY_REFUSALS.values(), *FAILURES.values()}
    | {AMOUNT_UNSUPPORTED, CURRENCY_UNSUPPORTED, RECIPIENT_MISSING, REQUEST_INVALID}
)
# A refusal within a 200 leaves open what happened.
AMBIGUOUS = {**answers.AMBIGUOUS, 200: "request_refused", 409: "reference_reused"}
TRANSFER_EVENT = "transfer.completed"
NARRATION_LENGTH_MAX = 100

# Flutterwave's own test account, and numbers of the same kind for mobile money: of nobody.
_TEST_BANK = Recipient(account="0690000031", bank_code="044", name="Test Recipient")
_TEST_MOBILE_MONEY = {
    "GHS": Recipient(account="233500000000", bank_code="MTN", name="Test Recipient"),
    "KES": Recipient(account="254700000000", bank_code="MPS", name="Test Recipient"),
}


def sandbox_recipient(currency: str) -> Recipient:
    """The recipient in a sandbox where the payment has none."""
    return _TEST_MOBILE_MONEY.get(currency, _TEST_BANK)


def transfer_body(operation: Operation, recipient: Recipient, amount: Decimal) -> Json:
    """The request to Flutterwave. A bank's code, a mobile network's, or `flutterwave` for one of
    its wallets stands in the same field: all three kinds of recipient are one request."""
    currency = operation.amount.currency
    body: Json = {
        "account_bank": recipient.bank_code,
        "account_number": recipient.account,
        "amount": amount,
        # Left out, either of the two would be naira.
        "currency": currency,
        "debit_currency": currency,
        "reference": operation.key,
        "narration": operation.reference[:NARRATION_LENGTH_MAX] or operation.transaction_id,
        "meta": {"transaction_id": operation.transaction_id},
    }
    if recipient.name:
        body["beneficiary_name"] = recipient.name
    return body


def transfer_id(transfer: Json) -> str:
    """Flutterwave's id of a transfer. Raises AnswerInvalid where it has none."""
    number = transfer.get("id")
    if type(number) is not int or not 0 < number < 10**18:
        raise AnswerInvalid("a transfer without its id")
    return str(number)


def read_transfer(operation: Operation, data: object) -> OperationResult:
    """The operation's result, by its transfer. Raises AnswerInvalid where it is none."""
    transfer = as_object(data)
    outcome, failure = _outcome(text(transfer.get("status")), transfer)
    stated = Stated(
        noun="transfer",
        id=transfer_id(transfer),
        key=transfer.get("reference"),
        status=text(transfer.get("status")),
        has_amount=states_money(transfer.get("amount"), transfer.get("currency")),
        amount=major_units(transfer.get("amount"), transfer.get("currency")),
        outcome=outcome,
        failure=failure,
        at=instant(transfer.get("created_at")),
    )
    return read_stated(operation, stated)


def ambiguous(operation: Operation, envelope: Envelope) -> OperationResult:
    """UNKNOWN: an answer that is no transfer, with its own words for an operator."""
    status, words = envelope.http_status, envelope.message
    return answers.ambiguous(operation, status, NAME, AMBIGUOUS, said=words)


def read_refusal(operation: Operation, envelope: Envelope) -> OperationResult:
    """The result of a request that was no success, where no transfer has its reference."""
    status, words = envelope.http_status, envelope.message
    if not envelope.is_refusal:
        return ambiguous(operation, envelope)
    if is_duplicate(status, words):
        return unknown(operation.key, "reference_reused", "known, and yet not to be found")
    code = refusal_code(status, words)
    return refused(operation.key, code, words) if code else ambiguous(operation, envelope)


def read_event(body: bytes) -> WebhookEvent:
    """The content of a webhook: always a hint to look the transfer up. Raises Invalid."""
    event = read_event_object(body, exact=True)
    event_type, data = text(event.get("event")), event.get("data")
    if not event_type or not isinstance(data, dict) or type(data.get("id")) is not int:
        raise not_an_event("an event with a type, and data with an id")
    status = text(data.get("status"))
    # It has no id of its own; one transfer says each status once.
    event_id = f"{event_type}:{data['id']}:{status}"[:255]
    key = text(data.get("reference"), 100)
    if event_type != TRANSFER_EVENT or not key:
        return WebhookEvent(event_id=event_id, event_type=event_type)
    outcome, failure = _outcome(status, data)
    return WebhookEvent(
        event_id=event_id,
        event_type=event_type,
        transaction_id=_transaction_id(data.get("meta")),
        key=key,
        kind=Kind.PAYOUT,
        outcome=outcome,
        provider_reference=str(data["id"])[:255],
        amount=major_units(data.get("amount"), data.get("currency")),
        failure=failure,
    )


def _outcome(status: str, transfer: Json) -> tuple[Outcome, Failure | None]:
    outcome = STATUSES.get(status, Outcome.UNKNOWN)
    if outcome is Outcome.UNKNOWN:
        return outcome, unknown_status("transfer", status)
    if outcome is not Outcome.FAILED:
        return outcome, None
    cause = text(transfer.get("complete_message"))
    if code := failure_code(cause):
        return outcome, Failure(code, cause)
    return Outcome.UNKNOWN, Failure("failure_unknown", cause or "failed, and no word why")


def _transaction_id(meta: Any) -> str:
    return text(meta.get("transaction_id"), 80) if isinstance(meta, dict) else ""
