"""The worker, a process of its own from the same code: `python -m services.payments.worker`."""

from services.payments.worker.deliverer import Deliverer
from services.payments.worker.loop import Worker

__all__ = ["Deliverer", "Worker"]
