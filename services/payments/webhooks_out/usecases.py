"""The verbs of a merchant's webhook endpoints: make, list, delete. The store writes their events
with each change, and the worker delivers them."""

import base64
import secrets
from collections.abc import Sequence

from services.payments.model.endpoint import Endpoint, UnreadableEndpoint
from services.payments.model.principal import MerchantId
from services.payments.webhooks_out.addresses import Targets
from services.payments.webhooks_out.endpoint import check_url, read_endpoint_id
from services.payments.webhooks_out.ports import EndpointStore
from services.shared.ids import new_id

SECRET_BYTES = 32


class Endpoints:
    """The endpoints of all merchants."""

    def __init__(self, store: EndpointStore, targets: Targets) -> None:
        self._store = store
        self._targets = targets

    async def create(self, merchant_id: MerchantId, url: str) -> Endpoint:
        """A new endpoint, with its secret. Raises Invalid or EndpointsExhausted."""
        check_url(url, self._targets)
        secret = base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
        return await self._store.add(merchant_id, new_id(), url, f"whsec_{secret}")

    async def list(self, merchant_id: MerchantId) -> Sequence[Endpoint | UnreadableEndpoint]:
        """Those that are not deleted, oldest first."""
        return await self._store.list(merchant_id)

    async def delete(self, merchant_id: MerchantId, endpoint_id: str) -> None:
        """Nothing is sent there any more. Raises EndpointNotFound."""
        await self._store.delete(merchant_id, read_endpoint_id(endpoint_id))
