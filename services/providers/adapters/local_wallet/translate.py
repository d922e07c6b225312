"""The wallet's words and our outcomes: the tables, and the few functions that read payouts,
refusals and events by them. A word that is not listed is UNKNOWN, and every field is checked."""

from typing import Any

from services.providers.adapters.kit import answers
from services.providers.adapters.kit.amounts import minor_units, states_money
from services.providers.adapters.kit.answers import (
    Stated,
    read_stated,
    unknown_status,
)
from services.providers.adapters.kit.events import read_event_object
from services.providers.adapters.kit.http import AnswerInvalid, instant, text
from services.providers.adapters.kit.recipients import UNPAYABLE
from services.providers.adapters.kit.refusals import (
    AMOUNT_INVALID,
    CURRENCY_UNSUPPORTED,
    PAYOUT_FAILED,
    REQUEST_INVALID,
)
from services.providers.domain import (
    Failure,
    Kind,
    Operation,
    OperationResult,
    Outcome,
    WebhookEvent,
    WebhookEventTypeUnknown,
    failed,
    refused,
)
from services.providers.failures import (
    ACCESS_REFUSED,
    CREDENTIALS_REFUSED,
    INSUFFICIENT_BALANCE,
    LIMIT_EXCEEDED,
    PAYOUTS_UNAVAILABLE,
    RECIPIENT_ACCOUNT_BLOCKED,
    RECIPIENT_ACCOUNT_CLOSED,
    RECIPIENT_ACCOUNT_INVALID,
    RECIPIENT_INVALID,
    RECIPIENT_LIMIT_EXCEEDED,
    RECIPIENT_NAME_MISMATCH,
    RECIPIENT_UNREACHABLE,
)
from services.providers.listed import ListedOperation, OperationPage, is_ours
from services.shared.errors import field_invalid
from services.shared.recipients import MobileMoney, Recipient, Wallet
from services.shared.text import is_storable

# Its name in messages for operators.
NAME = "the wallet"
# The outcome of a payout's status; anything else is UNKNOWN.
STATUSES = {
    "accepted": Outcome.PENDING,
    "completed": Outcome.SUCCEEDED,
    "failed": Outcome.FAILED,
}
# The refusals of a request that prove that no payout was accepted, each with our code.
REFUSED_CODES = {
    "amount_invalid": AMOUNT_INVALID,
    "currency_unsupported": CURRENCY_UNSUPPORTED,
    "insufficient_balance": INSUFFICIENT_BALANCE,
    "limit_exceeded": LIMIT_EXCEEDED,
    "payouts_unavailable": PAYOUTS_UNAVAILABLE,
    "recipient_blocked": RECIPIENT_ACCOUNT_BLOCKED,
    "recipient_closed": RECIPIENT_ACCOUNT_CLOSED,
    "recipient_invalid": RECIPIENT_INVALID,
    "recipient_limit_exceeded": RECIPIENT_LIMIT_EXCEEDED,
    "recipient_name_mismatch": RECIPIENT_NAME_MISMATCH,
    "recipient_unknown": RECIPIENT_ACCOUNT_INVALID,
    "recipient_unreachable": RECIPIENT_UNREACHABLE,
    "reference_invalid": REQUEST_INVALID,
    "body_invalid": REQUEST_INVALID,
}
# The HTTP statuses of them.
REFUSED_STATUSES = (400, 422)
# The refusals of whoever asks, before the reference is looked at.
ACCESS_CODES = {
    (401, "unauthenticated"): CREDENTIALS_REFUSED,
    (403, "forbidden"): ACCESS_REFUSED,
}
# Why a payout failed, each with our code; every other cause is "payout_failed".
FAILURES = {
    code: REFUSED_CODES[code]
    for code in (
        "limit_exceeded",
        "recipient_blocked",
        "recipient_closed",
        "recipient_limit_exceeded",
        "recipient_name_mismatch",
        "recipient_unknown",
        "recipient_unreachable",
    )
}
DEFINITIVE_FAILURES = frozenset(
    {*REFUSED_CODES.values(), *ACCESS_CODES.values(), PAYOUT_FAILED} | UNPAYABLE
)
AMBIGUOUS = {**answers.AMBIGUOUS, 409: "reference_reused"}
EVENTS = {"payment_completed": Outcome.SUCCEEDED, "payment_failed": Outcome.FAILED}


def account_of(recipient: Recipient) -> dict[str, str] | None:
    """The recipient as the wallet takes it; None where it pays none of this kind. It pays to its
    own wallets, and to accounts at mobile networks."""
    match recipient:
        case Wallet(wallet_id=account) if account:
            return {"account": account, "bank_code": "", "name": recipient.holder_name}
        case MobileMoney(phone_number=account, operator=operator) if account:
            return {"account": account, "bank_code": operator, "name": recipient.holder_name}
    return None


def payout_body(operation: Operation, account: dict[str, str]) -> dict[str, Any]:
    """The request to the wallet: to pay this amount out, once per reference."""
    return {
        "reference": operation.key,
        "amount_minor": operation.amount.amount_minor,
        "currency": operation.amount.currency,
        "note": operation.reference,
        "transaction_id": operation.transaction_id,
        "recipient": account,
    }


def read_payout(operation: Operation, payout: dict[str, Any]) -> OperationResult:
    """The operation's result, by its payout. Raises AnswerInvalid where it is none."""
    status = text(payout.get("status"))
    outcome = STATUSES.get(status, Outcome.UNKNOWN)
    failure = None
    if outcome is Outcome.UNKNOWN:
        failure = unknown_status("payout", status)
    elif outcome is Outcome.FAILED:
        failure = _failure(payout)
    stated = Stated(
        noun="payout",
        id=text(payout.get("id")),
        key=payout.get("reference"),
        status=status,
        has_amount=states_money(payout.get("amount_minor"), payout.get("currency")),
        amount=minor_units(payout.get("amount_minor"), payout.get("currency")),
        outcome=outcome,
        failure=failure,
        at=instant(payout.get("completed_at")),
    )
    return read_stated(operation, stated)


def read_refusal(answer: dict[str, Any]) -> Failure:
    """The code and the words of an error; empty where it is none of the wallet's own."""
    error = answer.get("error")
    body = error if isinstance(error, dict) else {}
    return Failure(text(body.get("code")), text(body.get("message")))


def refused_payout(operation: Operation, status: int, refusal: Failure) -> OperationResult:
    """The result of a request that was no success; UNKNOWN where its words are on no list."""
    code = REFUSED_CODES.get(refusal.code)
    if code and status in REFUSED_STATUSES:
        return failed(operation.key, code, refusal.message)
    if code := ACCESS_CODES.get((status, refusal.code)):
        return refused(operation.key, code, refusal.message)
    return answers.ambiguous(operation, status, NAME, AMBIGUOUS)


def _failure(body: dict[str, Any]) -> Failure:
    code = text(body.get("failure_code"))
    return Failure(FAILURES.get(code, PAYOUT_FAILED), text(body.get("failure_message")) or code)


def read_event(raw: bytes, event_id: str) -> WebhookEvent:
    """The content of an event; `event_id` is empty where it came unsigned. Raises Invalid."""
    body = read_event_object(raw)
    transaction_id = _required(body, "transaction_id")
    event_type = _required(body, "event_type")
    if event_type not in EVENTS:
        raise WebhookEventTypeUnknown(event_type=event_type)
    amount = minor_units(body.get("amount_minor"), body.get("currency"))
    if amount is None and ("amount_minor" in body or "currency" in body):
        raise field_invalid(
            "amount_minor", "amount_minor must be whole minor units of a known currency"
        )
    outcome = EVENTS[event_type]
    return WebhookEvent(
        event_id=event_id or f"{transaction_id}:{event_type}",
        event_type=event_type,
        transaction_id=transaction_id,
        key=_optional(body, "reference"),
        kind=Kind.PAYOUT,
        outcome=outcome,
        amount=amount,
        failure=_failure(body) if outcome is Outcome.FAILED else None,
        signed=bool(event_id),
    )


def _required(body: dict[str, Any], field: str) -> str:
    if body.get(field) in (None, ""):
        raise field_invalid(field, f"{field} is required", "FIELD_REQUIRED")
    return _optional(body, field)


def _optional(body: dict[str, Any], field: str) -> str:
    value = body.get(field)
    if value is None:
        return ""
    if not isinstance(value, str) or not 1 <= len(value) <= 80 or not is_storable(value):
        raise field_invalid(
            field, f"{field} must be text of 1 to 80 characters, without a zero character"
        )
    return value


def read_page(listed: dict[str, Any], page: str) -> OperationPage:
    """The payouts of a page. Raises AnswerInvalid where it is none, or leads nowhere."""
    data, next_page = listed.get("payouts"), text(listed.get("next"))
    if not isinstance(data, list) or (next_page and next_page == page):
        raise AnswerInvalid("not a list of payouts")
    read = (
        ListedOperation(
            key=text(one.get("reference")),
            provider_reference=text(one.get("id")),
            created_at=instant(one.get("created_at")),
        )
        for one in data
        if isinstance(one, dict)
    )
    return OperationPage(
        operations=tuple(one for one in read if is_ours(one.key)), next_page=next_page
    )
