"""Ratios belong to one round and their median is reported; the baseline is given its better number
of workers; a figure that was not measured is null."""

from tests.benchmarks.summary import ALWAYS, merged, spreads, summary

CREATION = [
    {
        "create_1_p50_ms": 3.0,
        "baseline_1_p50_ms": 2.0,
        "create_64_per_second": 100.0 * number,
        "baseline_64_per_second": 10.0,
        "baseline_2_workers_64_per_second": 20.0,
        "limit_64_per_second": 400.0,
    }
    for number in (1, 2, 4)
]


def test_a_ratio_is_taken_within_each_round() -> None:
    rounds = merged([{"create": one} for one in CREATION])
    assert [one["create_64_over_pgbench"] for one in rounds] == [0.25, 0.5, 1.0]
    assert summary(spreads(rounds))["create_64_over_pgbench"] == 0.5


def test_the_baseline_has_its_better_number_of_workers() -> None:
    found = summary(spreads(merged([{"create": one} for one in CREATION])))
    assert found["create_64_over_baseline"] == 10.0
    assert found["create_1_p50_over_baseline"] == 1.5


def test_growth_is_the_worst_of_its_rates() -> None:
    one = {"growth_10k_get_per_second": 100.0, "growth_5m_get_per_second": 95.0}
    one |= {"growth_10k_list_per_second": 100.0, "growth_5m_list_per_second": 80.0}
    assert summary(spreads(merged([{"growth": one}])))["growth_5m_over_10k"] == 0.8


def test_figure_that_was_not_measured_is_null() -> None:
    assert summary({}) == dict.fromkeys(ALWAYS)


def test_a_spread_knows_only_the_rounds_that_have_the_figure() -> None:
    (found,) = spreads([{"a": 1.0}, {}, {"a": 3.0}]).values()
    assert (found.median, found.low, found.high, found.rounds) == (2.0, 1.0, 3.0, 2)
