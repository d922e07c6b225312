"""Stripe's words about claims against a charge: disputes, early fraud warnings and reviews. And
refunds that somebody has made in the dashboard. None of them has our key; they name the intent."""

from dataclasses import replace
from typing import Any

from services.providers.adapters.kit.http import AnswerInvalid, instant, text
from services.providers.adapters.stripe import refunds
from services.providers.adapters.stripe.amounts import from_stripe
from services.providers.domain import Dispute, DisputeKind, DisputeStatus, WebhookEvent
from services.shared.money import Money

# The progress of a dispute, by its status; of any other one somebody must look. An inquiry
# ("warning") takes no money.
STATUSES = {
    "warning_needs_response": DisputeStatus.NEEDS_RESPONSE,
    "warning_under_review": DisputeStatus.UNDER_REVIEW,
    "warning_closed": DisputeStatus.CLOSED,
    "needs_response": DisputeStatus.NEEDS_RESPONSE,
    "under_review": DisputeStatus.UNDER_REVIEW,
    "won": DisputeStatus.WON,
    "lost": DisputeStatus.LOST,
    "prevented": DisputeStatus.CLOSED,
}
DISPUTES, WARNINGS, REVIEWS = "charge.dispute.", "radar.early_fraud_warning.", "review."
# The two events that say by their names alone where the money is.
WITHDRAWN, REINSTATED = "charge.dispute.funds_withdrawn", "charge.dispute.funds_reinstated"


def read_without_key(event: WebhookEvent, subject: dict[str, Any]) -> WebhookEvent:
    """The content of an event that does not repeat our key; nothing where it is about no charge."""
    collection = text(subject.get("payment_intent"))
    if not collection or not text(subject.get("id")):
        return event
    about = replace(event, collection_reference=collection)
    if event.event_type in refunds.EVENTS:
        # Its own id stands for the key that it has not.
        return refunds.read_event(replace(about, key=text(subject.get("id"))), subject)
    dispute = _dispute(event.event_type, subject)
    return replace(about, dispute=dispute) if dispute else event


def read_dispute(found: dict[str, Any], provider_reference: str) -> Dispute:
    """A dispute as it stands. Raises AnswerInvalid where it is another one, or does not say which
    money has moved."""
    dispute = _charge_dispute("", found)
    if found.get("object") != "dispute" or dispute.provider_reference != provider_reference:
        raise AnswerInvalid("not the dispute that was asked for")
    if dispute.amount is None or dispute.withdrawn is None:
        raise AnswerInvalid("a dispute without its money")
    return dispute


def _dispute(event_type: str, subject: dict[str, Any]) -> Dispute | None:
    if event_type.startswith(DISPUTES):
        return _charge_dispute(event_type, subject)
    reference = text(subject.get("id"))
    if event_type.startswith(WARNINGS):
        # One that nothing can be done about any more, because the charge is refunded or disputed.
        is_over = subject.get("actionable") is False
        return Dispute(
            kind=DisputeKind.FRAUD_WARNING,
            provider_reference=reference,
            status=DisputeStatus.CLOSED if is_over else DisputeStatus.NEEDS_RESPONSE,
            reason=text(subject.get("fraud_type")),
        )
    if event_type.startswith(REVIEWS):
        is_open = subject.get("open") is True
        return Dispute(
            kind=DisputeKind.REVIEW,
            provider_reference=reference,
            status=DisputeStatus.NEEDS_RESPONSE if is_open else DisputeStatus.CLOSED,
            reason=text(subject.get("reason")),
        )
    return None


def _charge_dispute(event_type: str, subject: dict[str, Any]) -> Dispute:
    details = subject.get("evidence_details")
    due_by = details.get("due_by") if isinstance(details, dict) else None
    amount = from_stripe(subject.get("amount"), subject.get("currency"))
    return Dispute(
        kind=DisputeKind.DISPUTE,
        provider_reference=text(subject.get("id")),
        status=STATUSES.get(text(subject.get("status")), DisputeStatus.NEEDS_RESPONSE),
        reason=text(subject.get("reason")),
        amount=amount,
        withdrawn=_withdrawn(event_type, subject, amount),
        respond_by=instant(due_by),
    )


def _withdrawn(event_type: str, subject: dict[str, Any], amount: Money | None) -> Money | None:
    """The sum of what was taken and given back, by the entries that the dispute lists; or what the
    event's name says."""
    listed = subject.get("balance_transactions")
    if isinstance(listed, list) and amount is not None:
        entries = [one for one in listed if isinstance(one, dict)]
        amounts = [one.get("amount") for one in entries]
        currencies = {text(one.get("currency")).upper() for one in entries}
        if all(type(one) is int for one in amounts) and currencies <= {amount.currency}:
            taken = -sum(one for one in amounts if type(one) is int)
            return Money(taken, amount.currency) if taken >= 0 else None
    if event_type == WITHDRAWN:
        return amount
    if event_type == REINSTATED and amount is not None:
        return Money(0, amount.currency)
    return None
