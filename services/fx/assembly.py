"""The only place that picks concrete parts. Tests call the same function, with sources of their
own where they need them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

from caravel.fx.v1 import fx_pb2_grpc

from services.fx.config import Config
from services.fx.feed import LOAD_SECONDS, Feed
from services.fx.metrics import forget_corridors
from services.fx.opened import Opened
from services.fx.servicer import FxServicer
from services.fx.sources import SOURCES, registration
from services.fx.sources.http import REQUEST_SECONDS, open_session
from services.fx.sources.kit import Handed, Pair, Registration
from services.fx.usecases import Rates
from services.shared.clock import Clock, SystemClock
from services.shared.corridors import Corridors, CorridorsError, Versions, load_corridors
from services.shared.deployment import Deployment
from services.shared.grpc_server import GrpcServer
from services.shared.identity import Identity
from services.shared.limits import BATCH_MESSAGE_MAX_BYTES
from services.shared.log import get_logger

# How often each corridor is looked at whether it has a rate, for the metrics and the log.
SURVEY_SECONDS = 30.0
Sleep = Callable[[float], Awaitable[None]]


@asynccontextmanager
async def assemble(
    config: Config,
    identity: Identity | None = None,
    clock: Clock | None = None,
    catalogue: Mapping[str, Registration] = SOURCES,
    *,
    load_seconds: float = LOAD_SECONDS,
    request_seconds: float = REQUEST_SECONDS,
    sleep: Sleep = asyncio.sleep,
) -> AsyncIterator[GrpcServer]:
    """The service, ready to be started: its sources are loaded, or away and loading on. Without an
    identity it is in the clear.

    Raises CorridorsError where a corridor file is wrong, names a source that does not exist, or,
    where it is live, has made-up rates or no limit of their age.
    """
    clock = clock or SystemClock()
    live = config.deployment is Deployment.LIVE
    corridors = load_corridors(config.corridors_dir, live=live)
    named = _named_sources(corridors, catalogue)
    async with open_session(request_seconds) as http:
        feeds = {}
        for name, (source, pairs) in named.items():
            handed = Handed(
                name=name, clock=clock, http=http, settings=config, pairs=frozenset(pairs)
            )
            feeds[name] = Feed(name, source.open(handed), clock, live=live, sleep=sleep)
        opened = Opened(feeds, {name: pairs for name, (_, pairs) in named.items()})
        rates = Versions(
            corridors, lambda one: Rates(one, feeds, clock), opened.refuse_others, live=live
        )
        async with _serving(feeds, rates, identity, load_seconds, sleep) as server:
            yield server


@asynccontextmanager
async def _serving(
    feeds: Mapping[str, Feed],
    rates: Versions[Rates],
    identity: Identity | None,
    load_seconds: float,
    sleep: Sleep,
) -> AsyncIterator[GrpcServer]:
    surveys: asyncio.Task[None] | None = None
    try:
        await asyncio.gather(*(feed.open(load_seconds) for feed in feeds.values()))
        await rates.newest.survey()
        surveys = asyncio.create_task(_survey(rates, sleep))
        server = GrpcServer(identity=identity, max_bytes=BATCH_MESSAGE_MAX_BYTES)
        server.add(
            fx_pb2_grpc.add_FxServiceServicer_to_server,
            FxServicer(rates),
            "caravel.fx.v1.FxService",
        )
        yield server
    finally:
        if surveys is not None:
            surveys.cancel()
            await asyncio.gather(surveys, return_exceptions=True)
        await asyncio.gather(*(feed.close() for feed in feeds.values()))


async def _survey(rates: Versions[Rates], sleep: Sleep) -> None:
    surveyed = rates.newest
    while True:
        await sleep(SURVEY_SECONDS)
        try:
            if rates.newest is not surveyed:
                # Of a corridor that is gone nothing is said any more.
                forget_corridors()
            surveyed = rates.newest
            await surveyed.survey()
        except Exception:  # noqa: BLE001  The next one is due all the same.
            get_logger().exception("survey_failed")


def _named_sources(
    corridors: Corridors, catalogue: Mapping[str, Registration]
) -> Mapping[str, tuple[Registration, set[Pair]]]:
    """The sources that any corridor asks, and for which pairs; the others need not be loaded."""
    named: dict[str, tuple[Registration, set[Pair]]] = {}
    for corridor in corridors:
        for name in corridor.fx.sources:
            source = registration(name, catalogue)
            if source is None:
                raise CorridorsError(
                    f"{corridor.id} names the rate source {name}; there are "
                    f"{', '.join(sorted(catalogue))}, and json_NAME for each file of a description"
                )
            _, pairs = named.setdefault(name, (source, set()))
            pairs.add((corridor.source.currency, corridor.destination.currency))
    return dict(sorted(named.items()))
