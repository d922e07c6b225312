"""The adapters with failpoints around them (W4: the provider has it, we have no answer yet) and
inside their HTTP session (W3: half of the request's body is out)."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextvars import ContextVar
from datetime import datetime
from typing import Any, cast

import aiohttp

from services.providers.adapters import ADAPTERS
from services.providers.config import Config
from services.providers.domain import Dispute, EventPage, Kind, Operation, OperationResult
from services.providers.listed import OperationPage, OperationQuery
from services.providers.ports import Adapter
from services.shared.clock import SystemClock
from tests.chaos.failpoints import Failpoints

_SENDING: ContextVar[Operation | None] = ContextVar("sending", default=None)


def swept_adapters(
    config: Config, session: aiohttp.ClientSession, failpoints: Failpoints
) -> Mapping[str, Adapter]:
    """All adapters, over a session that can be torn."""
    torn: Any = TornSession(session, failpoints)
    return {
        name: SweptAdapter(ADAPTERS[name].open(config, torn, SystemClock()), failpoints)
        for name in config.needed_providers()
    }


class SweptAdapter:
    """An adapter that does what its inner one does, and hits W4 before it says so."""

    def __init__(self, inner: Any, failpoints: Failpoints) -> None:
        self.capabilities = inner.capabilities
        self.look_up = inner.look_up
        self.read_webhook = inner.read_webhook
        self._inner = inner
        self._failpoints = failpoints

    async def start_collection(self, operation: Operation) -> OperationResult:
        return await self._send(operation, self._inner.start_collection)

    async def send_payout(self, operation: Operation) -> OperationResult:
        return await self._send(operation, self._inner.send_payout)

    async def refund(self, operation: Operation) -> OperationResult:
        return await self._send(operation, self._inner.refund)

    async def list_events(self, since: datetime | None, page: str) -> EventPage:
        return cast(EventPage, await self._inner.list_events(since, page))

    async def look_up_dispute(self, provider_reference: str) -> Dispute | None:
        return cast("Dispute | None", await self._inner.look_up_dispute(provider_reference))

    async def list_operations(self, query: OperationQuery) -> OperationPage:
        return cast(OperationPage, await self._inner.list_operations(query))

    async def _send(
        self, operation: Operation, call: Callable[[Operation], Awaitable[OperationResult]]
    ) -> OperationResult:
        token = _SENDING.set(operation)
        try:
            result = await call(operation)
        finally:
            _SENDING.reset(token)
        await self._failpoints.hit("W4", (step_of(operation), operation.reference))
        return result


class TornSession:
    """A session whose armed POSTs stop half-way through their body."""

    def __init__(self, inner: aiohttp.ClientSession, failpoints: Failpoints) -> None:
        self._inner = inner
        self._failpoints = failpoints

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def request(self, method: str, url: str, *, data: Any = None, **options: Any) -> Any:
        operation = _SENDING.get()
        if method.upper() == "POST" and operation and data:
            step = step_of(operation)
            if self._failpoints.armed("W3", step, operation.reference):
                body = data if isinstance(data, bytes) else str(data).encode()
                data = self._halves(body, step, operation.reference)
        return self._inner.request(method, url, data=data, **options)

    async def _halves(self, body: bytes, step: str, reference: str) -> AsyncIterator[bytes]:
        middle = len(body) // 2
        yield body[:middle]
        await self._failpoints.hit("W3", (step, reference))
        yield body[middle:]


def step_of(operation: Operation) -> str:
    """The step as payments calls it; a second payout is one to a corrected recipient."""
    if not isinstance(operation.kind, Kind):
        return ""
    is_second = operation.kind is Kind.PAYOUT and not operation.key.endswith("-payout-1")
    return "correction" if is_second else operation.kind.value
