"""A payment as the public API shows it: one table of its fields, from which the message of gRPC and
the JSON of merchants' events are made. The message itself is made in base.convert."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from services.payments.model.payment import Payment, State
from services.payments.model.quote import Terms
from services.payments.model.refusals import refusal_of
from services.shared.ids import encode_id
from services.shared.money import format_rate

Encode = Callable[[Payment], bytes]


def payment_fields(payment: Payment) -> dict[str, Any]:
    """A payment's fields by their names in the contract; amounts and rates are decimal texts.

    A time is a datetime, and a message that is not set has no entry.
    """
    shown = {
        "transaction_id": payment.transaction_id,
        "status": payment.status,
        "user_id": str(payment.user_id),
        **terms_fields(payment.terms),
        "quote_id": encode_id("quo", payment.quote_id),
        "onramp": payment.onramp,
        "offramp": payment.offramp,
        "reference": payment.reference,
        "created_at": payment.created_at,
        "updated_at": payment.updated_at,
        "cancel_requested": payment.cancel_requested_at is not None,
        "refunded_usd": str(payment.refunded),
    }
    if payment.failure is not None:
        shown["failure"] = {"code": payment.failure.code, "message": payment.failure.message}
    if payment.state is State.ACTION_REQUIRED and payment.failure is not None:
        refusal = refusal_of(payment.failure.code)
        shown["action_required"] = {
            "reason": payment.failure.code,
            "message": refusal.message,
            "field": refusal.field,
        }
    if payment.hold_reason is not None:
        shown["hold"] = {"reason": payment.hold_reason}
    if payment.deadline_at is not None:
        shown["deadline_at"] = payment.deadline_at
    return shown


def terms_fields(terms: Terms) -> dict[str, Any]:
    """The fields that a payment and a quote share: amounts, fees and the rate."""
    return {
        "amount_usd": str(terms.amount),
        "fee_usd": str(terms.fee),
        "fees": [{"name": line.name, "amount_usd": str(line.amount)} for line in terms.fees],
        "net_usd": str(terms.net),
        "destination_currency": terms.payout.currency,
        "fx_rate": format_rate(terms.rate),
        "payout_amount": str(terms.payout),
    }


def payment_as_json(payment: Payment) -> dict[str, Any]:
    """A payment as the REST API shows it."""
    return {
        name: time_as_json(value) if isinstance(value, datetime) else value
        for name, value in payment_fields(payment).items()
    }


def time_as_json(instant: datetime) -> str:
    """As protobuf's JSON has it: in UTC, with as many digits in groups of three as it takes."""
    plain = instant.astimezone(UTC).replace(tzinfo=None)
    if not plain.microsecond:
        digits = "seconds"
    elif plain.microsecond % 1000:
        digits = "microseconds"
    else:
        digits = "milliseconds"
    return f"{plain.isoformat(timespec=digits)}Z"
