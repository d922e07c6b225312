"""The service's own numbers for Prometheus. Labels are sources and pairs that a corridor names,
never words from a request."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

from prometheus_client import Counter, Gauge

FAULTS = Counter(
    "caravel_fx_source_faults_total",
    "Times that a source could not be used: load, error, timeout, nonsense, implausible, future, "
    "synthetic.",
    ["source", "reason"],
)
AGE = Gauge(
    "caravel_fx_rate_age_seconds",
    "Age of the newest rate that a source has of a pair, by the source's own word.",
    ["source", "pair"],
)
CORRIDOR_AGE = Gauge(
    "caravel_fx_corridor_rate_age_seconds",
    "Age of the newest rate of a corridor's sources, without the time that the market was closed.",
    ["corridor"],
)
CORRIDOR_AGE_MAX = Gauge(
    "caravel_fx_corridor_rate_age_max_seconds",
    "The age from which on the corridor refuses a rate.",
    ["corridor"],
)
DIVERGENCE = Gauge(
    "caravel_fx_divergence_ratio",
    "How far the fresh rates of a corridor's sources lie apart, as a share of the most that it "
    "allows; above 1 it is refused.",
    ["corridor"],
)
FAILURES = Gauge(
    "caravel_fx_source_failures",
    "Loads of a source that have failed in a row; it is left alone for longer with each.",
    ["source"],
)
REFUSALS = Counter(
    "caravel_fx_refusals_total",
    "Rates of a corridor that were refused, by reason.",
    ["corridor", "reason"],
)
AVAILABLE = Gauge(
    "caravel_fx_rate_available",
    "Whether the corridor has a rate: 1, or 0 where it is refused; alarm on 0.",
    ["corridor"],
)
OVERRIDES = Counter(
    "caravel_fx_overrides_total",
    "Queries that carried an override: applied, ended or out_of_bounds.",
    ["corridor", "outcome"],
)


def count_fault(source: str, reason: str) -> None:
    """One more time that a source could not be used."""
    FAULTS.labels(source, reason).inc()


def publish_age(source: str, pair: str, seconds: Callable[[], float]) -> None:
    """Shows a rate's age, asked for whenever the page is read."""
    AGE.labels(source, pair).set_function(seconds)


def show_failures(source: str, number: int) -> None:
    """So many loads of the source have failed in a row."""
    FAILURES.labels(source).set(number)


def count_refusal(corridor_id: str, reason: str) -> None:
    """One more rate of the corridor that was refused."""
    REFUSALS.labels(corridor_id, reason).inc()


def show_available(corridor_id: str, *, available: bool) -> None:
    """Whether the corridor has a rate now."""
    AVAILABLE.labels(corridor_id).set(available)


def forget_corridors() -> None:
    """Says nothing of any corridor any more, until each is looked at again."""
    for gauge in (AVAILABLE, CORRIDOR_AGE, CORRIDOR_AGE_MAX, DIVERGENCE):
        gauge.clear()


def count_override(corridor_id: str, outcome: str) -> None:
    """One more query with an override, for a corridor that there is."""
    OVERRIDES.labels(corridor_id, outcome).inc()


def show_corridor_age(corridor_id: str, age: timedelta, hours_max: int | None) -> None:
    """The age of the newest rate of a corridor, and where it ends."""
    CORRIDOR_AGE.labels(corridor_id).set(age.total_seconds())
    if hours_max is not None:
        CORRIDOR_AGE_MAX.labels(corridor_id).set(timedelta(hours=hours_max).total_seconds())


def show_divergence(corridor_id: str, share: Decimal) -> None:
    """How far a corridor's sources lie apart, as a share of what it allows."""
    DIVERGENCE.labels(corridor_id).set(float(share))
