"""Starts the service: `python -m services.fees`."""

from services.fees.assembly import assemble
from services.fees.config import Config
from services.shared.grpc_server import run_service

if __name__ == "__main__":
    run_service("fees", Config, assemble)
