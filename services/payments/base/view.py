"""A payment as the public API shows it: one table of its fields, from which the message of gRPC and
the JSON of merchants' events are made. The message itself is made in base.convert."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from services.payments.model.dispute import Dispute
from services.payments.model.payment import Payment, State
from services.payments.model.quote import Pricing, RateOverride, RateTrail, Terms
from services.payments.model.refund import Refund
from services.payments.model.refusals import refusal_of
from services.shared.ids import Prefix, encode_id
from services.shared.money import exponent, format_rate
from services.shared.recipients import NO_RECIPIENT, masked
from services.shared.recipients.wire import recipient_fields

PERCENT_DECIMALS = 4
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
        "quote_id": encode_id(Prefix.QUOTE, payment.quote_id),
        "corridor_id": payment.corridor_id,
        "onramp": payment.onramp,
        "offramp": payment.offramp,
        "reference": payment.reference,
        "created_at": payment.created_at,
        "updated_at": payment.updated_at,
        "cancel_requested": payment.cancel_requested_at is not None,
        "refunded_usd": str(payment.refunded),
        "refund_fees": payment.refund_fees,
        "refunds": [refund_fields(refund, payment) for refund in payment.refunds],
        "recipient_is_example": payment.recipient_is_example,
        "disputes": [dispute_fields(dispute) for dispute in payment.disputes],
    }
    if payment.recipient != NO_RECIPIENT:
        shown["recipient"] = recipient_fields(masked(payment.recipient))
    if payment.pricing is not None:
        shown |= pricing_fields(payment.pricing)
    if payment.account_check is not None:
        shown["account_check"] = payment.account_check
    if payment.failure is not None:
        shown["failure"] = {"code": payment.failure.code, "message": payment.failure.message}
    if payment.state is State.ACTION_REQUIRED and payment.failure is not None:
        refusal = refusal_of(payment.failure.code)
        shown["action_required"] = {
            "reason": payment.failure.code,
            "message": refusal.message,
            "field": refusal.field_of(payment.recipient),
        }
    if payment.next_action is not None:
        shown["next_action"] = asdict(payment.next_action)
    if payment.hold_reason is not None:
        shown["hold"] = {"reason": payment.hold_reason}
    if payment.deadline_at is not None:
        shown["deadline_at"] = payment.deadline_at
    if payment.cancellable_until is not None:
        shown["cancellable_until"] = payment.cancellable_until
    return shown


def terms_fields(terms: Terms) -> dict[str, Any]:
    """The fields that a payment and a quote share: amounts, fees, the rate and the whole cost."""
    return {
        "amount_usd": str(terms.amount),
        "fee_usd": str(terms.fee),
        "fees": [
            {"name": line.name, "amount_usd": str(line.amount)}
            | ({"formula": line.formula} if line.formula else {})
            for line in terms.fees
        ],
        "net_usd": str(terms.net),
        "destination_currency": terms.payout.currency,
        "fx_rate": format_rate(terms.rate),
        "payout_amount": str(terms.payout),
        "fixed_side": terms.fixed_side,
        **_cost_fields(terms),
    }


def _cost_fields(terms: Terms) -> dict[str, str]:
    """The whole cost; none of a damaged row, whose figures make none."""
    if not terms.amount.amount_minor or terms.market_mid_rate <= 0:
        return {}
    cost = terms.cost
    return {
        "all_in_rate": format_rate(cost.all_in_rate),
        "cost_usd": f"{cost.amount:z.{exponent(terms.amount.currency)}f}",
        "cost_percent": f"{cost.percent:z.{PERCENT_DECIMALS}f}",
    }


def pricing_fields(pricing: Pricing) -> dict[str, Any]:
    """The fields of a payment and a quote that show how the price was made."""
    shown: dict[str, Any] = {
        "rate_trail": trail_fields(pricing.trail),
        "fee_schedule_version": pricing.fee_schedule_version,
    }
    if pricing.schedule_terms:
        shown["fee_schedule_terms"] = pricing.schedule_terms
    if pricing.rounding is not None:
        shown["rounding"] = asdict(pricing.rounding)
    return shown


def trail_fields(trail: RateTrail) -> dict[str, Any]:
    """The trail of a rate; of an input that is unknown there is no entry."""
    shown: dict[str, Any] = {
        "mid_rate": format_rate(trail.mid_rate),
        "markup_basis_points": trail.markup_basis_points,
        "source": trail.source,
        "synthetic": trail.synthetic,
        "observed_at": trail.observed_at,
        "fetched_at": trail.fetched_at,
        "legs": [
            {
                "base_currency": leg.base_currency,
                "quote_currency": leg.quote_currency,
                "rate": format_rate(leg.rate),
            }
            for leg in trail.legs
        ],
    }
    if trail.payload_sha256:
        shown["payload_sha256"] = trail.payload_sha256
    if trail.closed_market_basis_points is not None:
        shown["closed_market_basis_points"] = trail.closed_market_basis_points
    if trail.override is not None:
        shown["override"] = _override_fields(trail.override)
    return shown


def _override_fields(override: RateOverride) -> dict[str, Any]:
    shown: dict[str, Any] = {"override_id": override.override_id}
    if override.rate is not None:
        shown["rate"] = format_rate(override.rate)
    if override.markup_basis_points is not None:
        shown["markup_basis_points"] = override.markup_basis_points
    if override.market_mid_rate is not None:
        shown["market_mid_rate"] = format_rate(override.market_mid_rate)
    shown["expires_at"] = override.expires_at
    return shown


def refund_fields(refund: Refund, payment: Payment) -> dict[str, Any]:
    """A refund's fields by their names in the contract, as those of a payment."""
    shown = {
        "refund_id": refund.refund_id,
        "transaction_id": payment.transaction_id,
        "amount_usd": str(refund.amount),
        "status": refund.shown_status(payment),
        "reason": refund.reason,
        "requested_by": refund.requested_by,
        "provider": refund.provider,
        "provider_reference": refund.provider_reference,
        "created_at": refund.created_at,
        "updated_at": refund.updated_at,
    }
    if refund.failure is not None:
        shown["failure"] = {"code": refund.failure.code, "message": refund.failure.message}
    return shown


def dispute_fields(dispute: Dispute) -> dict[str, Any]:
    """A dispute's fields by their names in the contract, as those of a payment."""
    shown = {
        "dispute_id": dispute.dispute_id,
        "transaction_id": encode_id(Prefix.PAYMENT, dispute.payment_id),
        "kind": dispute.kind,
        "status": dispute.status,
        "reason": dispute.reason,
        "amount_usd": str(dispute.amount) if dispute.amount else "",
        "withdrawn_usd": str(dispute.withdrawn),
        "provider": dispute.provider,
        "provider_reference": dispute.provider_reference,
        "created_at": dispute.created_at,
        "updated_at": dispute.updated_at,
    }
    if dispute.respond_by is not None:
        shown["respond_by"] = dispute.respond_by
    return shown


def payment_as_json(payment: Payment) -> dict[str, Any]:
    """A payment as an event shows it: as the REST API does, without what is for the payer alone."""
    shown = _as_json(payment_fields(payment))
    if payment.next_action is not None:
        shown["next_action"] = {"kind": payment.next_action.kind}
    return shown


def repricing_as_json(was: Payment, now: Payment) -> dict[str, Any]:
    """The figures of a payment before and after it was priced again."""
    return {
        "from_quote_id": encode_id(Prefix.QUOTE, was.quote_id),
        "from_fx_rate": format_rate(was.terms.rate),
        "from_payout_amount": str(was.terms.payout),
        "to_quote_id": encode_id(Prefix.QUOTE, now.quote_id),
        "to_fx_rate": format_rate(now.terms.rate),
        "to_payout_amount": str(now.terms.payout),
        "destination_currency": now.terms.payout.currency,
    }


def refund_as_json(refund: Refund, payment: Payment) -> dict[str, Any]:
    """A refund as the REST API shows it."""
    return _as_json(refund_fields(refund, payment))


def dispute_as_json(dispute: Dispute) -> dict[str, Any]:
    """A dispute as the REST API shows it."""
    return _as_json(dispute_fields(dispute))


def _as_json(fields: dict[str, Any]) -> dict[str, Any]:
    """Fields with their times as texts, at any depth."""
    return {name: _value_as_json(value) for name, value in fields.items()}


def _value_as_json(value: Any) -> Any:
    if isinstance(value, datetime):
        return time_as_json(value)
    if isinstance(value, dict):
        return _as_json(value)
    if isinstance(value, list):
        return [_as_json(item) for item in value]
    return value


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
