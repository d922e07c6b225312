"""No corridor takes an amount whose payout would be more than any amount can be."""

import pytest

from services.shared.corridors.model import FxTerms, Limits
from services.shared.corridors.rules import problems
from tests.schedules import corridor_with, make_schedule


def _problems(maximum: str, mid_bounds: dict[str, str] | None) -> list[str]:
    terms = {"sources": ["ecb"], "markup_basis_points": 50, "mid_bounds": mid_bounds}
    corridor = corridor_with(make_schedule(percent="1")).model_copy(
        update={
            "limits": Limits(minimum_usd="2.00", maximum_usd=maximum),
            "fx": FxTerms.model_validate(terms),
        }
    )
    return list(problems(corridor))


@pytest.mark.parametrize(
    ("mid_bounds", "largest", "beyond", "highest"),
    [
        ({"lowest": "60", "highest": "100"}, "100000000000.00", "100000000000.01", "100"),
        # Without bounds any rate that fx takes may come.
        (None, "1000000.00", "1000000.01", "10000000"),
    ],
)
def test_the_maximum_pays_out_no_more_than_an_amount_can_be(
    mid_bounds: dict[str, str] | None, largest: str, beyond: str, highest: str
) -> None:
    assert _problems(largest, mid_bounds) == []
    assert _problems(beyond, mid_bounds) == [
        f"limits.maximum_usd {beyond} at a mid rate of {highest} is more than 10000000000000.00 "
        "INR, the largest amount; lower it or fx.mid_bounds.highest"
    ]
