"""Starts a service of the mesh through its own assembly, with failpoints around its ports:
`python -m tests.chaos.process services.payments`."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from services.payments import assembly as payments
from services.payments.config import ServiceSettings, WorkerSettings
from services.providers import assembly as providers
from services.providers.adapters.kit.http import open_session
from services.providers.config import Config
from services.shared import grpc_server
from services.shared.grpc_server import GrpcServer, run_service
from services.shared.identity import Identity
from tests.chaos.failpoints import Failpoints
from tests.chaos.lives import live
from tests.chaos.swept import sweep_port
from tests.chaos.swept_providers import swept_adapters

FAILPOINTS = Failpoints.of_environment()
# The lives of one service share its port, so that others take the calls while one is away.
shared = {**dict(grpc_server.OPTIONS), "grpc.so_reuseport": 1}
setattr(grpc_server, "OPTIONS", tuple(shared.items()))  # noqa: B010 - for mypy it is final


@asynccontextmanager
async def _providers(config: Config, identity: Identity) -> AsyncIterator[GrpcServer]:
    async with open_session() as session:
        adapters = swept_adapters(config, session, FAILPOINTS)
        async with providers.assemble(config, identity, adapters=adapters) as server:
            yield server


def main(module: str) -> None:
    """Becomes the service."""
    wrap = sweep_port(FAILPOINTS)
    if module == "services.payments":
        run_service("payments", ServiceSettings, partial(payments.assemble, wrap=wrap))
    elif module == "services.payments.worker":
        run_service("worker", WorkerSettings, partial(payments.assemble_worker, wrap=wrap))
    elif module == "services.providers":
        run_service("providers", Config, _providers)
    else:
        sys.exit(f"{module} has no failpoints")


if __name__ == "__main__":
    live(partial(main, sys.argv[1]))
