"""Claims about the fees of any schedule that a file may hold: a price without a declared cliff does
not jump, the lines are exact, and the inverse finds the cheapest cent."""

from collections.abc import Iterator

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from services.fees.domain import calculate, calculate_for_net
from services.shared.corridors import FeeSchedule, TierKind, fee_of
from tests.schedules import (
    LEAST,
    MOST,
    evaluated,
    jumps_at,
    make_schedule,
    recomputed,
    refusals,
    schedules,
    usd,
)

filtered = settings(suppress_health_check=[HealthCheck.filter_too_much])
cents = st.integers(LEAST, MOST)
# 1000.00 costs less than 999.99, and less is left of it than of some smaller amounts.
CLIFF = make_schedule(
    percent="2",
    tier_kind="whole_amount",
    tiers=[{"from_usd": "1000.00", "percent": "1", "cliff": True}],
)


@filtered
@given(schedules(), cents)
def test_without_a_declared_cliff_one_more_cent_costs_nothing_or_a_cent(
    schedule: FeeSchedule, minor: int
) -> None:
    assume(not refusals(schedule) and not any(tier.cliff for tier in schedule.tiers))
    starts = [tier.start.amount_minor - 1 for tier in schedule.tiers]

    for less in (minor, *starts):
        more = fee_of(schedule, usd(less + 1)).amount_minor
        assert more - fee_of(schedule, usd(less)).amount_minor in (0, 1)


@given(schedules())
def test_a_cliff_is_refused_unless_it_is_declared_and_a_declaration_unless_there_is_one(
    schedule: FeeSchedule,
) -> None:
    starts = [tier.start.amount_minor for tier in schedule.tiers]
    wrong = [
        start
        for start, tier in zip(starts, schedule.tiers, strict=True)
        if jumps_at(schedule, start) is not tier.cliff
    ]
    named = [text for text in refusals(schedule) if "cliff" in text]

    assert len(named) == len(wrong)


@filtered
@given(schedules())
def test_a_marginal_price_is_continuous_at_each_threshold(schedule: FeeSchedule) -> None:
    assume(schedule.tier_kind is TierKind.MARGINAL)

    assert not any(jumps_at(schedule, tier.start.amount_minor) for tier in schedule.tiers)


@given(schedules(), cents)
def test_the_canonical_terms_alone_give_every_line_exactly(
    schedule: FeeSchedule, minor: int
) -> None:
    fees = calculate(schedule, usd(minor))

    lines = {line.name: line.amount.amount_minor for line in fees.lines}
    assert recomputed(fees.schedule_terms, minor) == lines
    assert sum(lines.values()) == fees.total.amount_minor


@given(schedules(), cents, st.booleans())
def test_each_formula_gives_its_line_exactly(
    schedule: FeeSchedule, minor: int, by_net: bool
) -> None:
    fees = (calculate_for_net if by_net else calculate)(schedule, usd(minor))

    for line in fees.lines:
        assert evaluated(line.formula) * 100 == line.amount.amount_minor


@filtered
@given(schedules(), cents)
def test_at_an_allowed_amount_something_is_left_after_the_fees(
    schedule: FeeSchedule, minor: int
) -> None:
    assume(not refusals(schedule))

    assert calculate(schedule, usd(minor)).total < usd(minor)


def _cheapest(schedule: FeeSchedule) -> Iterator[tuple[int, int]]:
    """Each net in cents, and the smallest amount that leaves it: found by trying each cent."""
    reached = 0
    for minor in range(1, MOST + 1):
        left = minor - fee_of(schedule, usd(minor)).amount_minor
        for net in range(reached + 1, left + 1):
            yield net, minor
        reached = max(reached, left)


@settings(max_examples=25, deadline=None)
@given(schedules())
def test_no_cheaper_cent_leaves_the_net_than_the_inverse_finds(schedule: FeeSchedule) -> None:
    for net, cheapest in list(_cheapest(schedule))[::7]:
        fees = calculate_for_net(schedule, usd(net))

        assert net + fees.total.amount_minor == cheapest
        plain = [line for line in fees.lines if line.name != "excess"]
        assert tuple(plain) == calculate(schedule, usd(cheapest)).lines


def test_a_net_that_a_cliff_leaves_out_costs_the_amount_behind_it_and_names_the_rest() -> None:
    """Of 999.99 is left 979.99, and of 1000.00 990.00: of no amount anything between."""
    fees = calculate_for_net(CLIFF, usd(985_00))

    assert {line.name: str(line.amount) for line in fees.lines} == {
        "percentage": "10.00",
        "excess": "5.00",
    }
    assert fees.lines[1].formula == "1000.00 - 10.00 - 985.00"
    assert calculate_for_net(CLIFF, usd(979_99)).lines == calculate(CLIFF, usd(999_99)).lines
