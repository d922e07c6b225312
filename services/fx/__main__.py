"""Starts the service: `python -m services.fx`."""

from services.fx.assembly import assemble
from services.fx.config import Config
from services.shared.grpc_server import run_service

if __name__ == "__main__":
    run_service("fx", Config, assemble)
