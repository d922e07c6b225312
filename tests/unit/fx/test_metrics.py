"""The names by which the service's own numbers are published."""

from prometheus_client import REGISTRY

from services.fx.metrics import (
    count_fault,
    count_refusal,
    publish_age,
    show_available,
    show_failures,
)


def test_an_age_is_asked_for_when_the_page_is_read() -> None:
    age = [60.0]
    publish_age("named", "USD/JPY", lambda: age[0])
    labels = {"source": "named", "pair": "USD/JPY"}

    first = REGISTRY.get_sample_value("caravel_fx_rate_age_seconds", labels)
    age[0] = 61.0

    assert first == 60
    assert REGISTRY.get_sample_value("caravel_fx_rate_age_seconds", labels) == 61


def test_faults_are_counted_by_source_and_reason() -> None:
    for _ in range(2):
        count_fault("named", "timeout")

    labels = {"source": "named", "reason": "timeout"}
    assert REGISTRY.get_sample_value("caravel_fx_source_faults_total", labels) == 2


def test_refusals_availability_and_failures_are_published() -> None:
    count_refusal("us-jp", "FX_RATE_STALE")
    show_available("us-jp", available=True)
    show_failures("named", 3)

    def value(name: str, **labels: str) -> float | None:
        return REGISTRY.get_sample_value(name, labels)

    refused = value("caravel_fx_refusals_total", corridor="us-jp", reason="FX_RATE_STALE")
    assert refused == 1
    assert value("caravel_fx_rate_available", corridor="us-jp") == 1
    assert value("caravel_fx_source_failures", source="named") == 3
