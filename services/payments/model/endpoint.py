"""A merchant's webhook endpoint. The check of its URL is in webhooks_out.endpoint."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from services.shared.ids import Prefix, encode_id


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A URL that gets a merchant's events; the secret signs them."""

    merchant_id: str
    id: UUID
    url: str
    secret: str = field(repr=False)
    created_at: datetime
    disabled_at: datetime | None = None

    @property
    def endpoint_id(self) -> str:
        """The public id, for example whe_01jd8x3v9me7rb5k3n6q2f4h8z."""
        return encode_id(Prefix.ENDPOINT, self.id)


@dataclass(frozen=True, kw_only=True)
class UnreadableEndpoint:
    """An endpoint whose record cannot be read, named in the list of the others."""

    id: UUID

    @property
    def endpoint_id(self) -> str:
        """The public id, for example whe_01jd8x3v9me7rb5k3n6q2f4h8z."""
        return encode_id(Prefix.ENDPOINT, self.id)
