"""The figures of the overview: bars in percent of the longest, and the same in words."""

from decimal import Decimal
from typing import Any

from gateway.console import figures
from tests.wire.console.conftest import answer_of


def overview(**fields: Any) -> Any:
    return answer_of("GetOverview", **fields)


def test_bars_are_measured_by_the_longest() -> None:
    [long, short, empty] = figures.bars(
        [
            ("a", [(30, "good"), (10, "bad")], ""),
            ("b", [(0, "good"), (20, "bad")], ""),
            ("c", [], ""),
        ]
    )

    assert [(one.begins, one.width) for one in long.segments] == [(0, 75), (75, 25)]
    assert [(one.begins, one.width, one.tone) for one in short.segments] == [(0, 50, "bad")]
    assert empty.segments == []


def test_payments_under_way_are_grouped_by_state() -> None:
    groups = [
        {"state": "PAYING_OUT", "age": "0", "payments": 3},
        {"state": "PAYING_OUT", "age": "1d", "payments": 1},
        {"state": "COLLECTING", "age": "4h", "payments": 2},
    ]

    [paying, collecting] = figures.under_way(overview(under_way=groups))

    assert (paying.name, paying.text) == ("PAYING_OUT", "4: 3 below 10 min, 1 from 1 d")
    assert [one.tone for one in paying.segments] == ["busy", "bad"]
    assert (collecting.name, collecting.text) == ("COLLECTING", "2: 2 from 4 h")


def test_success_counts_only_what_has_ended() -> None:
    one = {"provider": "stripe", "step": "payout", "succeeded": 3, "failed": 1, "open": 9}
    [provider] = figures.providers(overview(providers=[{**one, "unknown": 2}]))
    [corridor] = figures.corridors(
        overview(corridors=[{"corridor_id": "us-ng", "payments": 9, "not_completed": 0}])
    )

    assert provider.text.startswith("75.0 % succeeded: 3, failed 1, open 9, of these unknown 2")
    assert [one.tone for one in provider.segments] == ["good", "busy", "warn", "bad"]
    assert corridor.text == "none completed: 0 of 9, not completed 0"


def test_amounts_are_added_without_a_float() -> None:
    groups = [{"amount_usd": "0.10"}, {"amount_usd": "0.20"}, {"amount_usd": ""}]

    assert figures.money(groups) == Decimal("0.30")


def test_seconds_are_exact_while_they_are_few() -> None:
    assert figures.seconds(0.42) == "0.4 s"
    assert figures.seconds(75) == "1 min 15 s"
