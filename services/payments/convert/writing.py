"""Nouns as the public API shows them: payments, events, quotes, corridors, receipts."""

from collections.abc import Sequence
from datetime import datetime

from caravel.payments.v1 import payments_pb2, webhooks_pb2
from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from services.payments.domain.payment import Payment, RecordedEvent
from services.payments.domain.quote import FeeLine, Quote, RateTrail
from services.payments.ports import ProviderEvent, Receipt
from services.shared.corridors import Corridor
from services.shared.ids import encode_id
from services.shared.money import format_rate


def write_payment(payment: Payment) -> payments_pb2.Payment:
    """A payment as the public API shows it."""
    terms = payment.terms
    wire = payments_pb2.Payment(
        transaction_id=payment.transaction_id,
        status=payments_pb2.Payment.Status.Value(payment.status),
        user_id=str(payment.user_id),
        amount_usd=str(terms.amount),
        fee_usd=str(terms.fee),
        fees=_write_fees(terms.fees),
        net_usd=str(terms.net),
        destination_currency=terms.payout.currency,
        fx_rate=format_rate(terms.rate),
        payout_amount=str(terms.payout),
        quote_id=encode_id("quo", payment.quote_id),
        onramp=payment.onramp,
        offramp=payment.offramp,
        reference=payment.reference,
        created_at=timestamp(payment.created_at),
        updated_at=timestamp(payment.updated_at),
        refunded_usd=str(payment.refunded),
    )
    if payment.deadline_at is not None:
        wire.deadline_at.CopyFrom(timestamp(payment.deadline_at))
    if payment.cancel_requested_at is not None:
        wire.cancel_requested = True
    if payment.failure is not None:
        wire.failure.code = payment.failure.code
        wire.failure.message = payment.failure.message
    if payment.hold_reason is not None:
        wire.hold.reason = payment.hold_reason
    return wire


def encode_payment(payment: Payment) -> bytes:
    """The bytes that a replay repeats; deterministic, so that equal payments are equal bytes."""
    return write_payment(payment).SerializeToString(deterministic=True)


def decode_payment(response: bytes) -> payments_pb2.Payment:
    """The payment of an answer that was kept. Raises ValueError where it is none."""
    try:
        payment = payments_pb2.Payment.FromString(response)
    except DecodeError:
        raise ValueError("no payment can be read from it") from None
    if not payment.transaction_id:
        raise ValueError("the payment has no id")
    return payment


def write_event(recorded: RecordedEvent) -> payments_pb2.PaymentEvent:
    """One event of a payment's history."""
    event = recorded.event
    return payments_pb2.PaymentEvent(
        sequence=event.sequence,
        from_state=event.from_state or "",
        to_state=event.to_state,
        actor=event.actor,
        cause=event.cause,
        evidence=event.evidence,
        occurred_at=timestamp(recorded.occurred_at),
        trace_id=recorded.trace_id,
    )


def write_quote(quote: Quote, now: datetime) -> payments_pb2.Quote:
    """A quote as it stands at this instant."""
    terms = quote.terms
    return payments_pb2.Quote(
        quote_id=quote.quote_id,
        state=payments_pb2.Quote.State.Value(quote.state(now)),
        amount_usd=str(terms.amount),
        fee_usd=str(terms.fee),
        fees=_write_fees(terms.fees),
        net_usd=str(terms.net),
        destination_currency=terms.payout.currency,
        fx_rate=format_rate(terms.rate),
        payout_amount=str(terms.payout),
        rate_trail=_write_trail(quote.trail),
        fee_schedule_version=quote.fee_schedule_version,
        transaction_id=encode_id("pay", quote.payment_id) if quote.payment_id else "",
        created_at=timestamp(quote.created_at),
        expires_at=timestamp(quote.expires_at),
    )


def write_corridor(corridor: Corridor, trail: RateTrail | None) -> payments_pb2.Corridor:
    """A corridor as it is offered, with the rate one would get now."""
    return payments_pb2.Corridor(
        corridor_id=corridor.id,
        source_country=corridor.source.country,
        destination_country=corridor.destination.country,
        destination_currency=corridor.destination.currency,
        minimum_usd=corridor.limits.minimum_usd,
        maximum_usd=corridor.limits.maximum_usd,
        onramps=corridor.providers.onramps,
        offramps=corridor.providers.offramps,
        indicative_rate=format_rate(trail.rate) if trail else "",
        rate_trail=_write_trail(trail) if trail else None,
        quote_lifetime_seconds=corridor.quote.lifetime_seconds,
    )


def write_receipt(receipt: Receipt, event: ProviderEvent) -> webhooks_pb2.WebhookReceipt:
    """What a webhook is answered."""
    return webhooks_pb2.WebhookReceipt(
        result=webhooks_pb2.WebhookReceipt.Result.Value(receipt), event_id=event.event_id
    )


def _write_trail(trail: RateTrail) -> payments_pb2.RateTrail:
    return payments_pb2.RateTrail(
        mid_rate=format_rate(trail.mid_rate),
        markup_basis_points=trail.markup_basis_points,
        source=trail.source,
        synthetic=trail.synthetic,
        observed_at=timestamp(trail.observed_at),
        fetched_at=timestamp(trail.fetched_at),
        legs=[
            payments_pb2.RateLeg(
                base_currency=leg.base_currency,
                quote_currency=leg.quote_currency,
                rate=format_rate(leg.rate),
            )
            for leg in trail.legs
        ],
    )


def _write_fees(lines: Sequence[FeeLine]) -> list[payments_pb2.Fee]:
    return [payments_pb2.Fee(name=line.name, amount_usd=str(line.amount)) for line in lines]


def timestamp(instant: datetime) -> Timestamp:
    """An instant as the wire has it."""
    stamp = Timestamp()
    stamp.FromDatetime(instant)
    return stamp
