"""Events that are sent to merchants' endpoints again: the nouns, and the store that it needs."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from services.payments.model.operator import Operator
from services.payments.operators.domain import Kind, LetterKey, decode_key
from services.shared.errors import NotAllowedNow, NotFound
from services.shared.ids import Prefix, encode_id


class DeliveryNotFound(NotFound):
    """No event for a merchant's endpoint has this delivery id."""

    reason = "DELIVERY_NOT_FOUND"


class EndpointDisabled(NotAllowedNow):
    """The endpoint was deleted, or has said that it wants no more; nothing is sent there."""

    reason = "ENDPOINT_DISABLED"


@dataclass(frozen=True, kw_only=True)
class DeliveryKey:
    """Which event on its way to which endpoint."""

    payment_id: UUID
    sequence: int
    position: int
    endpoint_id: UUID

    @property
    def delivery_id(self) -> str:
        """The public id; a dead letter of this event has the same."""
        position = f".{self.position}" if self.position else ""
        words = f"{self.payment_id} {self.sequence}{position} {self.endpoint_id}"
        return LetterKey(kind=Kind.OUTBOX, words=words).dead_letter_id


@dataclass(frozen=True, kw_only=True)
class ReplayWindow:
    """The last tries of the events that are meant, from the one time on until before the other."""

    since: datetime
    before: datetime


@dataclass(frozen=True, kw_only=True)
class Replay:
    """How many events are due now, and whether more may be left."""

    events: int
    has_more: bool = False


class ReplayStore(Protocol):
    """The events that were sent to endpoints; each call is one transaction with its entry in the
    log of actions, where it has changed anything."""

    async def delivery(self, key: DeliveryKey, before: datetime, by: Operator) -> Replay:
        """Has one event sent again, where its last try ended before that time.

        Raises DeliveryNotFound, EndpointDisabled, Invalid for a time in the future.
        """
        ...

    async def endpoint(
        self, endpoint_id: UUID, window: ReplayWindow, by: Operator, *, limit: int
    ) -> Replay:
        """Has events of an endpoint sent again: at most limit of those that were tried, and as many
        of those that wait.

        Raises EndpointNotFound, EndpointDisabled, Invalid for a time in the future.
        """
        ...


def subject_of(endpoint_id: UUID, window: ReplayWindow) -> str:
    """The subject of a replay in the log: the endpoint, and the tries that were meant."""
    since, before = (f"{time:%Y-%m-%dT%H:%M:%SZ}" for time in (window.since, window.before))
    return f"{encode_id(Prefix.ENDPOINT, endpoint_id)} from {since} to {before}"


def read_delivery_id(text: str) -> DeliveryKey:
    """The key behind a public id. Raises DeliveryNotFound for a malformed one."""
    found = decode_key(text)
    try:
        if found is None or found.kind is not Kind.OUTBOX:
            raise ValueError
        payment_id, number, endpoint_id = found.words.split(" ")
        sequence, _, position = number.partition(".")
        key = DeliveryKey(
            payment_id=UUID(payment_id),
            sequence=int(sequence),
            position=int(position or 0),
            endpoint_id=UUID(endpoint_id),
        )
    except ValueError:
        raise DeliveryNotFound(delivery_id=text) from None
    # Only the one way of writing it that is ours, and numbers that the columns can hold.
    if key.delivery_id != text or key.sequence >= 2**31 or key.position >= 2**15:
        raise DeliveryNotFound(delivery_id=text)
    return key
