"""The only place that picks concrete parts. Tests call the same function."""

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from caravel.providers.v1 import providers_pb2_grpc

from services.providers.adapters import ADAPTERS
from services.providers.adapters.kit.http import open_session
from services.providers.breaker import BreakerPolicy
from services.providers.config import AdapterMissing, Config
from services.providers.corridors import OpenAdapters
from services.providers.limits import CONCURRENCY_DEFAULT, Limits
from services.providers.ports import Adapter
from services.providers.servicer import ProviderServicer
from services.providers.usecases import Providers
from services.shared.clock import Clock, SystemClock
from services.shared.corridors import load_corridors
from services.shared.deployment import Deployment
from services.shared.grpc_server import GrpcServer
from services.shared.identity import Identity
from services.shared.limits import BATCH_MESSAGE_MAX_BYTES


@asynccontextmanager
async def assemble(
    config: Config,
    identity: Identity | None = None,
    clock: Clock | None = None,
    adapters: Mapping[str, Adapter] | None = None,
    monotonic: Callable[[], float] = time.monotonic,
) -> AsyncIterator[GrpcServer]:
    """The service, ready to be started. Raises CorridorsError, AdapterMissing, RailMissing.

    Without an identity it is in the clear. `monotonic` is the time that breakers and rate caps go
    by.
    """
    live = config.deployment is Deployment.LIVE
    corridors = load_corridors(config.corridors_dir, live=live)
    async with open_session() as session:
        if adapters is None:
            adapters = {
                name: ADAPTERS[name].open(config, session, clock or SystemClock())
                for name in config.needed_providers()
            }
        opened = OpenAdapters(adapters, live=live)
        opened.refuse_others(corridors)
        providers = Providers(
            adapters,
            deployment=config.deployment,
            limits=_limits(config, adapters),
            policy=_policy(config),
            monotonic=monotonic,
        )
        server = GrpcServer(identity=identity, max_bytes=BATCH_MESSAGE_MAX_BYTES)
        server.add(
            providers_pb2_grpc.add_ProviderServiceServicer_to_server,
            ProviderServicer(providers, opened),
            "caravel.providers.v1.ProviderService",
        )
        yield server


def _limits(config: Config, adapters: Mapping[str, Adapter]) -> Mapping[str, Limits]:
    named = {*config.provider_concurrency, *config.provider_rates}
    for name in sorted(named - {*adapters, *ADAPTERS}):
        raise AdapterMissing(f"PROVIDER_CONCURRENCY or PROVIDER_RATES: no adapter is called {name}")
    return {
        name: Limits(
            concurrency=config.provider_concurrency.get(name, CONCURRENCY_DEFAULT),
            per_second=config.provider_rates.get(name),
        )
        for name in adapters
    }


def _policy(config: Config) -> BreakerPolicy:
    return BreakerPolicy(
        faults_in_a_row=config.breaker_faults_in_a_row,
        fault_percent=config.breaker_fault_percent,
        pause_seconds=float(config.breaker_pause_seconds),
    )
