"""Stripe's rules for a payment intent, without the server: reading the form, charging a test card,
its payer who authenticates or does not, capturing and cancelling."""

import secrets
import time
from typing import Any

from services.providers.simulator.cards import CARDS, Card
from services.providers.simulator.stripe_forms import (
    Form,
    Json,
    boolean,
    currency,
    integer,
    invalid,
    metadata,
    missing,
    names,
    one_of,
    unexpected_state,
)

AMOUNT_MIN = 50
AMOUNT_MAX = 99_999_999
CANCELLABLE = {
    "requires_payment_method",
    "requires_confirmation",
    "requires_action",
    "requires_capture",
    "processing",
}
CONFIRMABLE = {"requires_payment_method", "requires_confirmation", "requires_action"}
CAPTURE_METHODS = ("automatic_async", "automatic", "manual")
CANCELLATION_REASONS = ("abandoned", "duplicate", "fraudulent", "requested_by_customer")
# From this version of the API on it decides about the types of payment method by itself.
TYPES_GONE = "2026-03"
_NOT_HERE = (
    "amount_details application_fee_amount confirmation_token customer_account discount_amount "
    "excluded_payment_method_types hooks mandate mandate_data on_behalf_of payment_details "
    "payment_method_configuration payment_method_data radar_options transfer_data transfer_group"
)
_CONFIRMING = (
    "payment_method capture_method off_session error_on_requires_action return_url use_stripe_sdk "
    "receipt_email setup_future_usage shipping payment_method_options allowed_payment_method_types "
    "payment_method_types"
)
_DESCRIBING = "description metadata customer statement_descriptor statement_descriptor_suffix"
CREATE = names(
    f"amount currency confirm confirmation_method automatic_payment_methods {_CONFIRMING} "
    f"{_DESCRIBING}",
    _NOT_HERE,
)
UPDATE = names(f"amount currency {_CONFIRMING} {_DESCRIBING}", _NOT_HERE)
CONFIRM = names(_CONFIRMING, f"{_NOT_HERE} amount_to_confirm")
CAPTURE = names("amount_to_capture metadata statement_descriptor", f"{_NOT_HERE} final_capture")
CANCEL = names("cancellation_reason")
# The fields of an intent that are not Stripe's.
_OWN = ("charged_at",)
# The fields that every intent shows alike.
_CONSTANT: Json = {
    "amount_details": {"tip": {}},
    "application": None,
    "application_fee_amount": None,
    "automatic_payment_methods": None,
    "confirmation_method": "automatic",
    "on_behalf_of": None,
    "payment_method_configuration_details": None,
    "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
    "payment_method_types": ["card"],
    "processing": None,
    "receipt_email": None,
    "review": None,
    "setup_future_usage": None,
    "shipping": None,
    "source": None,
    "statement_descriptor": None,
    "statement_descriptor_suffix": None,
    "transfer_data": None,
    "transfer_group": None,
}


def new_intent(form: Form, version: str = "") -> Json:
    """The intent that a form asks for, not yet confirmed. `version` is that of the API, where the
    caller names one. Raises Refused."""
    if any(name.startswith("payment_method_types") for name in form) and (
        not version or version >= TYPES_GONE
    ):
        message = "payment_method_types is no longer supported; use allowed_payment_method_types."
        raise invalid("payment_method_types_no_longer_supported", "payment_method_types", message)
    method = _method(form)
    intent_id = f"pi_{secrets.token_hex(12)}"
    return {
        "id": intent_id,
        "object": "payment_intent",
        "amount": _amount(form),
        "amount_capturable": 0,
        "amount_received": 0,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": one_of(form, "capture_method", CAPTURE_METHODS),
        "client_secret": f"{intent_id}_secret_{secrets.token_hex(12)}",
        "created": int(time.time()),
        "currency": currency(form),
        "customer": form.get("customer"),
        "description": form.get("description"),
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": metadata(form),
        "next_action": None,
        "payment_method": method,
        "status": "requires_confirmation" if method else "requires_payment_method",
        **{name: form[name] for name in ("receipt_email", "statement_descriptor") if name in form},
    }


def shown(intent: Json) -> Json:
    """The whole intent, as the API and its events have it."""
    return {**_CONSTANT, **{name: intent[name] for name in intent if name not in _OWN}}


def updated(intent: Json, form: Form) -> Json:
    """The intent with what the form changes. Raises Refused where it is too late for that."""
    changes: Json = {}
    if "description" in form:
        changes["description"] = form["description"] or None
    if given := metadata(form):
        kept = {**intent["metadata"], **given}
        changes["metadata"] = {name: value for name, value in kept.items() if value}
    if form.keys() & {"amount", "currency", "payment_method", "capture_method"}:
        if intent["status"] not in CONFIRMABLE:
            raise unexpected_state("updated", shown(intent))
        changes |= {"amount": _amount(form)} if "amount" in form else {}
        changes |= {"currency": currency(form)} if "currency" in form else {}
        if method := _method(form):
            changes |= {"payment_method": method, "status": "requires_confirmation"}
        if "capture_method" in form:
            changes["capture_method"] = one_of(form, "capture_method", CAPTURE_METHODS)
    return {**intent, **changes}


def confirming(intent: Json, form: Form) -> Json:
    """The intent, about to be confirmed as the form says. Raises Refused where it cannot be."""
    if intent["status"] not in CONFIRMABLE:
        raise unexpected_state("confirmed", shown(intent))
    ready = (
        updated(intent, form) if "capture_method" in form or "payment_method" in form else intent
    )
    if not ready["payment_method"]:
        message = "You cannot confirm this PaymentIntent because it's missing a payment method."
        raise invalid("payment_intent_unexpected_state", "", message)
    return {**ready, "last_payment_error": None, "next_action": None}


def charge(
    intent: Json,
    form: Form | None = None,
    decline: tuple[str, str] | None = None,
    *,
    origin: str = "https://hooks.stripe.com",
) -> Json | None:
    """Charges the intent's card: changes the intent, and returns the error where it declines.

    `form` says whether the payer is there, and `origin` where it would authenticate. `decline` is
    Stripe's code and the issuer's, where the card is to be declined whatever it is.
    """
    form = form or {}
    card = CARDS[intent["payment_method"]]
    if decline:
        card = Card(*decline, "Your card was declined.")
    if card.asks_payer:
        if boolean(form, "off_session") or boolean(form, "error_on_requires_action"):
            return _declined(intent, AUTHENTICATION_REQUIRED)
        intent["status"] = "requires_action"
        intent["next_action"] = _next_action(intent, form, origin)
        return None
    if card.declines:
        return _declined(intent, card)
    _charged(intent)
    return None


def authenticated(intent: Json, *, fails: bool) -> Json:
    """The intent after its payer has authenticated, or failed to. Raises Refused where nobody is
    asked to."""
    if intent["status"] != "requires_action":
        raise unexpected_state("authenticated", shown(intent))
    after = {**intent, "next_action": None}
    if fails:
        _declined(after, AUTHENTICATION_FAILED)
    else:
        _charged(after)
    return after


def captured(intent: Json, form: Form) -> Json:
    """The intent with its money captured, or that part of it. Raises Refused."""
    if intent["status"] != "requires_capture":
        raise unexpected_state("captured", shown(intent))
    amount = integer(form, "amount_to_capture", intent["amount_capturable"])
    if not 0 < amount <= intent["amount_capturable"]:
        message = f"The amount to capture must be from 1 to {intent['amount_capturable']}."
        raise invalid("amount_too_large", "amount_to_capture", message)
    received = {"amount_capturable": 0, "amount_received": amount, "status": "succeeded"}
    return {**intent, **received, "metadata": {**intent["metadata"], **metadata(form)}}


def cancelled(intent: Json, form: Form) -> Json:
    """The intent, cancelled. Raises Refused where it is too late."""
    if intent["status"] not in CANCELLABLE:
        raise unexpected_state("canceled", shown(intent))
    reason = form.get("cancellation_reason")
    if reason is not None and reason not in CANCELLATION_REASONS:
        raise invalid("", "cancellation_reason", f"Invalid cancellation_reason: {reason[:80]}")
    return {
        **intent,
        "status": "canceled",
        "amount_capturable": 0,
        "canceled_at": int(time.time()),
        "cancellation_reason": reason,
        "next_action": None,
    }


AUTHENTICATION_REQUIRED = Card(
    "authentication_required",
    "authentication_required",
    "Your card was declined. This transaction requires authentication.",
)
AUTHENTICATION_FAILED = Card(
    "payment_intent_authentication_failure",
    "",
    "We are unable to authenticate your payment method. Please choose another one and try again.",
)


def _charged(intent: Json) -> None:
    intent["latest_charge"] = f"ch_{secrets.token_hex(12)}"
    intent["charged_at"] = int(time.time())
    if intent["capture_method"] == "manual":
        intent["status"] = "requires_capture"
        intent["amount_capturable"] = intent["amount"]
        return
    intent["status"] = "succeeded"
    intent["amount_received"] = intent["amount"]


def _declined(intent: Json, card: Card) -> Json:
    error: dict[str, Any] = {"type": "card_error", "code": card.code, "message": card.message}
    error["doc_url"] = f"https://stripe.com/docs/error-codes/{card.code.replace('_', '-')}"
    error["payment_method"] = {"id": intent["payment_method"], "object": "payment_method"}
    if card.decline_code:
        error["decline_code"] = card.decline_code
    if card is not AUTHENTICATION_FAILED:
        intent["latest_charge"] = error["charge"] = f"ch_{secrets.token_hex(12)}"
    intent["status"] = "requires_payment_method"
    intent["last_payment_error"] = error
    intent["payment_method"] = None
    return {**error, "payment_intent": intent}


def _next_action(intent: Json, form: Form, origin: str) -> Json:
    url = f"{origin}/3d_secure_2/hosted/{intent['id']}"
    if back := form.get("return_url"):
        to = {"return_url": back, "url": url}
        return {"type": "redirect_to_url", "redirect_to_url": to}
    return {
        "type": "use_stripe_sdk",
        "use_stripe_sdk": {"type": "three_d_secure_redirect", "stripe_js": url},
    }


def _method(form: Form) -> str | None:
    method = form.get("payment_method")
    if method is not None and method not in CARDS:
        raise missing("PaymentMethod", method, "payment_method", 400)
    return method


def _amount(form: Form) -> int:
    amount = integer(form, "amount")
    if amount < AMOUNT_MIN:
        raise invalid("amount_too_small", "amount", "Amount must be at least $0.50 usd")
    if amount > AMOUNT_MAX:
        raise invalid("amount_too_large", "amount", "Amount must be no more than $999,999.99")
    return amount
