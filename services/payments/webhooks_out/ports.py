"""The endpoints of merchants, the outbox of their events, and the sender."""

from collections.abc import Mapping, Sequence
from typing import Protocol
from uuid import UUID

from services.payments.model.endpoint import Endpoint, UnreadableEndpoint
from services.payments.model.principal import MerchantId
from services.payments.webhooks_out.delivery import Delivery, Reply, TryResult, Waiting


class EndpointStore(Protocol):
    """The endpoints of merchants."""

    async def add(
        self, merchant_id: MerchantId, endpoint_id: UUID, url: str, secret: str
    ) -> Endpoint:
        """Keeps a new endpoint. Raises EndpointsExhausted."""
        ...

    async def list(self, merchant_id: MerchantId) -> Sequence[Endpoint | UnreadableEndpoint]:
        """Those of a merchant that are not deleted, oldest first; one whose record cannot be read
        is named in its place."""
        ...

    async def delete(self, merchant_id: MerchantId, endpoint_id: UUID) -> None:
        """Disables an endpoint for good and hides it. Raises EndpointNotFound."""
        ...


class Outbox(Protocol):
    """The events for merchants' endpoints; each call is one transaction."""

    async def claim(
        self, busy: Mapping[UUID, int], *, each: int, limit: int, lease_seconds: float
    ) -> Sequence[Delivery]:
        """Takes due deliveries that nobody holds, each under a new lease token.

        At most limit, and of one endpoint at most each, less those that busy says are under way.
        """
        ...

    async def settle(self, settled: Sequence[tuple[Delivery, TryResult]]) -> Sequence[bool]:
        """Writes each result whose lease token still stands; says in order whether it did."""
        ...

    async def waiting(self, *, limit: int) -> tuple[int, Sequence[Waiting]]:
        """How many events are neither delivered nor given up, and the endpoints whose oldest has
        waited longest, at most limit."""
        ...


class EventSender(Protocol):
    """Sends to merchants' endpoints."""

    async def send(self, delivery: Delivery) -> Reply:
        """Sends an event, signed, once; gives the status of the answer, or why there is none."""
        ...
