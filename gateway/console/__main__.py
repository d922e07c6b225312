"""Starts the console: `python -m gateway.console`."""

from gateway.console.assembly import assemble
from gateway.console.config import ConsoleSettings
from services.shared.grpc_server import run_service

if __name__ == "__main__":
    run_service("console", ConsoleSettings, assemble)
