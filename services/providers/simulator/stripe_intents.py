"""Stripe's rules for a payment intent, without the server: reading the form, charging a
test card, cancelling, and Stripe's error bodies."""

import re
import secrets
import time
from collections.abc import Mapping
from typing import Any

from services.providers.simulator.cards import CARDS, Card

AMOUNT_MIN = 50
AMOUNT_MAX = 99_999_999
CANCELLABLE = {
    "requires_payment_method",
    "requires_confirmation",
    "requires_action",
    "requires_capture",
    "processing",
}
_METADATA = re.compile(r"metadata\[([^\]]{1,40})\]")

Json = dict[str, Any]


class Refused(Exception):
    """A request that Stripe answers with an error before it begins anything."""

    def __init__(self, status: int, error: Json) -> None:
        super().__init__(error.get("message", ""))
        self.status = status
        self.body: Json = {"error": error}


def invalid(code: str, param: str, message: str, status: int = 400) -> Refused:
    """Stripe's invalid_request_error."""
    error = {"type": "invalid_request_error", "code": code, "param": param, "message": message}
    return Refused(status, error)


def new_intent(form: Mapping[str, str]) -> Json:
    """The intent that a form asks for, not yet confirmed. Raises Refused."""
    if any(name.startswith("payment_method_types") for name in form):
        message = "payment_method_types is no longer supported; use allowed_payment_method_types."
        raise invalid("payment_method_types_no_longer_supported", "payment_method_types", message)
    method = form.get("payment_method")
    if method is not None and method not in CARDS:
        message = f"No such PaymentMethod: '{method[:80]}'"
        raise invalid("resource_missing", "payment_method", message)
    intent_id = f"pi_{secrets.token_hex(12)}"
    return {
        "id": intent_id,
        "object": "payment_intent",
        "amount": _amount(form),
        "amount_capturable": 0,
        "amount_received": 0,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "automatic",
        "client_secret": f"{intent_id}_secret_{secrets.token_hex(12)}",
        "confirmation_method": "automatic",
        "created": int(time.time()),
        "currency": _currency(form),
        "customer": None,
        "description": form.get("description"),
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": metadata(form),
        "next_action": None,
        "payment_method": method,
        "payment_method_types": ["card"],
        "processing": None,
        "status": "requires_confirmation" if method else "requires_payment_method",
    }


def metadata(form: Mapping[str, str]) -> dict[str, str]:
    """The form's metadata fields."""
    found = ((_METADATA.fullmatch(name), value) for name, value in form.items())
    return {match[1]: value for match, value in found if match}


def charge(intent: Json) -> Json | None:
    """Charges the intent's card: changes the intent, and returns the error where it declines."""
    card = CARDS[intent["payment_method"]]
    if card.asks_payer:
        intent["status"] = "requires_action"
        intent["next_action"] = {"type": "use_stripe_sdk", "use_stripe_sdk": {}}
        return None
    intent["latest_charge"] = f"ch_{secrets.token_hex(12)}"
    if card.declines:
        return _decline(intent, card)
    intent["status"] = "succeeded"
    intent["amount_received"] = intent["amount"]
    return None


def cancelled(intent: Json, form: Mapping[str, str]) -> Json:
    """The intent, cancelled. Raises Refused where it is too late."""
    if intent["status"] not in CANCELLABLE:
        message = f"You cannot cancel this PaymentIntent: it has a status of {intent['status']}."
        raise invalid("payment_intent_unexpected_state", "intent", message)
    return {
        **intent,
        "status": "canceled",
        "canceled_at": int(time.time()),
        "cancellation_reason": form.get("cancellation_reason"),
        "next_action": None,
    }


def _decline(intent: Json, card: Card) -> Json:
    error = {
        "type": "card_error",
        "code": card.code,
        "decline_code": card.decline_code,
        "message": card.message,
        "charge": intent["latest_charge"],
        "doc_url": f"https://stripe.com/docs/error-codes/{card.code}",
    }
    intent["status"] = "requires_payment_method"
    intent["last_payment_error"] = error
    intent["payment_method"] = None
    return {**error, "payment_intent": intent}


def _amount(form: Mapping[str, str]) -> int:
    text = form.get("amount", "")
    if not text:
        raise invalid("parameter_missing", "amount", "Missing required param: amount.")
    if not re.fullmatch(r"[0-9]{1,15}", text, re.ASCII):
        raise invalid("parameter_invalid_integer", "amount", "Invalid integer: amount.")
    amount = int(text)
    if amount < AMOUNT_MIN:
        raise invalid("amount_too_small", "amount", "Amount must be at least $0.50 usd")
    if amount > AMOUNT_MAX:
        raise invalid("amount_too_large", "amount", "Amount must be no more than $999,999.99")
    return amount


def _currency(form: Mapping[str, str]) -> str:
    currency = form.get("currency", "")
    if not re.fullmatch(r"[a-z]{3}", currency, re.ASCII):
        raise invalid("parameter_missing", "currency", "Missing required param: currency.")
    return currency
