"""Stripe's rules for a refund, without the server: reading the form, bounding the sum
by what was captured, and the charge that its event carries."""

import re
import secrets
import time
from collections.abc import Iterable, Mapping

from services.providers.simulator.stripe_intents import Json, invalid, metadata

# The part of a charge that refunds have taken; a failed one returns its amount.
_COUNTED = {"pending", "requires_action", "succeeded"}


def new_refund(
    form: Mapping[str, str], intent: Json, others: Iterable[Json], *, fails: bool
) -> Json:
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
        "reason": form.get("reason"),
        "status": "failed" if fails else "succeeded",
    }


def refunded(refunds: Iterable[Json]) -> int:
    """How much these refunds take in all."""
    return sum(refund["amount"] for refund in refunds if refund["status"] in _COUNTED)


def charge_of(intent: Json, refunds: Iterable[Json]) -> Json:
    """The charge behind an intent, as an event about its refunds shows it."""
    amount_refunded = refunded(refunds)
    return {
        "id": intent["latest_charge"],
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": intent["amount_received"],
        "amount_refunded": amount_refunded,
        "currency": intent["currency"],
        "metadata": intent["metadata"],
        "payment_intent": intent["id"],
        "refunded": amount_refunded == intent["amount_received"],
        "status": "succeeded",
    }


def _amount(form: Mapping[str, str], left: int) -> int:
    text = form.get("amount", str(left))
    if not re.fullmatch(r"[0-9]{1,15}", text, re.ASCII) or int(text) == 0:
        raise invalid("parameter_invalid_integer", "amount", "Invalid positive integer: amount.")
    amount = int(text)
    if amount > left:
        message = f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})"
        raise invalid("amount_too_large", "amount", message)
    return amount
