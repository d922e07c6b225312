"""The other services, each behind its port on a channel that is open as long as the context."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.payments.mesh.fees import GrpcFees
from services.payments.mesh.fx import GrpcRates
from services.payments.mesh.operation_lists import GrpcOperationLists
from services.payments.mesh.providers import GrpcProviders
from services.payments.mesh.versioned import Files
from services.shared.grpc_client import open_channel
from services.shared.identity import Identity


@asynccontextmanager
async def opened_fees(target: str, identity: Identity, files: Files) -> AsyncIterator[GrpcFees]:
    """fees at host:port; `files` are for a replica that does not know their version."""
    name = "caravel.fees.v1.FeeService"
    async with open_channel(target, name, identity, retry_unavailable=True) as channel:
        yield GrpcFees(channel, files)


@asynccontextmanager
async def opened_rates(target: str, identity: Identity, files: Files) -> AsyncIterator[GrpcRates]:
    """fx at host:port; `files` likewise."""
    name = "caravel.fx.v1.FxService"
    async with open_channel(target, name, identity, retry_unavailable=True) as channel:
        yield GrpcRates(channel, files)


@asynccontextmanager
async def opened_providers(target: str, identity: Identity) -> AsyncIterator[GrpcProviders]:
    """providers at host:port. Execute is never retried below the engine, which looks up before it
    sends again."""
    name = "caravel.providers.v1.ProviderService"
    async with open_channel(target, name, identity, retry_unavailable=False) as channel:
        yield GrpcProviders(channel)


@asynccontextmanager
async def opened_operation_lists(
    target: str, identity: Identity
) -> AsyncIterator[GrpcOperationLists]:
    """The lists of providers at host:port."""
    name = "caravel.providers.v1.ProviderService"
    async with open_channel(target, name, identity, retry_unavailable=True) as channel:
        yield GrpcOperationLists(channel)
