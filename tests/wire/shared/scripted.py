"""A service whose answers a test sets, behind the real server: one unary call, one streaming."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from caravel.providers.v1 import providers_pb2, providers_pb2_grpc

from services.shared.grpc_server import GrpcServer
from services.shared.identity import Identity
from services.shared.telemetry import request_id_var, trace_id_var

NAME = "caravel.providers.v1.ProviderService"


def _open() -> asyncio.Event:
    gate = asyncio.Event()
    gate.set()
    return gate


@dataclass
class Scripted(providers_pb2_grpc.ProviderServiceServicer):
    """Raises its errors one a call, then answers; and notes what each call came with."""

    errors: list[Exception] = field(default_factory=list)
    # Calls wait here, after they have said that they are in, and say it when they leave.
    gate: asyncio.Event = field(default_factory=_open)
    entered: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    metadata: list[dict[str, Any]] = field(default_factory=list)
    contexts: list[tuple[str, str]] = field(default_factory=list)

    @property
    def calls(self) -> int:
        """How many calls have come."""
        return len(self.metadata)

    async def ListProviders(self, request: Any, context: Any) -> Any:  # noqa: N802
        await self._take(context)
        return providers_pb2.ListProvidersResponse(
            providers=[providers_pb2.Capabilities(provider="acme")]
        )

    async def Execute(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        for operation in request.operations:
            yield providers_pb2.OperationResult(key=operation.key)
        await self._take(context)
        yield providers_pb2.OperationResult(key="last")

    LookUp = Execute
    ReadWebhooks = ListProviders

    async def _take(self, context: Any) -> None:
        self.metadata.append(dict(context.invocation_metadata()))
        self.contexts.append((trace_id_var.get(), request_id_var.get()))
        self.entered.set()
        try:
            await self.gate.wait()
        finally:
            self.left.set()
        if self.errors:
            raise self.errors.pop(0)


def serve(servicer: Scripted, identity: Identity | None = None) -> GrpcServer:
    """A server with the service, not yet started."""
    server = GrpcServer(identity=identity)
    server.add(providers_pb2_grpc.add_ProviderServiceServicer_to_server, servicer, NAME)
    return server


@asynccontextmanager
async def serving(servicer: Scripted) -> AsyncIterator[str]:
    """The service, started and healthy; yields where it is."""
    server = serve(servicer)
    await server.start("127.0.0.1", 0)
    await server.set_serving()
    try:
        yield f"127.0.0.1:{server.port}"
    finally:
        await server.stop(0)


async def unary(channel: Any, **options: Any) -> list[str]:
    """Makes the unary call; returns what it answered."""
    stub = providers_pb2_grpc.ProviderServiceStub(channel)
    answer = await stub.ListProviders(providers_pb2.ListProvidersRequest(), timeout=10, **options)
    return [one.provider for one in answer.providers]


async def stream(channel: Any, *keys: str, **options: Any) -> list[str]:
    """Makes the streaming call, which answers these keys before anything happens to it."""
    request = providers_pb2.ExecuteRequest(
        operations=[providers_pb2.Operation(key=key) for key in keys]
    )
    stub = providers_pb2_grpc.ProviderServiceStub(channel)
    return [one.key async for one in stub.Execute(request, timeout=10, **options)]
