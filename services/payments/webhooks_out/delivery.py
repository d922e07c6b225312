"""One event on its way to one endpoint: its id, the meaning of an answer, and the time of the next
try. The deliverer tries it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from functools import cached_property
from http import HTTPStatus
from uuid import UUID

from uuid_utils.compat import uuid5

from services.payments.model.timing import DELIVERY_WAITS
from services.shared.ids import Prefix, encode_id

ENDPOINT_DISABLED = "the endpoint is disabled"


class DeliveryState(StrEnum):
    """The progress of an event on its way to an endpoint."""

    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    SET_ASIDE = "SET_ASIDE"
    DISCARDED = "DISCARDED"


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """An event for an endpoint, claimed under a lease token."""

    merchant_id: str
    payment_id: UUID
    sequence: int
    endpoint_id: UUID
    url: str
    secret: str = field(repr=False)
    endpoint_disabled: bool
    body: bytes = field(repr=False)
    failures: int
    lease_token: int
    # The place among the events of one change.
    position: int = 0

    @cached_property
    def event_id(self) -> str:
        """The public id of the event."""
        return event_id(self.payment_id, self.sequence, self.position)


@dataclass(frozen=True, kw_only=True)
class Reply:
    """The answer of an endpoint: its status, or the reason why there is none."""

    status: int | None = None
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """The events that wait for one endpoint, and the age of the oldest."""

    merchant_id: str
    endpoint_id: UUID
    events: int
    oldest_seconds: float


@dataclass(frozen=True, kw_only=True)
class TryResult:
    """The change to record about a delivery after a try."""

    state: DeliveryState
    failures: int
    last_error: str | None = None
    due_in: timedelta | None = None
    disables_endpoint: bool = False


def event_id(payment_id: UUID, sequence: int, position: int = 0) -> str:
    """The id of a payment's event, always the same."""
    name = f"{sequence}.{position}" if position else str(sequence)
    return encode_id(Prefix.EVENT, uuid5(payment_id, name))


def result_of(delivery: Delivery, reply: Reply, spread: Callable[[], float]) -> TryResult:
    """The meaning of a reply: only 2xx means delivered. spread() is in [0, 1)."""
    if reply.status is not None and 200 <= reply.status < 300:
        return TryResult(state=DeliveryState.DELIVERED, failures=delivery.failures)
    failures = delivery.failures + 1
    reason = reply.error if reply.status is None else f"the endpoint answered {reply.status}"
    gone = reply.status == HTTPStatus.GONE
    if gone or failures > len(DELIVERY_WAITS):
        return TryResult(
            state=DeliveryState.SET_ASIDE,
            failures=failures,
            last_error=reason,
            disables_endpoint=gone,
        )
    return TryResult(
        state=DeliveryState.PENDING,
        failures=failures,
        last_error=reason,
        due_in=DELIVERY_WAITS[failures - 1] * spread(),
    )


def give_up(delivery: Delivery) -> TryResult:
    """The result for an event of a disabled endpoint."""
    return TryResult(
        state=DeliveryState.SET_ASIDE, failures=delivery.failures, last_error=ENDPOINT_DISABLED
    )
