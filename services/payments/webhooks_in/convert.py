"""A webhook's headers as they come, and the receipt that it is answered with."""

from collections.abc import Iterable

from caravel.payments.v1 import webhooks_pb2

from services.payments.mesh.ports import ProviderEvent
from services.payments.webhooks_in.ports import Receipt


def read_headers(metadata: Iterable[tuple[str, str | bytes]]) -> dict[str, str]:
    """A webhook's HTTP headers, names in lower case; binary metadata are none of HTTP's."""
    return {name: value for name, value in metadata if isinstance(value, str)}


def write_receipt(receipt: Receipt, event: ProviderEvent) -> webhooks_pb2.WebhookReceipt:
    """The answer to a webhook."""
    return webhooks_pb2.WebhookReceipt(
        result=webhooks_pb2.WebhookReceipt.Result.Value(receipt), event_id=event.event_id
    )
