"""Starts a worker: `python -m services.payments.worker`. Any number may run."""

from services.payments.assembly import assemble_worker
from services.payments.config import WorkerSettings
from services.shared.grpc_server import run_service

if __name__ == "__main__":
    run_service("worker", WorkerSettings, assemble_worker)
