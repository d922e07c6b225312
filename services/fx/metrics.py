"""The service's own numbers for Prometheus. Labels are sources and pairs that a corridor names,
never words from a request."""

from collections.abc import Callable

from prometheus_client import Counter, Gauge

FAULTS = Counter(
    "caravel_fx_source_faults_total",
    "Times that a source could not be used: load, error, timeout, nonsense, future, synthetic.",
    ["source", "reason"],
)
AGE = Gauge(
    "caravel_fx_rate_age_seconds",
    "Age of the newest rate that a source has of a pair, by the source's own word.",
    ["source", "pair"],
)


def count_fault(source: str, reason: str) -> None:
    """One more time that a source could not be used."""
    FAULTS.labels(source, reason).inc()


def publish_age(source: str, pair: str, seconds: Callable[[], float]) -> None:
    """Shows a rate's age, asked for whenever the page is read."""
    AGE.labels(source, pair).set_function(seconds)
