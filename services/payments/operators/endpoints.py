"""The webhook endpoints of all merchants, and how their deliveries stand. Merchants make and delete
them in webhooks_out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from services.shared.ids import Prefix, encode_id


@dataclass(frozen=True, kw_only=True)
class MerchantEndpoint:
    """An endpoint and its deliveries, counted up to a bound."""

    merchant_id: str
    id: UUID
    url: str
    created_at: datetime
    disabled_at: datetime | None
    disabled_reason: str
    waiting: int
    failing: int
    next_try_at: datetime | None
    last_error: str
    set_aside: int

    @property
    def endpoint_id(self) -> str:
        """The public id, for example whe_01jd8x3v9me7rb5k3n6q2f4h8z."""
        return encode_id(Prefix.ENDPOINT, self.id)


class EndpointHealth(Protocol):
    """The endpoints of all merchants."""

    async def page(
        self, merchant_id: str | None, *, before: UUID | None, limit: int
    ) -> Sequence[MerchantEndpoint]:
        """Up to limit endpoints, of one merchant or of all, the newest first, those older than
        `before`."""
        ...
