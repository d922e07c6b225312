"""Stripe's objects that follow from an intent and its refunds, or that nothing ever changes:
charges, balance transactions, the balance, payment methods, and the few fields of a customer."""

import secrets
import time
from collections import Counter
from collections.abc import Iterable

from services.providers.simulator.cards import CARDS
from services.providers.simulator.stripe_forms import Form, Json, metadata, names
from services.providers.simulator.stripe_refunds import refunded

CUSTOMER = names(
    "description email metadata name phone",
    "address balance business_name cash_balance individual_name invoice_prefix invoice_settings "
    "next_invoice_sequence payment_method preferred_locales shipping source tax tax_exempt "
    "tax_id_data test_clock validate",
)
# The fee of a charge: 2.9 % and 30 of the smallest unit.
FEE_PER_MILLE, FEE_FIXED = 29, 30
# A charge is available for a payout after so long.
AVAILABLE_SECONDS = 2 * 86_400
_BRANDS = {"pm_card_mastercard": ("mastercard", "4444")}
_PAID_OR_HELD = ("succeeded", "requires_capture")


def charge_of(intent: Json, refunds: Iterable[Json]) -> Json:
    """The charge behind an intent, as it stands."""
    amount_refunded = refunded(refunds)
    error = intent["last_payment_error"] or {}
    paid = intent["status"] in _PAID_OR_HELD
    released = intent["status"] == "canceled"
    captured = intent["status"] == "succeeded"
    return {
        "id": intent["latest_charge"],
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": intent["amount_received"],
        "amount_refunded": intent["amount"] if released else amount_refunded,
        "balance_transaction": transaction_id(intent["latest_charge"]) if captured else None,
        "billing_details": {"address": {}, "email": None, "name": None, "phone": None},
        "captured": captured,
        "created": intent.get("charged_at", intent["created"]),
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": False,
        "failure_code": error.get("code"),
        "failure_message": error.get("message"),
        "livemode": False,
        "metadata": intent["metadata"],
        "outcome": _outcome(paid=paid or released),
        "paid": paid or released,
        "payment_intent": intent["id"],
        "payment_method": intent["payment_method"] or (error.get("payment_method") or {}).get("id"),
        "payment_method_details": _details(intent),
        "refunded": released or (captured and amount_refunded == intent["amount_received"]),
        "status": "succeeded" if paid or released else "failed",
    }


def charge_transaction(intent: Json) -> Json:
    """The entry of a captured charge in the balance."""
    amount = intent["amount_received"]
    fee = amount * FEE_PER_MILLE // 1000 + FEE_FIXED
    return _transaction(intent["latest_charge"], intent, amount, fee, "charge")


def refund_transaction(refund: Json) -> Json:
    """The entry of a refund in the balance; Stripe keeps its fee."""
    return _transaction(refund["id"], refund, -refund["amount"], 0, "refund")


def transaction_id(source: str) -> str:
    """The id of a source's balance transaction."""
    prefix, _, rest = source.partition("_")
    return f"txn_{prefix}{rest}"


def balance(transactions: Iterable[Json]) -> Json:
    """The balance, by currency."""
    sums = {"available": Counter[str](), "pending": Counter[str]()}
    for one in transactions:
        sums[one["status"]][one["currency"]] += one["net"]
    shown = {
        kind: [{"amount": amount, "currency": name} for name, amount in sorted(found.items())]
        or [{"amount": 0, "currency": "usd"}]
        for kind, found in sums.items()
    }
    return {"object": "balance", "livemode": False, **shown}


def payment_method(method: str) -> Json | None:
    """One of the test payment methods; None where it is none."""
    if method not in CARDS:
        return None
    return {
        "id": method,
        "object": "payment_method",
        "billing_details": {"address": {}, "email": None, "name": None, "phone": None},
        "card": _card(method),
        "created": 1_700_000_000,
        "customer": None,
        "livemode": False,
        "metadata": {},
        "type": "card",
    }


def new_customer(form: Form) -> Json:
    """The customer that a form asks for."""
    fields = ("description", "email", "name", "phone")
    return {
        "id": f"cus_{secrets.token_hex(7)}",
        "object": "customer",
        "address": None,
        "balance": 0,
        "created": int(time.time()),
        "currency": None,
        "default_source": None,
        "delinquent": False,
        "invoice_prefix": secrets.token_hex(4).upper(),
        "livemode": False,
        "metadata": metadata(form),
        "shipping": None,
        **{name: form.get(name) or None for name in fields},
    }


def updated_customer(customer: Json, form: Form) -> Json:
    """The customer with what the form changes."""
    fields = ("description", "email", "name", "phone")
    changes = {name: form[name] or None for name in fields if name in form}
    return {**customer, **changes, "metadata": {**customer["metadata"], **metadata(form)}}


def _transaction(source: str, subject: Json, amount: int, fee: int, kind: str) -> Json:
    available = subject["created"] + AVAILABLE_SECONDS
    detail = {
        "amount": fee,
        "application": None,
        "currency": subject["currency"],
        "description": "Stripe processing fees",
        "type": "stripe_fee",
    }
    return {
        "id": transaction_id(source),
        "object": "balance_transaction",
        "amount": amount,
        "available_on": available,
        "balance_type": "payments",
        "created": subject["created"],
        "currency": subject["currency"],
        "description": subject["description"],
        "exchange_rate": None,
        "fee": fee,
        "fee_details": [detail] if fee else [],
        "net": amount - fee,
        "reporting_category": kind,
        "source": source,
        "status": "available" if available <= time.time() else "pending",
        "type": kind,
    }


def _outcome(*, paid: bool) -> Json:
    if paid:
        message, network, kind = "Payment complete.", "approved_by_network", "authorized"
    else:
        message, network = "The bank did not approve it.", "declined_by_network"
        kind = "issuer_declined"
    return {
        "network_status": network,
        "reason": None,
        "risk_level": "normal",
        "seller_message": message,
        "type": kind,
    }


def _details(intent: Json) -> Json:
    named = intent["payment_method"] or ""
    return {"type": "card", "card": {**_card(named), "network": _card(named)["brand"]}}


def _card(method: str) -> Json:
    brand, last = _BRANDS.get(method, ("visa", "4242"))
    return {
        "brand": brand,
        "country": "US",
        "exp_month": 12,
        "exp_year": 2034,
        "fingerprint": None,
        "funding": "credit",
        "last4": last,
    }
