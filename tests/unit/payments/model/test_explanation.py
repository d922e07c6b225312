"""A price explains itself from its stored inputs: every figure is computed a second time, and each
figure or input that is another one is found."""

from dataclasses import replace
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from services.fees.domain import calculate, calculate_for_net
from services.payments.model.explanation import Result, Step, explain_payment, explain_quote
from services.payments.model.explanation.arithmetic import NoFormula, evaluate, rounded, to_digits
from services.payments.model.fixed_payout import agree_payout, smallest_net_minor
from services.payments.model.quote import (
    ROUNDING,
    AmountTooSmallAfterFees,
    FeeLine,
    Fees,
    Quote,
    RateLeg,
    agree_terms,
)
from services.shared.corridors import FeeSchedule
from services.shared.corridors.rules import TIERS_MAX
from services.shared.money import EXACT, MAX_AMOUNT_MINOR, Money
from tests.makers import (
    CONDITIONS,
    make_override,
    make_payment,
    make_priced_quote,
    make_quote,
    make_trail,
)
from tests.schedules import LEAST, MOST, make_schedule, refusals, schedules, usd

LEGS = (
    RateLeg(base_currency="EUR", quote_currency="USD", rate=Decimal("1.0876")),
    RateLeg(base_currency="EUR", quote_currency="MXN", rate=Decimal("20.1234")),
)
CROSS = Context(prec=18).divide(Decimal("20.1234"), Decimal("1.0876"))
RATES = st.decimals("0.01", "5000", places=6)


def priced(schedule: FeeSchedule, amount: Money, rate: Decimal, decimals: int) -> Quote:
    """A quote as pricing makes it."""
    given_fees = calculate(schedule, amount)
    fees = Fees(
        lines=tuple(
            FeeLine(name=line.name, amount=line.amount, formula=line.formula)
            for line in given_fees.lines
        ),
        schedule_version=given_fees.schedule_version,
        schedule_terms=given_fees.schedule_terms,
    )
    trail = replace(
        make_trail(),
        mid_rate=rate,
        rate=Context(prec=18, rounding=ROUND_HALF_EVEN).multiply(rate, Decimal("0.9935")),
        markup_basis_points=50,
        closed_market_basis_points=15,
        legs=(RateLeg(base_currency="USD", quote_currency="MXN", rate=rate),),
    )
    route = replace(CONDITIONS.route, payout_decimals=decimals)
    return make_quote(
        terms=agree_terms(amount, "MXN", fees, trail, decimals),
        trail=trail,
        conditions=replace(CONDITIONS, route=route),
        fee_schedule_version=fees.schedule_version,
        schedule_terms=fees.schedule_terms,
        rounding=ROUNDING,
    )


def differing(steps: tuple[Step, ...]) -> list[str]:
    """The figures that are not what their inputs make of them."""
    return [step.figure for step in steps if step.finding is Result.DIFFERS]


def unknown(steps: tuple[Step, ...]) -> list[str]:
    """The figures of which an input is unknown."""
    return [step.figure for step in steps if step.finding is Result.UNKNOWN]


@given(schedules(), st.integers(LEAST, MOST), RATES, st.integers(0, 2))
def test_every_price_of_every_schedule_explains_itself(
    schedule: FeeSchedule, minor: int, rate: Decimal, decimals: int
) -> None:
    try:
        quote = priced(schedule, usd(minor), rate, decimals)
    except AmountTooSmallAfterFees:
        assume(False)

    steps = explain_quote(quote)

    assert {step.finding for step in steps} == {Result.AGREES}
    assert len(steps) >= 9


@given(schedules(), st.integers(1, MOST))
def test_a_price_for_a_net_explains_itself_with_the_part_beyond_it(
    schedule: FeeSchedule, net: int
) -> None:
    given_fees = calculate_for_net(schedule, usd(net))
    lines = tuple(
        FeeLine(name=line.name, amount=line.amount, formula=line.formula)
        for line in given_fees.lines
    )
    fees = Fees(lines=lines, schedule_version="1", schedule_terms=given_fees.schedule_terms)
    quote = make_priced_quote()
    terms = agree_terms(usd(net) + fees.total, "NGN", fees, quote.trail)

    steps = explain_quote(replace(quote, terms=terms, schedule_terms=fees.schedule_terms))

    assert differing(steps) == []
    assert terms.net == usd(net)


def _with_tiers(count: int) -> FeeSchedule:
    """Marginal tiers with long numbers, a percentage a little less in each."""
    tiers = [
        {"from_usd": f"{10**11 + i * 10}.01", "percent": f"1.{9999 - i}"} for i in range(count)
    ]
    return make_schedule(percent="2.0001", tier_kind="marginal", tiers=tiers)


def test_a_schedule_of_the_most_tiers_explains_itself_and_one_more_is_refused() -> None:
    few, many = _with_tiers(TIERS_MAX), _with_tiers(TIERS_MAX + 1)

    quote = priced(few, Money(MAX_AMOUNT_MINOR, "USD"), Decimal(1), 2)

    assert differing(explain_quote(quote)) == []
    assert len(few.tiers) == len(many.tiers) - 1
    said = f"it has {TIERS_MAX + 1} tiers, and at most {TIERS_MAX} are allowed"
    assert any(said in one for one in refusals(many))
    assert not any("tiers, and at most" in one for one in refusals(few))


def _fixed(payout: Money, rate: Decimal) -> Quote:
    trail = replace(make_trail(), rate=rate)
    net = usd(smallest_net_minor(payout, rate))
    terms = agree_payout(net, payout, Fees(lines=(), schedule_version="free"), trail)
    return replace(make_priced_quote(), terms=terms, trail=trail)


@given(st.integers(1, 10**9), st.sampled_from(["NGN", "JPY", "KWD", "EUR"]), RATES)
def test_a_fixed_payout_is_explained_by_the_fewest_cents_that_come_to_it(
    minor: int, currency: str, rate: Decimal
) -> None:
    quote = _fixed(Money(minor, currency), rate)
    step = "net_usd for payout_amount"

    assert step not in differing(explain_quote(quote))
    for off in (-1, 1):
        net = quote.terms.net.amount_minor + off
        if net > 0:
            assert step in differing(explain_quote(_with(quote, net=usd(net))))


def _with(quote: Quote, **changes: Any) -> Quote:
    return replace(quote, terms=replace(quote.terms, **changes))


QUOTE = make_priced_quote()
FLAT, PERCENTAGE = QUOTE.terms.fees


@pytest.mark.parametrize(
    ("changed", "figures"),
    [
        (_with(QUOTE, payout=Money(QUOTE.terms.payout.amount_minor + 1, "NGN")), ["payout_amount"]),
        (_with(QUOTE, net=usd(9_751)), ["net_usd", "payout_amount"]),
        (_with(QUOTE, fee=usd(251)), ["fee_usd", "net_usd"]),
        (
            _with(QUOTE, fees=(FLAT, replace(PERCENTAGE, amount=usd(151)))),
            ["fee percentage", "fees", "fee_usd"],
        ),
        (
            _with(QUOTE, fees=(FLAT, replace(PERCENTAGE, formula="1.5 * "))),
            ["fee percentage"],
        ),
        (replace(QUOTE, schedule_terms=QUOTE.schedule_terms.replace("1.5", "1.6")), ["fees"]),
        (replace(QUOTE, schedule_terms="[]"), ["fees"]),
        (replace(QUOTE, schedule_terms="{"), ["fees"]),
        (replace(QUOTE, trail=replace(QUOTE.trail, rate=Decimal("1522.59876"))), ["fx_rate"]),
        (replace(QUOTE, trail=replace(QUOTE.trail, markup_basis_points=51)), ["fx_rate"]),
        (replace(QUOTE, trail=replace(QUOTE.trail, closed_market_basis_points=1)), ["fx_rate"]),
        (
            replace(QUOTE, trail=replace(QUOTE.trail, override=None, legs=LEGS)),
            ["mid_rate"],
        ),
        (replace(QUOTE, rounding=replace(ROUNDING, payout="half_odd")), ["payout_amount"]),
    ],
)
def test_a_figure_or_an_input_that_is_another_one_is_found(
    changed: Quote, figures: list[str]
) -> None:
    assert differing(explain_quote(QUOTE)) == []
    assert differing(explain_quote(changed)) == figures


def test_a_quote_from_before_its_inputs_were_kept_says_that_they_are_unknown() -> None:
    steps = explain_quote(make_quote())

    assert differing(steps) == []
    assert unknown(steps) == ["mid_rate", "fee flat", "fee percentage", "fees"]
    # There was no margin for a closed market yet, so that it excuses no rate.
    trail = replace(make_trail(), rate=Decimal("1500"))
    assert differing(explain_quote(make_quote(trail=trail))) == ["fx_rate"]


@pytest.mark.parametrize(
    ("legs", "mid"),
    [
        (LEGS, CROSS),
        ((RateLeg(base_currency="USD", quote_currency="MXN", rate=CROSS),), CROSS),
        ((RateLeg(base_currency="MXN", quote_currency="USD", rate=Decimal(8)),), Decimal("0.125")),
    ],
    ids=["cross", "direct", "inverse"],
)
def test_a_mid_rate_is_computed_from_its_legs(legs: tuple[RateLeg, ...], mid: Decimal) -> None:
    terms = replace(QUOTE.terms, payout=Money(1, "MXN"))
    trail = replace(QUOTE.trail, override=None, legs=legs, mid_rate=mid)

    steps = explain_quote(replace(QUOTE, terms=terms, trail=trail))

    assert steps[0].figure == "mid_rate"
    assert steps[0].finding is Result.AGREES


@pytest.mark.parametrize("rate", [Decimal(0), Decimal("1e-9000"), Decimal("NaN")])
def test_a_damaged_rate_is_a_difference_and_stops_nothing(rate: Decimal) -> None:
    mid = replace(QUOTE.trail, mid_rate=rate, override=None)
    leg = replace(QUOTE.trail, legs=(replace(LEGS[0], rate=rate),), override=None)
    terms = replace(QUOTE.terms, mid_rate=rate)

    for changed in (replace(QUOTE, trail=mid, terms=terms), replace(QUOTE, trail=leg)):
        assert differing(explain_quote(changed))


def test_legs_that_lead_elsewhere_explain_no_mid_rate() -> None:
    steps = explain_quote(replace(QUOTE, trail=replace(QUOTE.trail, override=None, legs=LEGS[:1])))

    assert steps[0].finding is Result.DIFFERS
    assert steps[0].formula == "the legs do not lead from USD to NGN"


def test_a_margin_of_an_override_is_that_of_the_rate() -> None:
    override = make_override(override_id="prp_1", rate=None, markup_basis_points=50)
    trail = replace(QUOTE.trail, override=override)

    assert differing(explain_quote(replace(QUOTE, trail=trail))) == []
    other = replace(trail, override=replace(override, markup_basis_points=40))
    assert differing(explain_quote(replace(QUOTE, trail=other))) == ["markup_basis_points"]


def test_under_an_override_the_cost_is_measured_against_the_market_s_middle() -> None:
    market = Decimal("1600")
    leg = RateLeg(base_currency="USD", quote_currency="NGN", rate=market)
    override = make_override(rate=QUOTE.trail.mid_rate, market_mid_rate=market)
    trail = replace(QUOTE.trail, override=override, legs=(leg,))
    quote = replace(QUOTE, trail=trail, terms=replace(QUOTE.terms, replaced_mid_rate=market))

    steps = {step.figure: step for step in explain_quote(quote)}

    assert differing(tuple(steps.values())) == []
    assert steps["market_mid_rate"].result == steps["market_mid_rate"].stored == "1600"
    assert ("market_mid_rate", "1600") in steps["cost_percent"].inputs
    other = replace(override, market_mid_rate=Decimal("1601"))
    wrong = explain_quote(replace(quote, trail=replace(trail, override=other)))
    assert differing(wrong) == ["market_mid_rate"]


def test_a_payment_has_the_market_s_middle_of_its_quote() -> None:
    terms = replace(QUOTE.terms, replaced_mid_rate=Decimal(1600))

    steps = explain_payment(make_payment(quote_id=QUOTE.id, terms=terms), QUOTE)

    assert "payment market_mid_rate" in differing(steps)


def test_a_payment_is_explained_by_the_quote_that_priced_it_last() -> None:
    payment = make_payment(quote_id=QUOTE.id, terms=QUOTE.terms)
    assert differing(explain_payment(payment, QUOTE)) == []

    repriced = replace(payment, terms=replace(payment.terms, rate=Decimal(1)))

    assert differing(explain_payment(repriced, QUOTE)) == ["payout_amount", "payment fx_rate"]


def test_a_payment_has_the_margin_of_its_quote() -> None:
    terms = replace(QUOTE.terms, markup_basis_points=QUOTE.terms.markup_basis_points + 1)
    payment = make_payment(quote_id=QUOTE.id, terms=terms)

    assert differing(explain_payment(payment, QUOTE)) == ["payment margin_basis_points"]


def test_a_payment_whose_quote_cannot_be_read_explains_what_it_can() -> None:
    steps = explain_payment(make_payment(), None)

    assert unknown(steps) == ["mid_rate", "fx_rate", "fee flat", "fee percentage", "fees"]
    assert differing(steps) == []
    agreed = [step.figure for step in steps if step.finding is Result.AGREES]
    assert agreed[:3] == ["fee_usd", "net_usd", "payout_amount"]


@pytest.mark.parametrize(
    ("formula", "value"),
    [
        ("1.00", Fraction(1)),
        ("1 + 2 * 3 - 4 / 8", Fraction(13, 2)),
        ("(1 + 2) * 3", Fraction(9)),
        ("min(max(round_half_up(100.10 * 0.015, 2), 0.50), 75)", Fraction(3, 2)),
        ("round_half_up(0.125, 2)", Fraction(13, 100)),
        ("round_half_even(0.125, 2)", Fraction(12, 100)),
    ],
)
def test_a_formula_has_a_value(formula: str, value: Fraction) -> None:
    assert evaluate(formula) == value


@pytest.mark.parametrize(
    "formula",
    [
        "",
        "1 +",
        "1 1",
        "(1",
        "1 / 0",
        "-1",
        "1e3",
        "cost(1)",
        "min()",
        "round_half_up(1)",
        "round_half_up(1, 99)",
        "round_half_up(1, 0.5)",
        "__import__(1)",
        "(" * 30 + "1" + ")" * 30,
        "1+" * 6000 + "1",
    ],
)
def test_a_text_that_is_no_formula_is_refused(formula: str) -> None:
    with pytest.raises(NoFormula):
        evaluate(formula)


@pytest.mark.parametrize(
    ("mode", "rounding"), [("half_even", ROUND_HALF_EVEN), ("half_up", ROUND_HALF_UP)]
)
@given(value=st.decimals(-(10**9), 10**9, places=6), digits=st.integers(1, 20))
def test_rounding_is_that_of_decimals(
    mode: str, rounding: str, value: Decimal, digits: int
) -> None:
    places = digits % 7
    quantum = Decimal(1).scaleb(-places)
    expected = value.quantize(quantum, rounding=rounding, context=EXACT)
    assert rounded(Fraction(value), places, mode) == Fraction(expected)

    context = Context(prec=digits, rounding=rounding)
    assert to_digits(Fraction(value), digits, mode) == Fraction(context.plus(value))
