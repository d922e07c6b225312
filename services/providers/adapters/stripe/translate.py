"""Stripe's words and our outcomes: the tables, and the few functions that read intents, errors
and events by them; refunds have tables of their own. An answer that is not listed is UNKNOWN,
and every field is checked before it counts."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import stripe

from services.providers.adapters.kit import answers
from services.providers.adapters.kit.amounts import states_money
from services.providers.adapters.kit.answers import PAYMENT_METHOD_MISSING
from services.providers.adapters.kit.events import not_an_event, read_event_object
from services.providers.adapters.kit.http import (
    NO_ANSWER,
    AnswerInvalid,
    Unserved,
    instant,
    no_answer,
    text,
)
from services.providers.adapters.stripe import disputes, recovery, refunds
from services.providers.adapters.stripe.amounts import from_stripe, to_stripe
from services.providers.adapters.stripe.declines import (
    ACCESS_CODES,
    DEFINITIVE,
    PAYMENT_METHOD_UNKNOWN,
    decline_code,
    refused_code,
)
from services.providers.domain import (
    UNKNOWN_STATUS,
    Failure,
    Kind,
    NextAction,
    Operation,
    OperationResult,
    Outcome,
    WebhookEvent,
    failed,
    other_amount,
    refused,
    unknown,
)
from services.shared.deployment import Deployment
from services.shared.money import Money

# Its name in messages for operators.
NAME = "Stripe"
# Of Stripe's headers only this one is read, and only in this form.
_REQUEST_ID = re.compile(r"req_[A-Za-z0-9]{1,60}", re.ASCII)
SANDBOX_PAYMENT_METHOD = "pm_card_visa"
# How Stripe's own test cards are named, which only its test mode knows.
TEST_PAYMENT_METHODS = "pm_card_"

# The outcome of an intent's status; "requires_payment_method" needs the closer look below.
STATUSES = {
    "succeeded": Outcome.SUCCEEDED,
    "processing": Outcome.PENDING,
    "canceled": Outcome.FAILED,
}
# Known, but no outcome: somebody would have to act.
UNFINISHED = {"requires_action", "requires_capture", "requires_confirmation"}
# All that a FAILED or REFUSED of ours can say about a collection.
DEFINITIVE_FAILURES = DEFINITIVE | {"canceled", "requires_action", PAYMENT_METHOD_MISSING}
# The type of an error in the request, and the SDK's errors that such an answer becomes.
INVALID_REQUEST = "invalid_request_error"
REFUSED_ERRORS = (stripe.InvalidRequestError, stripe.AuthenticationError, stripe.PermissionError)
AMBIGUOUS = {**answers.AMBIGUOUS, 402: "request_refused", 409: "key_in_use"}
# Every event is a hint only. A failed intent can still be tried again, so it hints at nothing.
EVENTS = {
    "payment_intent.succeeded": Outcome.SUCCEEDED,
    "payment_intent.processing": Outcome.PENDING,
    "payment_intent.canceled": Outcome.FAILED,
    "payment_intent.payment_failed": Outcome.UNKNOWN,
}
# A charge has its intent's metadata: it says which payment was refunded, but not by which refund.
CHARGE_REFUNDED = "charge.refunded"


def create_params(operation: Operation) -> stripe.params.PaymentIntentCreateParams:
    """The request to Stripe to charge now, with the payer where one is there."""
    params: stripe.params.PaymentIntentCreateParams = {
        "amount": to_stripe(operation.amount),
        "currency": operation.amount.currency.lower(),
        "confirm": True,
        "payment_method": operation.payment_method or SANDBOX_PAYMENT_METHOD,
        "allowed_payment_method_types": ["card"],
        "metadata": {
            "transaction_id": operation.transaction_id,
            "operation_key": operation.key,
            **recovery.parts_of(operation.recovery),
        },
    }
    if operation.payer_until is None:
        params["off_session"] = True
    elif operation.return_url:
        params["return_url"] = operation.return_url
    if operation.reference:
        params["description"] = operation.reference
    return params


def refuse_payment_method(operation: Operation, deployment: Deployment) -> OperationResult | None:
    """The refusal of a payment that names no payment method outside a sandbox, or a test card where
    it is live."""
    method = operation.payment_method
    if not method and deployment is not Deployment.SANDBOX:
        message = "the payment names no payment method"
        return failed(operation.key, PAYMENT_METHOD_MISSING, message)
    if method.startswith(TEST_PAYMENT_METHODS) and deployment is Deployment.LIVE:
        message = "a test card, and this is live"
        return failed(operation.key, PAYMENT_METHOD_UNKNOWN, message)
    return None


def read_intent(operation: Operation, intent: dict[str, Any]) -> OperationResult:
    """The operation's result, by its intent. Raises AnswerInvalid where it is none."""
    reference, status = text(intent.get("id")), text(intent.get("status"))
    if not reference or not status:
        raise AnswerInvalid("not an intent")
    currency = intent.get("currency")
    for name in ("amount", "amount_received"):
        if not states_money(intent.get(name), currency):
            raise AnswerInvalid(f"an intent without its {name}")
    stated = from_stripe(intent["amount"], currency)
    if stated != operation.amount or not _received_fits(operation, intent, status):
        return other_amount(
            operation.key, reference, from_stripe(intent["amount_received"], currency)
        )
    if as_object(intent.get("metadata")).get("operation_key") != operation.key:
        return unknown(operation.key, "reference_mismatch", f"see {reference}", reference)
    if status == "requires_payment_method" and intent.get("last_payment_error"):
        # We never confirm an intent a second time, so its first failure is its last.
        return _declined(operation, as_object(intent["last_payment_error"]), reference)
    outcome = STATUSES.get(status, Outcome.UNKNOWN)
    return OperationResult(
        key=operation.key,
        outcome=outcome,
        provider_reference=reference,
        amount=stated if outcome is Outcome.SUCCEEDED else None,
        occurred_at=_charged_at(intent) if outcome is Outcome.SUCCEEDED else None,
        failure=_failure(outcome, intent, status),
    )


def read_error(operation: Operation, error: Exception) -> OperationResult:
    """The result of a send whose answer was no success: FAILED by the lists above only."""
    body = _error_body(error)
    code, parameter = text(body.get("code")), text(body.get("param"))
    if isinstance(error, stripe.CardError) and body.get("type") == "card_error":
        intent = as_object(body.get("payment_intent"))
        # Declined, and yet the intent moved on? Then nobody knows.
        if intent.get("status", "requires_payment_method") == "requires_payment_method":
            return _declined(operation, body, text(intent.get("id")))
    if body.get("type") == INVALID_REQUEST and isinstance(error, REFUSED_ERRORS):
        status = error.http_status or 0
        ours = refused_code(code, parameter) if status == 400 else None
        if ours:
            return failed(operation.key, ours, _words(body))
        if access := ACCESS_CODES.get((status, code)):
            return refused(operation.key, access, _words(body))
    return ambiguous(operation, error)


def is_over(intent: dict[str, Any]) -> bool:
    """Whether nothing more can come of it."""
    return intent.get("status") == "canceled"


def asked_payer(operation: Operation, intent: dict[str, Any]) -> OperationResult | None:
    """The result while the payer may act; None where the intent does not say how."""
    secret = text(intent.get("client_secret"))
    if not secret:
        return None
    to = as_object(as_object(intent.get("next_action")).get("redirect_to_url"))
    # Longer than any other text: the address holds a token of the bank.
    url = text(to.get("url"), 2000)
    return OperationResult(
        key=operation.key,
        outcome=Outcome.PENDING,
        provider_reference=text(intent.get("id")),
        next_action=NextAction("redirect" if url else "use_sdk", secret, url),
    )


def ambiguous(operation: Operation, error: Exception) -> OperationResult:
    """UNKNOWN, with a code that gives an operator the cause."""
    if isinstance(error, Unserved):
        wait = error.retry_after_seconds
        words = _said(error.status, request_id(error.headers))
        return unknown(operation.key, error.code, words, retry_after_seconds=wait)
    if isinstance(error, NO_ANSWER):
        return no_answer(operation, error, NAME)
    if isinstance(error, stripe.APIConnectionError):
        return unknown(operation.key, "connection_failed", type(error).__name__)
    status = getattr(error, "http_status", None) or 0
    code = AMBIGUOUS.get(status, "provider_fault")
    return unknown(operation.key, code, _said(status, getattr(error, "request_id", None)))


def _said(status: int, request: str | None) -> str:
    return f"{NAME} answered {status} ({request or 'no id'})"


def request_id(headers: Mapping[str, str]) -> str:
    """Stripe's name of a request, in the one form in which it is believed."""
    given = headers.get("request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else ""


def read_event(body: bytes) -> WebhookEvent:
    """The content of a verified event. Raises Invalid where it is no event."""
    event = read_event_object(body)
    event_id, event_type = text(event.get("id")), text(event.get("type"))
    if not event_id or not event_type:
        raise not_an_event("an event with id and type")
    subject = as_object(as_object(event.get("data")).get("object"))
    metadata = as_object(subject.get("metadata"))
    key = text(metadata.get("operation_key"))
    happened_at = instant(event.get("created"))
    read = WebhookEvent(event_id=event_id, event_type=event_type, occurred_at=happened_at)
    if not key:
        return disputes.read_without_key(read, subject)
    read = replace(read, occurred_at=None)
    ours = replace(read, key=key, transaction_id=text(metadata.get("transaction_id")))
    if event_type in EVENTS:
        return _intent_event(ours, subject, instant(event.get("created")))
    if event_type in refunds.EVENTS:
        return refunds.read_event(ours, subject)
    if event_type == CHARGE_REFUNDED:
        return replace(ours, key="", kind=Kind.REFUND)
    return read


def _intent_event(event: WebhookEvent, intent: dict[str, Any], at: datetime | None) -> WebhookEvent:
    status = text(intent.get("status"))
    documented = not status or _is_documented(status)
    outcome = EVENTS[event.event_type] if documented else Outcome.UNKNOWN
    failure = None
    if outcome is Outcome.FAILED or not documented:
        failure = _failure(outcome, intent, status)
    return replace(
        event,
        kind=Kind.COLLECTION,
        outcome=outcome,
        provider_reference=text(intent.get("id")),
        amount=from_stripe(intent.get("amount"), intent.get("currency")),
        failure=failure,
        occurred_at=_charged_at(intent, at) if outcome is Outcome.SUCCEEDED else None,
    )


def as_object(value: object) -> dict[str, Any]:
    """The value where it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def _received_fits(operation: Operation, intent: dict[str, Any], status: str) -> bool:
    """Whether so much was received as the status says; of an unknown status nobody can say."""
    if not _is_documented(status):
        return True
    received = from_stripe(intent["amount_received"], intent["currency"])
    amount = operation.amount if status == "succeeded" else Money(0, operation.amount.currency)
    return received == amount


def _charged_at(intent: dict[str, Any], stated_at: datetime | None = None) -> datetime | None:
    """When the card was charged: as the charge says, else when an event said so. Without either
    the intent's own time is as good, because without its payer it is created and confirmed in one
    call."""
    charge = as_object(intent.get("latest_charge"))
    return instant(charge.get("created")) or stated_at or instant(intent.get("created"))


def _is_documented(status: str) -> bool:
    return status in STATUSES or status in UNFINISHED or status == "requires_payment_method"


def _failure(outcome: Outcome, intent: dict[str, Any], status: str) -> Failure | None:
    if outcome is Outcome.FAILED:
        return Failure("canceled", text(intent.get("cancellation_reason")))
    if outcome is Outcome.UNKNOWN:
        code = status if _is_documented(status) else UNKNOWN_STATUS
        return Failure(code, f"the intent is {status}")
    return None


def _declined(operation: Operation, cause: dict[str, Any], reference: str) -> OperationResult:
    said = {name: text(cause.get(name)) for name in ("decline_code", "code")}
    ours = decline_code(said)
    return failed(operation.key, ours, _words(cause), reference)


def _words(cause: dict[str, Any]) -> str:
    message, detail = text(cause.get("message")), text(cause.get("decline_code"))
    return f"{message} ({detail})" if detail else message


def _error_body(error: Exception) -> dict[str, Any]:
    return as_object(as_object(getattr(error, "json_body", None)).get("error"))
