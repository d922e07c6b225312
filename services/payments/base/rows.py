"""Rows to nouns and back. Many rows travel to the server as one JSON parameter, which
json_to_recordset unfolds with the types written in the statement."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Row

from services.payments.base.condition_rows import (
    conditions_row,
    late_funds_row,
    read_conditions,
    read_late_funds,
    read_route,
    route_row,
)
from services.payments.base.trail_rows import (
    inputs_row,
    read_rounding,
    read_trail,
    trail_row,
    with_formulas,
)
from services.payments.base.values import all_text, finite, listed, text, whole
from services.payments.model.causes import Cause
from services.payments.model.holds import HoldReason
from services.payments.model.payer import NextAction, PresentPayer
from services.payments.model.payment import (
    Event,
    ExchangeRule,
    Failure,
    Payment,
    RecordedEvent,
    State,
)
from services.payments.model.quote import (
    FeeLine,
    FixedSide,
    Quote,
    RefundFees,
    Terms,
)
from services.shared.money import SOURCE_CURRENCY, Money, exponent
from services.shared.recipients import AccountCheck, as_row, from_row
from services.shared.text import storable

# A route names its steps by members of an enum.
_OPTIONS = orjson.OPT_NON_STR_KEYS


def as_json(rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows as one parameter of a statement; characters that no text can hold are replaced."""
    listed = list(rows)
    try:
        written = orjson.dumps(listed, default=str, option=_OPTIONS)
    except TypeError:
        # Half of a surrogate pair is the one thing in a row that has no UTF-8.
        return orjson.dumps(storable(listed), default=str, option=_OPTIONS).decode()
    # Most have no zero character, and looking costs nothing beside the writing.
    if b"\\u0000" in written:
        written = orjson.dumps(storable(listed), default=str, option=_OPTIONS)
    return written.decode()


def payment_row(payment: Payment) -> dict[str, Any]:
    """The columns of a new payment."""
    terms = payment.terms
    return {
        "merchant_id": payment.merchant_id,
        "id": payment.id,
        "user_id": payment.user_id,
        "quote_id": payment.quote_id,
        "corridor_id": payment.corridor_id,
        "amount_minor": terms.amount.amount_minor,
        "fee_minor": terms.fee.amount_minor,
        "net_minor": terms.net.amount_minor,
        "fees": _fee_rows(terms.fees),
        "destination_currency": terms.payout.currency,
        "route": route_row(payment.route),
        "recipient": as_row(payment.recipient),
        "recipient_is_example": payment.recipient_is_example,
        "account_check": payment.account_check or "",
        "payment_method": payment.payment_method,
        "reference": payment.reference,
        "payer": asdict(payment.payer) if payment.payer else None,
        "trace_id": payment.trace_id,
        "key_digest": payment.key_digest or None,
        "request_digest": payment.request_digest or None,
        "quote_expires_at": payment.quote_expires_at.isoformat(),
        "late_funds": late_funds_row(payment.late_funds),
        "created_at": payment.created_at.isoformat(),
        "updated_at": payment.updated_at.isoformat(),
        **_standing_row(payment),
    }


def moved_row(payment: Payment) -> dict[str, Any]:
    """The columns of a payment that its moves change."""
    failure = payment.failure
    return {
        "sent_at": payment.sent_at.isoformat() if payment.sent_at else None,
        "cancellable_until": payment.cancellable_until.isoformat()
        if payment.cancellable_until
        else None,
        "refunded_minor": payment.refunded.amount_minor,
        "related": max(payment.related, len(payment.refunds) + len(payment.disputes)),
        "exchange_rule": payment.exchange_rule,
        "collection_reference": payment.collection_reference,
        "next_action": asdict(payment.next_action) if payment.next_action else None,
        "hold_reason": payment.hold_reason,
        "failure_code": failure.code if failure else None,
        "failure_message": failure.message if failure else None,
        **_standing_row(payment),
    }


def _standing_row(payment: Payment) -> dict[str, Any]:
    """The columns that every payment has from the first, and that its moves change."""
    terms = payment.terms
    replaced = terms.replaced_mid_rate
    return {
        "state": payment.state,
        "version": payment.version,
        "payout_minor": terms.payout.amount_minor,
        "fixed_side": terms.fixed_side,
        "rate": str(terms.rate),
        "mid_rate": str(terms.mid_rate),
        "replaced_mid_rate": None if replaced is None else str(replaced),
        "markup_basis_points": terms.markup_basis_points,
        "onramp": payment.onramp,
        "offramp": payment.offramp,
        "refund_fees": payment.refund_fees,
    }


def read_payment(row: Row[Any]) -> Payment:
    """Reads a row of `payments`. Raises where a value is none that the code knows."""
    return Payment(
        merchant_id=row.merchant_id,
        id=row.id,
        user_id=row.user_id,
        quote_id=row.quote_id,
        corridor_id=row.corridor_id,
        terms=_read_terms(row),
        route=read_route(row.route),
        onramp=row.onramp,
        offramp=row.offramp,
        recipient=from_row(row.recipient),
        recipient_is_example=row.recipient_is_example,
        account_check=AccountCheck(row.account_check) if row.account_check else None,
        payment_method=row.payment_method,
        reference=row.reference,
        trace_id=row.trace_id,
        key_digest=row.key_digest or "",
        request_digest=row.request_digest or "",
        created_at=row.created_at,
        updated_at=row.updated_at,
        state=State(row.state),
        version=row.version,
        sent_at=row.sent_at,
        hold_reason=HoldReason(row.hold_reason) if row.hold_reason is not None else None,
        failure=_read_failure(row),
        collection_reference=row.collection_reference,
        quote_expires_at=row.quote_expires_at,
        late_funds=read_late_funds(row.late_funds),
        cancel_requested_at=row.cancel_requested_at,
        refunded=Money(row.refunded_minor, SOURCE_CURRENCY),
        refund_fees=RefundFees(row.refund_fees),
        related=row.related,
        exchange_rule=ExchangeRule(row.exchange_rule),
        deadline_at=row.deadline_at,
        rests_until=row.rests_until,
        cancellable_until=row.cancellable_until,
        payer=None if row.payer is None else PresentPayer(**all_text(row.payer)),
        next_action=None if row.next_action is None else NextAction(**all_text(row.next_action)),
    )


def _read_terms(row: Row[Any]) -> Terms:
    return Terms(
        amount=Money(row.amount_minor, SOURCE_CURRENCY),
        fees=read_fees(row.fees),
        fee=Money(row.fee_minor, SOURCE_CURRENCY),
        net=Money(row.net_minor, SOURCE_CURRENCY),
        rate=finite(row.rate),
        mid_rate=finite(row.mid_rate),
        replaced_mid_rate=row.replaced_mid_rate and finite(row.replaced_mid_rate),
        markup_basis_points=row.markup_basis_points,
        payout=read_money(row, "payout_minor", "destination_currency"),
        fixed_side=FixedSide(row.fixed_side),
    )


def _read_failure(row: Row[Any]) -> Failure | None:
    code, words = row.failure_code, row.failure_message or ""
    return None if code is None else Failure(code=code, message=words)


def event_row(payment: Payment, event: Event) -> dict[str, Any]:
    """A row of `payment_events`."""
    return {
        "merchant_id": payment.merchant_id,
        "payment_id": payment.id,
        "sequence": event.sequence,
        "from_state": event.from_state,
        "to_state": event.to_state,
        "actor": event.actor,
        "cause": event.cause,
        "evidence": dict(event.evidence),
        "trace_id": payment.trace_id,
    }


def read_event(row: Row[Any]) -> RecordedEvent:
    """The event of a row of `payment_events`."""
    return RecordedEvent(
        event=Event(
            sequence=row.sequence,
            from_state=State(row.from_state) if row.from_state else None,
            to_state=State(row.to_state),
            actor=row.actor,
            cause=Cause(row.cause),
            evidence=all_text(row.evidence),
        ),
        occurred_at=row.occurred_at,
        trace_id=row.trace_id,
    )


def quote_row(quote: Quote, payment_id: UUID | None) -> dict[str, Any]:
    """A row of `quotes`; terms and trail are kept whole, as they were promised."""
    return {
        "merchant_id": quote.merchant_id,
        "id": quote.id,
        "corridor_id": quote.corridor_id,
        "terms": {
            **terms_row(quote.terms),
            **inputs_row(quote),
            **conditions_row(quote.conditions, is_open=payment_id is None),
            **({"recipient": as_row(quote.recipient)} if quote.recipient else {}),
        },
        "trail": trail_row(quote.trail),
        "fee_schedule_version": quote.fee_schedule_version,
        "payment_id": payment_id,
        "created_at": quote.created_at.isoformat(),
        "expires_at": quote.expires_at.isoformat(),
    }


def read_quote(row: Row[Any]) -> Quote:
    """Reads a row of `quotes`. Raises where a value is none that the code knows."""
    terms, trail = row.terms, row.trail
    rate = read_trail(trail)
    return Quote(
        merchant_id=row.merchant_id,
        id=row.id,
        corridor_id=row.corridor_id,
        terms=Terms(
            amount=Money(terms["amount_minor"], SOURCE_CURRENCY),
            fees=with_formulas(read_fees(terms["fees"]), terms),
            fee=Money(terms["fee_minor"], SOURCE_CURRENCY),
            net=Money(terms["net_minor"], SOURCE_CURRENCY),
            payout=Money(terms["payout_minor"], terms["destination_currency"]),
            fixed_side=FixedSide(terms.get("fixed_side", FixedSide.SOURCE)),
            **rate.agreed,
        ),
        trail=rate,
        fee_schedule_version=row.fee_schedule_version,
        schedule_terms=text(terms.get("schedule_terms", "")),
        rounding=read_rounding(terms),
        created_at=row.created_at,
        expires_at=row.expires_at,
        conditions=read_conditions(terms),
        recipient=from_row(terms["recipient"]) if "recipient" in terms else None,
        payment_id=row.payment_id,
    )


def terms_row(terms: Terms) -> dict[str, Any]:
    """The terms of a quote as its row keeps them."""
    return {
        "amount_minor": terms.amount.amount_minor,
        "fees": _fee_rows(terms.fees),
        "fee_minor": terms.fee.amount_minor,
        "net_minor": terms.net.amount_minor,
        "payout_minor": terms.payout.amount_minor,
        "destination_currency": terms.payout.currency,
        "fixed_side": terms.fixed_side,
    }


def _fee_rows(fees: Iterable[FeeLine]) -> list[dict[str, Any]]:
    return [{"name": fee.name, "amount_minor": fee.amount.amount_minor} for fee in fees]


def read_money(row: Row[Any], minor: str, currency: str) -> Money:
    """The amount of two columns."""
    code = getattr(row, currency)
    # Asked first, so that a code that is none is not taken for an amount that is none.
    exponent(code)
    return Money(getattr(row, minor), code)


def read_fees(rows: object) -> tuple[FeeLine, ...]:
    """The fee lines of a row."""
    return tuple(
        FeeLine(name=text(row["name"]), amount=Money(whole(row["amount_minor"]), SOURCE_CURRENCY))
        for row in listed(rows)
    )
