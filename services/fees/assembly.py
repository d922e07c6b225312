"""The only place that picks concrete parts. Tests call the same function."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from caravel.fees.v1 import fees_pb2_grpc

from services.fees.config import Config
from services.fees.servicer import FeeServicer
from services.fees.usecases import FeeCalculator
from services.shared.clock import Clock, SystemClock
from services.shared.corridors import Versions, load_corridors
from services.shared.deployment import Deployment
from services.shared.grpc_server import GrpcServer
from services.shared.identity import Identity
from services.shared.limits import BATCH_MESSAGE_MAX_BYTES


@asynccontextmanager
async def assemble(
    config: Config, identity: Identity | None = None, clock: Clock | None = None
) -> AsyncIterator[GrpcServer]:
    """The service, ready to be started; in the clear without an identity.

    Raises CorridorsError where a corridor file is wrong.
    """
    live = config.deployment is Deployment.LIVE
    corridors = load_corridors(config.corridors_dir, live=live)
    clock = clock or SystemClock()
    calculators = Versions(corridors, lambda one: FeeCalculator(one, clock), live=live)
    server = GrpcServer(identity=identity, max_bytes=BATCH_MESSAGE_MAX_BYTES)
    server.add(
        fees_pb2_grpc.add_FeeServiceServicer_to_server,
        FeeServicer(calculators),
        "caravel.fees.v1.FeeService",
    )
    yield server
