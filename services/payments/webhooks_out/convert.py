"""Endpoints, and the events that are sent to them, as the public API shows them."""

from typing import Any

import orjson
from caravel.payments.v1 import endpoints_pb2

from services.payments.base.convert import timestamp
from services.payments.base.view import (
    dispute_as_json,
    payment_as_json,
    refund_as_json,
    repricing_as_json,
    time_as_json,
)
from services.payments.model.endpoint import Endpoint
from services.payments.webhooks_out.delivery import event_id
from services.payments.webhooks_out.notification import Notification


def write_new_endpoint(endpoint: Endpoint) -> endpoints_pb2.NewEndpoint:
    """An endpoint with its secret, which is shown this once."""
    return endpoints_pb2.NewEndpoint(
        endpoint_id=endpoint.endpoint_id,
        url=endpoint.url,
        secret=endpoint.secret,
        created_at=timestamp(endpoint.created_at),
    )


def write_endpoint(endpoint: Endpoint) -> endpoints_pb2.Endpoint:
    """An endpoint as it is listed."""
    disabled_at = endpoint.disabled_at
    return endpoints_pb2.Endpoint(
        endpoint_id=endpoint.endpoint_id,
        url=endpoint.url,
        created_at=timestamp(endpoint.created_at),
        disabled_at=timestamp(disabled_at) if disabled_at else None,
    )


def encode_event(event: Notification) -> bytes:
    """The bytes of an event; the JSON of its payment, refund or dispute is that of the REST API.

    Written field by field: by way of the message it took four times as long.
    """
    payment = event.payment
    written = {
        "id": event_id(payment.id, payment.version, event.position),
        "type": event.event_type,
        "created_at": time_as_json(payment.updated_at),
        "data": _data(event),
    }
    if event.was is not None:
        written["repricing"] = repricing_as_json(event.was, payment)
    return orjson.dumps(written)


def _data(event: Notification) -> dict[str, Any]:
    if event.refund is not None:
        return refund_as_json(event.refund, event.payment)
    if event.dispute is not None:
        return dispute_as_json(event.dispute)
    return payment_as_json(event.payment)
