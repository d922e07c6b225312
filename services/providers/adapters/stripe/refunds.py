"""Stripe's words about refunds and our outcomes: the tables, and the functions that read refunds,
their events and their refusals by them. The rest of Stripe's words is in translate."""

from dataclasses import replace
from typing import Any

import stripe

from services.providers.adapters.kit.amounts import states_money
from services.providers.adapters.kit.http import AnswerInvalid, instant, text
from services.providers.adapters.stripe.amounts import from_stripe, to_stripe
from services.providers.domain import (
    UNKNOWN_STATUS,
    Failure,
    Kind,
    Operation,
    OperationResult,
    Outcome,
    WebhookEvent,
    other_amount,
    unknown,
)

# The outcome of a refund's status; anything else is UNKNOWN. A refund that asks the payer for a
# bank account lives on, and fails by itself where nobody answers.
STATUSES = {
    "pending": Outcome.PENDING,
    "requires_action": Outcome.PENDING,
    "succeeded": Outcome.SUCCEEDED,
    "failed": Outcome.FAILED,
    "canceled": Outcome.FAILED,
}
# A failed or cancelled refund came back to our balance, also where it had succeeded before.
FAILED_CODES = {"failed": "refund_failed", "canceled": "refund_canceled"}
# The refusals (code, and parameter where it must be one) of an amount that the charge no longer
# has; some come without a code. refusal_of says what they prove.
NOTHING_LEFT = {"charge_already_refunded": "", "amount_too_large": "amount", "": "amount"}
EXCEEDS_COLLECTION = "refund_exceeds_collection"
# The payer's bank claims the charge, or has it.
DISPUTED = "collection_disputed"
REFUSALS = {
    EXCEEDS_COLLECTION: "Stripe has less of the collection left than that",
    DISPUTED: "the charge is disputed",
}
# All that a FAILED of ours can say about a refund.
DEFINITIVE_FAILURES = frozenset({*FAILED_CODES.values(), EXCEEDS_COLLECTION, DISPUTED})
# Every event is a hint only.
EVENTS = {"refund.created", "refund.updated", "refund.failed"}


def create_params(operation: Operation) -> stripe.params.RefundCreateParams:
    """The request to Stripe to refund this much of the collection."""
    return {
        "payment_intent": operation.collection_reference,
        "amount": to_stripe(operation.amount),
        "metadata": {
            "transaction_id": operation.transaction_id,
            "operation_key": operation.key,
        },
    }


def read_refund(operation: Operation, refund: dict[str, Any]) -> OperationResult:
    """The operation's result, by its refund. Raises AnswerInvalid where it is none."""
    reference, status = text(refund.get("id")), text(refund.get("status"))
    if not reference or not status:
        raise AnswerInvalid("not a refund")
    if not states_money(refund.get("amount"), refund.get("currency")):
        raise AnswerInvalid("a refund without its amount")
    stated = from_stripe(refund["amount"], refund["currency"])
    if stated != operation.amount:
        moved = stated if STATUSES.get(status) is Outcome.SUCCEEDED else None
        return other_amount(operation.key, reference, moved)
    collection = refund.get("payment_intent")
    if not is_of(operation, refund) or collection != operation.collection_reference:
        return unknown(operation.key, "reference_mismatch", f"see {reference}", reference)
    outcome = STATUSES.get(status, Outcome.UNKNOWN)
    return OperationResult(
        key=operation.key,
        outcome=outcome,
        provider_reference=reference,
        amount=stated if outcome is Outcome.SUCCEEDED else None,
        occurred_at=(instant(refund.get("created")) if outcome is Outcome.SUCCEEDED else None),
        failure=_failure(refund),
    )


def read_event(event: WebhookEvent, refund: dict[str, Any]) -> WebhookEvent:
    """The content of an event about the refund that it carries."""
    outcome = STATUSES.get(text(refund.get("status")), Outcome.UNKNOWN)
    return replace(
        event,
        kind=Kind.REFUND,
        outcome=outcome,
        provider_reference=text(refund.get("id")),
        amount=from_stripe(refund.get("amount"), refund.get("currency")),
        failure=_failure(refund),
    )


def is_of(operation: Operation, refund: dict[str, Any]) -> bool:
    """Whether the refund carries the operation's key. One that was made in the dashboard has none,
    and is known by Stripe's own id."""
    metadata = refund.get("metadata")
    ours = text(metadata.get("operation_key")) if isinstance(metadata, dict) else ""
    return (ours or text(refund.get("id"))) == operation.key


def refusal_of(error: Exception) -> str:
    """Our code for a refusal because of the charge, which is disputed, or has less left than is
    asked for; empty for any other error.

    That proves that nothing moved in this call only. Under a key that Stripe has forgotten, an
    earlier try may be what took the amount; the list of the charge's refunds says so.
    """
    if not isinstance(error, stripe.InvalidRequestError) or error.http_status != 400:
        return ""
    body = error.json_body if isinstance(error.json_body, dict) else {}
    refusal = body.get("error")
    refusal = refusal if isinstance(refusal, dict) else {}
    code, parameter = text(refusal.get("code")), text(refusal.get("param"))
    if code == "charge_disputed":
        return DISPUTED
    is_too_much = code in NOTHING_LEFT and NOTHING_LEFT[code] in ("", parameter)
    return EXCEEDS_COLLECTION if is_too_much else ""


def _failure(refund: dict[str, Any]) -> Failure | None:
    status = text(refund.get("status"))
    if code := FAILED_CODES.get(status):
        return Failure(code, text(refund.get("failure_reason")))
    return None if status in STATUSES else Failure(UNKNOWN_STATUS, f"the refund is {status}")
