"""Endpoints that are late are published by name, and no others: merchants make as many as they
want."""

from uuid import UUID

from prometheus_client import REGISTRY

from services.payments.webhooks_out.deliverer import publish_waiting
from services.payments.webhooks_out.delivery import Waiting
from services.shared.ids import Prefix, encode_id

ENDPOINT = UUID(int=7)
LABELS = {"merchant": "acme", "endpoint": encode_id(Prefix.ENDPOINT, ENDPOINT)}


def _waiting(oldest_seconds: float) -> Waiting:
    return Waiting(
        merchant_id="acme", endpoint_id=ENDPOINT, events=5, oldest_seconds=oldest_seconds
    )


def _late() -> float | None:
    return REGISTRY.get_sample_value("caravel_outbox_late_events", LABELS)


def test_an_endpoint_is_published_while_it_is_late() -> None:
    publish_waiting(9, [_waiting(30)])
    late = _late()
    oldest = REGISTRY.get_sample_value("caravel_outbox_late_oldest_seconds", LABELS)
    publish_waiting(9, [_waiting(29)])

    assert (late, oldest, _late()) == (5, 30, None)
    assert REGISTRY.get_sample_value("caravel_outbox_pending_events") == 9
    assert REGISTRY.get_sample_value("caravel_outbox_oldest_pending_seconds") == 29


def test_nothing_that_waits_is_no_age() -> None:
    publish_waiting(0, [])

    assert REGISTRY.get_sample_value("caravel_outbox_oldest_pending_seconds") == 0
