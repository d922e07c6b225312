"""Has events sent to merchants' endpoints again. Each call is one transaction of bounded work, with
its entry in the log of actions; one that is refused has an entry too."""

from datetime import datetime

from services.payments.model.operator import Operator
from services.payments.operators.domain import Action
from services.payments.operators.replay_ports import (
    Replay,
    ReplayStore,
    ReplayWindow,
    read_delivery_id,
)
from services.payments.operators.trail import Trail
from services.payments.webhooks_out.endpoint import read_endpoint_id

# Of events that have been tried, and again of those that wait for their next try.
REPLAYED_MAX = 500


class Replaying:
    """The replays of operators."""

    def __init__(self, store: ReplayStore, trail: Trail) -> None:
        self._store = store
        self._trail = trail

    async def delivery(self, delivery_id: str, before: datetime, by: Operator) -> Replay:
        """See ReplayStore.delivery."""
        async with self._trail.attempt(by, Action.REPLAY_DELIVERY, delivery_id):
            return await self._store.delivery(read_delivery_id(delivery_id), before, by)

    async def endpoint(self, endpoint_id: str, window: ReplayWindow, by: Operator) -> Replay:
        """See ReplayStore.endpoint."""
        async with self._trail.attempt(by, Action.REPLAY_ENDPOINT, endpoint_id):
            endpoint = read_endpoint_id(endpoint_id)
            return await self._store.endpoint(endpoint, window, by, limit=REPLAYED_MAX)
