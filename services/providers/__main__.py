"""Starts the service: `python -m services.providers`."""

from services.providers.assembly import assemble
from services.providers.config import Config
from services.shared.grpc_server import run_service

if __name__ == "__main__":
    run_service("providers", Config, assemble)
