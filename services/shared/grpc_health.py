"""gRPC's health service: whether calls are welcome, once or as it changes."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.shared.errors import NotFound
from services.shared.held import HeldStreams

NAME = "grpc.health.v1.Health"
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
# The published types are older than the method List.
messages: Any = health_pb2


class HealthUnknown(NotFound):
    """No service of this name is served here."""

    reason = "HEALTH_UNKNOWN"


class HealthServicer(health_pb2_grpc.HealthServicer):
    """One state for all services of a process, NOT_SERVING until it is set."""

    def __init__(self, held: HeldStreams) -> None:
        self._names: set[str] = {""}
        self._held = held
        self._is_serving = False
        self._is_stopping = False
        self._changed = asyncio.Event()

    def add(self, names: Iterable[str]) -> None:
        """Lets these services be asked for."""
        self._names.update(names)

    def set(self, *, serving: bool) -> None:
        """Says whether calls are welcome; once it is stopping they never are."""
        if serving != self._is_serving and not self._is_stopping:
            self._is_serving = serving
            self._report()

    def stop(self) -> None:
        """Says that no call is welcome any more."""
        self.set(serving=False)
        self._is_stopping = True

    async def Check(self, request: Any, context: Any) -> Any:  # noqa: N802 - the contract's name
        """The state now. Raises HealthUnknown."""
        if request.service not in self._names:
            raise HealthUnknown
        return health_pb2.HealthCheckResponse(status=self._status())

    async def Watch(  # noqa: N802 - the contract's name
        self, request: Any, context: Any
    ) -> AsyncIterator[Any]:
        """The state now, and again whenever it is another, until the caller ends it."""
        with self._held.one_more(context.peer()):
            while True:
                changed = self._changed
                known = request.service in self._names
                status = self._status() if known else UNKNOWN
                yield health_pb2.HealthCheckResponse(status=status)
                await changed.wait()

    async def List(self, request: Any, context: Any) -> Any:  # noqa: N802 - the contract's name
        """The state of every service."""
        one = health_pb2.HealthCheckResponse(status=self._status())
        return messages.HealthListResponse(statuses=dict.fromkeys(self._names, one))

    def _status(self) -> Any:
        return SERVING if self._is_serving else NOT_SERVING

    def _report(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
