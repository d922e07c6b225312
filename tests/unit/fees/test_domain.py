"""The fee rules, by example and by property."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.fees.domain import AmountAboveMaximum, FeeLine, calculate, calculate_for_net
from services.shared.corridors import Corridor, CorridorUnsupported, FeeSchedule
from services.shared.money import MAX_AMOUNT_MINOR, Money, parse_amount

FROM_NEW_YEAR: dict[str, object] = {"version": "1", "effective_from": date(2026, 1, 1)}
PLAIN = FeeSchedule.model_validate({**FROM_NEW_YEAR, "flat_usd": "1.00", "percent": "1.5"})
BOUNDED = FeeSchedule.model_validate(
    {**FROM_NEW_YEAR, "percent": "2", "minimum_usd": "0.50", "maximum_usd": "20.00"}
)
TIERED = FeeSchedule.model_validate(
    {
        **FROM_NEW_YEAR,
        "flat_usd": "1.00",
        "percent": "1.5",
        "tier_kind": "whole_amount",
        "tiers": [
            {"from_usd": "1000.00", "flat_usd": "2.00", "percent": "1"},
            {"from_usd": "5000.00", "percent": "0.5"},
        ],
    }
)
MARGINAL = FeeSchedule.model_validate(
    {
        **FROM_NEW_YEAR,
        "flat_usd": "1.00",
        "percent": "1.5",
        "minimum_usd": "0.50",
        "maximum_usd": "75.00",
        "tier_kind": "marginal",
        "tiers": [
            {"from_usd": "1000.00", "percent": "1.2"},
            {"from_usd": "5000.00", "percent": "0.5"},
        ],
    }
)
SCHEDULES = [PLAIN, BOUNDED, TIERED, MARGINAL]
amounts = st.integers(1, MAX_AMOUNT_MINOR).map(lambda minor: Money(minor, "USD"))


def usd(text: str) -> Money:
    return parse_amount(text, "USD", field="amount")


def lines(schedule: FeeSchedule, amount: str) -> dict[str, str]:
    return {line.name: str(line.amount) for line in calculate(schedule, usd(amount)).lines}


def test_flat_and_percentage_are_lines_of_their_own() -> None:
    fees = calculate(PLAIN, usd("100.00"))

    assert fees.lines == (
        FeeLine("flat", usd("1.00"), "1.00"),
        FeeLine("percentage", usd("1.50"), "round_half_up(100.00 * 0.015, 2)"),
    )
    assert fees.total == usd("2.50")
    assert fees.schedule_version == "1"


@pytest.mark.parametrize(
    ("amount", "percentage"),
    [("1.66", "0.02"), ("1.67", "0.03"), ("3.00", "0.05"), ("3.33", "0.05"), ("33.00", "0.50")],
)
def test_percentage_is_rounded_half_up_to_cents(amount: str, percentage: str) -> None:
    assert lines(PLAIN, amount)["percentage"] == percentage


def test_line_that_comes_to_zero_is_left_out() -> None:
    assert lines(PLAIN, "0.01") == {"flat": "1.00"}
    assert lines(BOUNDED, "100.00") == {"percentage": "2.00"}


def test_free_schedule_has_no_lines_and_no_fee() -> None:
    free = FeeSchedule.model_validate(FROM_NEW_YEAR)

    assert calculate(free, usd("100.00")).lines == ()
    assert calculate(free, usd("100.00")).total == Money(0, "USD")


@pytest.mark.parametrize(
    ("amount", "percentage"),
    [
        ("1.00", "0.50"),
        ("25.00", "0.50"),
        ("25.50", "0.51"),
        ("1000.00", "20.00"),
        ("9000.00", "20.00"),
    ],
)
def test_percentage_stays_within_minimum_and_maximum(amount: str, percentage: str) -> None:
    assert lines(BOUNDED, amount) == {"percentage": percentage}


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        ("999.99", {"flat": "1.00", "percentage": "15.00"}),
        ("1000.00", {"flat": "2.00", "percentage": "10.00"}),
        ("4999.99", {"flat": "2.00", "percentage": "50.00"}),
        ("5000.00", {"percentage": "25.00"}),
    ],
)
def test_tier_replaces_the_terms_for_the_whole_amount(
    amount: str, expected: dict[str, str]
) -> None:
    assert lines(TIERED, amount) == expected


@pytest.mark.parametrize(
    ("amount", "percentage"),
    [
        ("10.00", "0.50"),
        ("999.99", "15.00"),
        ("1000.00", "15.00"),
        ("1000.42", "15.01"),
        ("5000.00", "63.00"),
        ("5000.99", "63.00"),
        ("5001.00", "63.01"),
        ("7400.00", "75.00"),
        ("10000.00", "75.00"),
    ],
)
def test_marginal_tier_prices_what_lies_above_its_threshold(amount: str, percentage: str) -> None:
    assert lines(MARGINAL, amount) == {"flat": "1.00", "percentage": percentage}


@pytest.mark.parametrize(
    ("schedule", "amount", "formula"),
    [
        (BOUNDED, "10.00", "min(max(round_half_up(10.00 * 0.02, 2), 0.50), 20.00)"),
        (TIERED, "1000.00", "round_half_up(1000.00 * 0.01, 2)"),
        (
            MARGINAL,
            "6000.00",
            "min(max(round_half_up(1000.00 * 0.015 + 4000.00 * 0.012 + 1000.00 * 0.005, 2), 0.50), "
            "75.00)",
        ),
    ],
    ids=["bounds", "a tier for the whole amount", "each tier"],
)
def test_the_formula_of_a_percentage_has_all_its_numbers(
    schedule: FeeSchedule, amount: str, formula: str
) -> None:
    assert calculate(schedule, usd(amount)).lines[-1].formula == formula


def test_the_terms_are_canonical_and_name_no_merchant() -> None:
    named = FeeSchedule.model_validate(
        {**FROM_NEW_YEAR, "percent": "1.5", "flat_usd": "1.00", "merchants": ["sandbox"]}
    )

    assert calculate(named, usd("100.00")).schedule_terms == (
        '{"currency":"USD","effective_from":"2026-01-01","flat_usd":"1.00","for_merchant":true,'
        '"percent":"1.5","rounding":"half_up","version":"1"}'
    )


def test_a_net_that_no_amount_leaves_is_refused() -> None:
    with pytest.raises(AmountAboveMaximum):
        calculate_for_net(PLAIN, Money(MAX_AMOUNT_MINOR, "USD"))


@given(st.sampled_from([PLAIN, BOUNDED, MARGINAL]), st.integers(1, 2_000_000))
def test_one_more_cent_raises_the_fees_by_at_most_one_cent(
    schedule: FeeSchedule, minor: int
) -> None:
    less, more = Money(minor, "USD"), Money(minor + 1, "USD")

    assert calculate(schedule, more).total.amount_minor - calculate(
        schedule, less
    ).total.amount_minor in (0, 1)


@given(st.sampled_from(SCHEDULES), amounts)
def test_lines_sum_to_the_total_and_none_is_zero(schedule: FeeSchedule, amount: Money) -> None:
    fees = calculate(schedule, amount)

    assert sum(line.amount.amount_minor for line in fees.lines) == fees.total.amount_minor
    assert all(line.amount.amount_minor > 0 for line in fees.lines)


@given(st.sampled_from([PLAIN, BOUNDED, MARGINAL]), amounts, amounts)
def test_larger_amount_never_costs_less_inside_a_tier(
    schedule: FeeSchedule, left: Money, right: Money
) -> None:
    smaller, larger = sorted((left, right))

    assert calculate(schedule, smaller).total <= calculate(schedule, larger).total


def corridor(*starts: date) -> Corridor:
    return Corridor.model_validate(
        {
            "id": "us-in",
            "source": {"country": "US", "currency": "USD"},
            "destination": {"country": "IN", "currency": "INR"},
            "limits": {"minimum_usd": "1.00", "maximum_usd": "10000.00"},
            "providers": {"onramps": ["stripe"], "offramps": ["local_wallet"]},
            "fx": {"sources": ["ecb"], "markup_basis_points": 50},
            "quote": {"lifetime_seconds": 60},
            "late_funds": {"grace_seconds": 300, "tolerance_basis_points": 100},
            "recipients": {
                "wallet": {
                    "rail": "wallet",
                    "required": {"wallet_id": "wallet_id"},
                    "example": {"wallet_id": "wallet-0001"},
                }
            },
            "fees": [{"version": str(start), "effective_from": start} for start in starts],
        }
    )


@pytest.mark.parametrize(
    ("day", "version"),
    [
        (date(2026, 1, 1), "2026-01-01"),
        (date(2026, 6, 30), "2026-01-01"),
        (date(2026, 7, 1), "2026-07-01"),
        (date(2030, 1, 1), "2026-07-01"),
    ],
)
def test_last_schedule_that_took_effect_is_in_force(day: date, version: str) -> None:
    two = corridor(date(2026, 1, 1), date(2026, 7, 1))

    assert two.schedule_on(day).version == version


def test_corridor_without_prices_yet_is_unsupported() -> None:
    with pytest.raises(CorridorUnsupported, match="no fee schedule in force on 2025-12-31"):
        corridor(date(2026, 1, 1)).schedule_on(date(2025, 12, 31))
