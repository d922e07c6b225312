"""The text that goes to an onramp with a collection, by which a database that has lost the payment
makes it again: what was agreed, and digests of the request. No person can be found by it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson

from services.payments.base.condition_rows import read_late_funds, read_route
from services.payments.base.rows import payment_row, read_fees
from services.payments.base.values import finite, text, whole
from services.payments.model.explanation import Result, explain_quote
from services.payments.model.payment import Payment
from services.payments.model.quote import (
    Conditions,
    FixedSide,
    Quote,
    RateTrail,
    RefundFees,
    Terms,
)
from services.shared.money import SOURCE_CURRENCY, Money
from services.shared.recipients import NO_RECIPIENT

VERSION = 1
# Providers takes no more.
LENGTH_MAX = 4000
# The columns of a payment that are sent, by name.
SENT = (
    *("merchant_id", "quote_id", "corridor_id", "route", "onramp", "offramp", "late_funds"),
    *("amount_minor", "fee_minor", "net_minor", "fees", "payout_minor", "destination_currency"),
    *("fixed_side", "rate", "mid_rate", "markup_basis_points", "refund_fees"),
    *("quote_expires_at", "created_at", "key_digest", "request_digest"),
)
# As base.idempotency writes them.
_DIGEST = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
# Of its user, and of the inputs of its rate, nothing is sent.
UNKNOWN_USER = UUID(int=0)
UNKNOWN_SOURCE = "recovered"


@dataclass(frozen=True, kw_only=True)
class Lost:
    """A payment that the database does not have, as it was agreed, with its quote."""

    payment: Payment
    quote: Quote


def recovery_text(payment: Payment) -> str:
    """The text; empty where the payment has no digest of its key, without which nothing could be
    answered under it, and where it would be too long for providers, which must not stop a payment.
    """
    if not payment.key_digest:
        return ""
    row = payment_row(payment)
    sent = {"v": VERSION, **{name: row[name] for name in SENT}}
    written = orjson.dumps(sent, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    return written if len(written) <= LENGTH_MAX else ""


def read_recovery(payment_id: UUID, recovery: str) -> Lost | None:
    """The payment of a text; None where it is none, or does not agree with itself."""
    try:
        given = orjson.loads(recovery)
        digests = (text(given["key_digest"]), text(given["request_digest"]))
        if given["v"] != VERSION or not all(map(_DIGEST.fullmatch, digests)):
            return None
        lost = _read(payment_id, given)
    except Exception:  # noqa: BLE001 - anybody at the onramp may have changed it in any way
        return None
    figures = explain_quote(lost.quote)
    return None if any(one.finding is Result.DIFFERS for one in figures) else lost


def _read(payment_id: UUID, given: Mapping[str, Any]) -> Lost:
    created_at = _instant(given["created_at"])
    trail = RateTrail(
        rate=_decimal(given["rate"]),
        mid_rate=_decimal(given["mid_rate"]),
        markup_basis_points=whole(given["markup_basis_points"]),
        source=UNKNOWN_SOURCE,
        synthetic=False,
        observed_at=created_at,
        fetched_at=created_at,
        legs=(),
    )
    quote = Quote(
        merchant_id=text(given["merchant_id"]),
        id=UUID(given["quote_id"]),
        corridor_id=text(given["corridor_id"]),
        terms=_read_terms(given, trail),
        trail=trail,
        fee_schedule_version=UNKNOWN_SOURCE,
        created_at=created_at,
        expires_at=_instant(given["quote_expires_at"]),
        conditions=Conditions(
            route=read_route(given["route"]),
            late_funds=read_late_funds(given["late_funds"]),
            refund_fees=RefundFees(given["refund_fees"]),
        ),
        payment_id=payment_id,
    )
    return Lost(payment=_payment(payment_id, quote, given), quote=quote)


def _read_terms(given: Mapping[str, Any], trail: RateTrail) -> Terms:
    return Terms(
        amount=_dollars(given["amount_minor"]),
        fees=read_fees(given["fees"]),
        fee=_dollars(given["fee_minor"]),
        net=_dollars(given["net_minor"]),
        payout=Money(whole(given["payout_minor"]), text(given["destination_currency"])),
        fixed_side=FixedSide(given["fixed_side"]),
        **trail.agreed,
    )


def _payment(payment_id: UUID, quote: Quote, given: Mapping[str, Any]) -> Payment:
    conditions = quote.conditions
    if conditions is None:
        raise ValueError("a payment has conditions")
    return Payment(
        merchant_id=quote.merchant_id,
        id=payment_id,
        user_id=UNKNOWN_USER,
        quote_id=quote.id,
        corridor_id=quote.corridor_id,
        terms=quote.terms,
        route=conditions.route,
        onramp=text(given["onramp"]),
        offramp=text(given["offramp"]),
        recipient=NO_RECIPIENT,
        payment_method="",
        reference="",
        trace_id="",
        key_digest=text(given["key_digest"]),
        request_digest=text(given["request_digest"]),
        quote_expires_at=quote.expires_at,
        late_funds=conditions.late_funds,
        refund_fees=conditions.refund_fees,
        created_at=quote.created_at,
        updated_at=quote.created_at,
    )


def _dollars(minor: object) -> Money:
    return Money(whole(minor), SOURCE_CURRENCY)


def _decimal(given: object) -> Decimal:
    return finite(Decimal(text(given)))


def _instant(given: object) -> datetime:
    stated = datetime.fromisoformat(text(given))
    if stated.tzinfo is None:
        raise ValueError("a time without its zone")
    return stated
