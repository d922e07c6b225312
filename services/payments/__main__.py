"""Starts payments: `python -m services.payments`."""

from services.payments.assembly import assemble
from services.payments.config import ServiceSettings
from services.shared.grpc_server import run_service

if __name__ == "__main__":
    run_service("payments", ServiceSettings, assemble)
