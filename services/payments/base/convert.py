"""A payment as the message that the public API answers with, and times as the wire has them. Its
fields stand in base.view."""

from datetime import datetime
from typing import Any

from caravel.payments.v1 import payments_pb2
from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from services.payments.base.view import payment_fields
from services.payments.model.payment import Payment


def write_payment(payment: Payment) -> payments_pb2.Payment:
    """A payment as the public API shows it."""
    fields: dict[str, Any] = {
        name: timestamp(value) if isinstance(value, datetime) else value
        for name, value in payment_fields(payment).items()
    }
    return payments_pb2.Payment(**fields)


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


def timestamp(instant: datetime) -> Timestamp:
    """An instant as the wire has it."""
    stamp = Timestamp()
    stamp.FromDatetime(instant)
    return stamp
