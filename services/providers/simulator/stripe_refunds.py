"""Stripe's rules for a refund, without the server: reading the form, and bounding
the sum by what was captured."""

import secrets
import time
from collections.abc import Iterable

from services.providers.simulator.stripe_forms import (
    Form,
    Json,
    integer,
    invalid,
    metadata,
    names,
    one_of,
)

CREATE = names(
    "amount charge payment_intent metadata reason",
    "currency customer instructions_email origin refund_application_fee reverse_transfer",
)
REASONS = ("requested_by_customer", "duplicate", "fraudulent")
# The part of a charge that refunds have taken; a failed one returns its amount.
_COUNTED = {"pending", "requires_action", "succeeded"}


def new_refund(form: Form, intent: Json, others: Iterable[Json], *, fails: bool) -> Json:
    """The refund that a form asks for, and its end. Raises Refused."""
    if intent["status"] != "succeeded":
        message = f"This PaymentIntent ({intent['id']}) has no successful charge to refund."
        raise invalid("payment_intent_unexpected_state", "payment_intent", message)
    left = intent["amount_received"] - refunded(others)
    if left == 0:
        message = f"Charge {intent['latest_charge']} has already been refunded."
        raise invalid("charge_already_refunded", "", message)
    return {
        "id": f"re_{secrets.token_hex(12)}",
        "object": "refund",
        "amount": _amount(form, left),
        "charge": intent["latest_charge"],
        "created": int(time.time()),
        "currency": intent["currency"],
        # Not Stripe's: the merchant's words of the payment, for the book.
        "description": intent["description"],
        "failure_reason": "expired_or_canceled_card" if fails else None,
        "metadata": metadata(form),
        "payment_intent": intent["id"],
        "reason": one_of(form, "reason", REASONS) if "reason" in form else None,
        "status": "failed" if fails else "succeeded",
    }


def refunded(refunds: Iterable[Json]) -> int:
    """How much these refunds take in all."""
    return sum(refund["amount"] for refund in refunds if refund["status"] in _COUNTED)


def _amount(form: Form, left: int) -> int:
    amount = integer(form, "amount", left)
    if amount == 0:
        raise invalid("parameter_invalid_integer", "amount", "Invalid positive integer: amount.")
    if amount > left:
        message = f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})"
        raise invalid("amount_too_large", "amount", message)
    return amount
