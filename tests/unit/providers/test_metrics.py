"""The metrics of operations and breakers."""

import pytest
from prometheus_client import REGISTRY

from services.providers.domain import Kind, Outcome, not_sent, unknown
from services.providers.metrics import observe, publish_state

LABELS = {"provider": "fake", "kind": "payout"}


def sample(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"caravel_provider_{name}", {**LABELS, **labels}) or 0


def test_every_operation_is_counted_by_outcome_and_timed() -> None:
    def counted(outcome: Outcome) -> float:
        return sample("operations_total", verb="execute", outcome=outcome.name)

    def timed() -> float:
        return sample("operation_seconds_count", verb="execute")

    before = counted(Outcome.UNKNOWN), counted(Outcome.NOT_SENT), timed()
    for result in (unknown("a", "timeout"), not_sent("b", "rate_capped"), unknown("c", "timeout")):
        with observe("fake", Kind.PAYOUT, "execute") as note:
            assert note(result) is result

    after = counted(Outcome.UNKNOWN), counted(Outcome.NOT_SENT), timed()
    assert [new - old for new, old in zip(after, before, strict=True)] == [2, 1, 3]


def test_a_caller_who_went_away_is_timed_too() -> None:
    before = sample("operation_seconds_count", verb="look_up")

    with pytest.raises(RuntimeError), observe("fake", Kind.PAYOUT, "look_up"):
        raise RuntimeError

    assert sample("operation_seconds_count", verb="look_up") - before == 1


def test_a_breakers_state_is_asked_for_whenever_it_is_read() -> None:
    breaker = {"state": 0}
    publish_state("fake", Kind.PAYOUT, lambda: breaker["state"])
    assert sample("breaker_state") == 0

    breaker["state"] = 2

    assert sample("breaker_state") == 2
