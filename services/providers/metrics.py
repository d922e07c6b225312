"""The service's own numbers for Prometheus. Labels are names of registered providers only, never
words from a request."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from prometheus_client import Counter, Gauge, Histogram

from services.providers.domain import Kind, OperationResult, Outcome

OPERATIONS = Counter(
    "caravel_provider_operations_total",
    "Operations sent and looked up, by what came of them.",
    ["provider", "kind", "verb", "outcome"],
)
SECONDS = Histogram(
    "caravel_provider_operation_seconds",
    "Time from asking to knowing, waiting for our own limits included.",
    ["provider", "kind", "verb"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
BREAKER_STATE = Gauge(
    "caravel_provider_breaker_state",
    "0 closed, 1 half open, 2 open.",
    ["provider", "kind"],
)
WEBHOOKS = Counter(
    "caravel_provider_webhooks_total",
    "Webhooks that came in: READ, or the reason why one was refused.",
    ["provider", "result"],
)

Note = Callable[[OperationResult], OperationResult]


def publish_state(provider: str, kind: Kind, state: Callable[[], int]) -> None:
    """Shows a breaker's state, asked for whenever the page is read.

    The provider's counters stand at zero from then on, so that a first failure is an increase.
    """
    BREAKER_STATE.labels(provider, kind.value).set_function(state)
    for outcome in Outcome:
        OPERATIONS.labels(provider, kind.value, "execute", outcome.name)
    WEBHOOKS.labels(provider, "WEBHOOK_SIGNATURE_INVALID")


@contextmanager
def observe(provider: str, kind: Kind, verb: str) -> Iterator[Note]:
    """Times the block; the result that is passed through the yielded function is counted."""

    def note(result: OperationResult) -> OperationResult:
        OPERATIONS.labels(provider, kind.value, verb, result.outcome.name).inc()
        return result

    started = time.monotonic()
    try:
        yield note
    finally:
        SECONDS.labels(provider, kind.value, verb).observe(time.monotonic() - started)
