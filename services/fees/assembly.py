"""The only place that picks concrete parts. Tests call the same function."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from caravel.fees.v1 import fees_pb2_grpc

from services.fees.config import Config
from services.fees.servicer import FeeServicer
from services.fees.usecases import FeeCalculator
from services.shared.clock import Clock, SystemClock
from services.shared.corridors import load_corridors
from services.shared.deployment import Deployment
from services.shared.grpc_server import GrpcServer
from services.shared.identity import Identity


@asynccontextmanager
async def assemble(
    config: Config, identity: Identity | None = None, clock: Clock | None = None
) -> AsyncIterator[GrpcServer]:
    """The service, ready to be started; in the clear without an identity.

    Raises CorridorsError where a corridor file is wrong.
    """
    live = config.deployment is Deployment.LIVE
    corridors = load_corridors(config.corridors_dir, live=live)
    calculator = FeeCalculator(corridors, clock or SystemClock())
    server = GrpcServer(identity=identity)
    server.add(
        fees_pb2_grpc.add_FeeServiceServicer_to_server,
        FeeServicer(calculator),
        "caravel.fees.v1.FeeService",
    )
    yield server
