"""The only place that picks concrete parts: the pages for the gateway, and a server of gRPC for
health alone, as every process of the mesh has it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cryptography.fernet import Fernet
from pydantic import SecretStr

from gateway.console.app import build_app
from gateway.console.client import opened_payments
from gateway.console.config import ConsoleSettings
from gateway.console.serving import serving
from services.shared.grpc_server import GrpcServer
from services.shared.identity import Identity


@asynccontextmanager
async def assemble(
    config: ConsoleSettings, identity: Identity | None = None
) -> AsyncIterator[GrpcServer]:
    """The console as it runs."""
    if not config.session_keys:
        # A sandbox: whoever has signed in does so again after a restart.
        made = (SecretStr(Fernet.generate_key().decode()),)
        config = config.model_copy(update={"session_keys": made})
    async with (
        opened_payments(config.payments_target, identity) as payments,
        serving(build_app(config, payments), config.host, config.http_port, identity),
    ):
        yield GrpcServer(identity=identity)
