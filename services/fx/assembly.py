"""The only place that picks concrete parts. Tests enter by the same door, with sources of their
own where they need them."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from caravel.fx.v1 import fx_pb2_grpc

from services.fx.config import Config
from services.fx.ports import RateSource
from services.fx.servicer import FxServicer
from services.fx.sources import SOURCES
from services.fx.usecases import Rates
from services.shared.clock import Clock, SystemClock
from services.shared.corridors import Corridors, CorridorsError, load_corridors
from services.shared.grpc_server import GrpcServer


@asynccontextmanager
async def assemble(
    config: Config,
    clock: Clock | None = None,
    catalogue: Mapping[str, Callable[[Clock], RateSource]] = SOURCES,
) -> AsyncIterator[GrpcServer]:
    """The service, its sources loaded, ready to be started.

    Raises CorridorsError where a corridor file is wrong or names a source that does not exist.
    """
    clock = clock or SystemClock()
    corridors = load_corridors(config.corridors_dir)
    sources = {name: catalogue[name](clock) for name in _source_names(corridors, catalogue)}
    for source in sources.values():
        await source.load()
    server = GrpcServer()
    server.add(
        fx_pb2_grpc.add_FxServiceServicer_to_server,
        FxServicer(Rates(corridors, sources, clock)),
        "caravel.fx.v1.FxService",
    )
    yield server


def _source_names(corridors: Corridors, catalogue: Mapping[str, object]) -> list[str]:
    """The sources that any corridor asks; the others need not be loaded."""
    for corridor in corridors:
        if unknown := sorted(set(corridor.fx.sources) - set(catalogue)):
            raise CorridorsError(
                f"{corridor.id} names the rate source {unknown[0]}; "
                f"there are {', '.join(sorted(catalogue))}"
            )
    return sorted({name for corridor in corridors for name in corridor.fx.sources})
