"""A share meets its target or not, and says neither where nothing counts."""

from decimal import Decimal

import pytest

from services.payments.model.scoreboard import AMOUNT, Cost, Share
from tests.makers import make_terms, make_trail


@pytest.mark.parametrize(("reached", "is_met"), [(74, False), (75, True), (100, True)])
def test_a_share_is_measured_against_its_target(reached: int, is_met: bool) -> None:
    share = Share(counted=100, reached=reached, target_percent=Decimal(75))

    assert share.percent == reached
    assert share.is_met is is_met


def test_of_nothing_no_share_is_known() -> None:
    share = Share(target_percent=Decimal(75))

    assert share.percent is None
    assert share.is_met is None


@pytest.mark.parametrize(("mid", "is_met"), [("1530.25", True), ("2000", True)])
def test_the_cost_is_fees_and_margin(mid: str, is_met: bool) -> None:
    cost = Cost(
        terms=make_terms(AMOUNT.amount_minor, mid=mid),
        trail=make_trail(mid),
        fee_schedule_version="1",
    )

    # 2.50 of fees, and half a percent of the 197.50 that are left.
    assert round(cost.terms.cost.amount, 2) == Decimal("3.49")
    assert cost.is_met is is_met


def test_a_cost_above_three_percent_misses_the_target() -> None:
    dear = Cost(terms=make_terms(5_000), trail=make_trail(), fee_schedule_version="1")

    assert not dear.is_met
