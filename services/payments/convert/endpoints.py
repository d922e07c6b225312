"""Endpoints, and the events that are sent to them, as the public API shows them."""

import json
from datetime import datetime

from caravel.payments.v1 import endpoints_pb2
from google.protobuf.json_format import MessageToDict
from google.protobuf.timestamp_pb2 import Timestamp

from services.payments.convert.writing import write_payment
from services.payments.domain.delivery import event_id
from services.payments.domain.endpoint import Endpoint
from services.payments.domain.payment import Payment


def write_new_endpoint(endpoint: Endpoint) -> endpoints_pb2.NewEndpoint:
    """An endpoint with its secret, which is shown this once."""
    return endpoints_pb2.NewEndpoint(
        endpoint_id=endpoint.endpoint_id,
        url=endpoint.url,
        secret=endpoint.secret,
        created_at=_timestamp(endpoint.created_at),
    )


def write_endpoint(endpoint: Endpoint) -> endpoints_pb2.Endpoint:
    """An endpoint as it is listed."""
    disabled_at = endpoint.disabled_at
    return endpoints_pb2.Endpoint(
        endpoint_id=endpoint.endpoint_id,
        url=endpoint.url,
        created_at=_timestamp(endpoint.created_at),
        disabled_at=_timestamp(disabled_at) if disabled_at else None,
    )


def encode_event(payment: Payment) -> bytes:
    """The bytes that tell of a payment's newest event; its JSON is the JSON of the REST API."""
    told = endpoints_pb2.WebhookEvent(
        id=event_id(payment.id, payment.version),
        type=payment.event_type,
        created_at=_timestamp(payment.updated_at),
        data=write_payment(payment),
    )
    shown = MessageToDict(
        told, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return json.dumps(shown, ensure_ascii=False, separators=(",", ":")).encode()


def _timestamp(instant: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(instant)
    return stamp
