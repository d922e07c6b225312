"""The fee lines: each by its own formula, and all of them by the terms of the schedule."""

from collections.abc import Iterator

from services.payments.model.explanation.arithmetic import NoFormula, evaluate, shown
from services.payments.model.explanation.schedule import lines_of
from services.payments.model.explanation.step import (
    Result,
    Step,
    differs,
    fraction,
    sum_step,
    unknown,
)
from services.payments.model.quote import FeeLine, Pricing, Terms
from services.shared.money import exponent

# The part of an amount that is left beyond a net that was asked for: it is of no schedule, and its
# own formula and the sum hold it.
EXCESS = "excess"


def fee_steps(terms: Terms, pricing: Pricing | None) -> Iterator[Step]:
    """Each line by its formula, and then all of them by the schedule."""
    for line in pricing.fees if pricing else terms.fees:
        yield _formula_step(line)
    yield _schedule_step(terms, pricing)


def _formula_step(line: FeeLine) -> Step:
    figure, stored = f"fee {line.name}", str(line.amount)
    if not line.formula:
        return unknown(figure, "its formula", stored)
    try:
        exact = evaluate(line.formula)
    except NoFormula as error:
        return differs(figure, f"{line.formula}: {error}", (), stored)
    return sum_step(figure, line.formula, (), exact, line.amount)


def _schedule_step(terms: Terms, pricing: Pricing | None) -> Step:
    scheduled = [line for line in terms.fees if line.name != EXCESS]
    stored = _listed((line.name, str(line.amount)) for line in scheduled)
    if pricing is None or not pricing.schedule_terms:
        return unknown("fees", "the terms of the schedule", stored)
    decimals = exponent(terms.amount.currency)
    inputs = (
        ("schedule", pricing.fee_schedule_version),
        ("amount_usd", str(terms.amount)),
        ("terms", pricing.schedule_terms),
    )
    mode = pricing.rounding.fees if pricing.rounding else ""
    try:
        lines = lines_of(pricing.schedule_terms, fraction(terms.amount), decimals, mode)
    except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError) as error:
        return differs("fees", f"the terms cannot be applied: {error}", inputs, stored)
    result = _listed((name, shown(line, decimals)) for name, line in lines.items())
    return Step(
        figure="fees",
        formula="the terms of the schedule for amount_usd",
        inputs=inputs,
        result=result,
        stored=stored,
        finding=Result.AGREES if result == stored else Result.DIFFERS,
    )


def _listed(lines: Iterator[tuple[str, str]]) -> str:
    return ", ".join(f"{name} {amount}" for name, amount in lines) or "none"
