"""A payment as the public API shows it, and the parts that other messages share with it."""

from collections.abc import Sequence
from datetime import datetime

from caravel.payments.v1 import payments_pb2
from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from services.payments.model.payment import Payment
from services.payments.model.quote import FeeLine
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
        fees=write_fees(terms.fees),
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


def write_fees(lines: Sequence[FeeLine]) -> list[payments_pb2.Fee]:
    """The named parts of a fee, in US dollars."""
    return [payments_pb2.Fee(name=line.name, amount_usd=str(line.amount)) for line in lines]


def timestamp(instant: datetime) -> Timestamp:
    """An instant as the wire has it."""
    stamp = Timestamp()
    stamp.FromDatetime(instant)
    return stamp
