"""The only place that picks concrete parts. Tests call the same function, with sources of their
own where they need them."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from caravel.fx.v1 import fx_pb2_grpc

from services.fx.config import Config
from services.fx.feed import LOAD_SECONDS, Feed
from services.fx.servicer import FxServicer
from services.fx.sources import SOURCES
from services.fx.sources.kit import Handed, Registration, open_session
from services.fx.usecases import Rates
from services.shared.clock import Clock, SystemClock
from services.shared.corridors import Corridors, CorridorsError, load_corridors
from services.shared.deployment import Deployment
from services.shared.grpc_server import GrpcServer
from services.shared.identity import Identity


@asynccontextmanager
async def assemble(
    config: Config,
    identity: Identity | None = None,
    clock: Clock | None = None,
    catalogue: Mapping[str, Registration] = SOURCES,
    load_seconds: float = LOAD_SECONDS,
) -> AsyncIterator[GrpcServer]:
    """The service, ready to be started: its sources are loaded, or away and loading on. Without an
    identity it is in the clear.

    Raises CorridorsError where a corridor file is wrong, names a source that does not exist, or,
    where it is live, has made-up rates or no limit of their age.
    """
    clock = clock or SystemClock()
    live = config.deployment is Deployment.LIVE
    corridors = load_corridors(config.corridors_dir, live=live)
    names = _source_names(corridors, catalogue)
    async with open_session() as http:
        handed = Handed(
            clock=clock,
            http=http,
            settings=config,
            base_currencies=frozenset(corridor.source.currency for corridor in corridors),
        )
        feeds = {name: Feed(name, catalogue[name].open(handed), clock, live=live) for name in names}
        async with _serving(feeds, corridors, clock, identity, load_seconds) as server:
            yield server


@asynccontextmanager
async def _serving(
    feeds: Mapping[str, Feed],
    corridors: Corridors,
    clock: Clock,
    identity: Identity | None,
    load_seconds: float,
) -> AsyncIterator[GrpcServer]:
    try:
        await asyncio.gather(*(feed.open(load_seconds) for feed in feeds.values()))
        rates = Rates(corridors, feeds, clock)
        await rates.survey()
        server = GrpcServer(identity=identity)
        server.add(
            fx_pb2_grpc.add_FxServiceServicer_to_server,
            FxServicer(rates),
            "caravel.fx.v1.FxService",
        )
        yield server
    finally:
        await asyncio.gather(*(feed.close() for feed in feeds.values()))


def _source_names(corridors: Corridors, catalogue: Mapping[str, object]) -> list[str]:
    """The sources that any corridor asks; the others need not be loaded."""
    for corridor in corridors:
        if unknown := sorted(set(corridor.fx.sources) - set(catalogue)):
            raise CorridorsError(
                f"{corridor.id} names the rate source {unknown[0]}; "
                f"there are {', '.join(sorted(catalogue))}"
            )
    return sorted({name for corridor in corridors for name in corridor.fx.sources})
