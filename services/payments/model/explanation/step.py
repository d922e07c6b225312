"""One step of a derivation: a figure with its formula, its inputs, the result and the figure that
was stored."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from services.payments.model.explanation.arithmetic import MODES, NoFormula, shown
from services.shared.money import Money, exponent

UNKNOWN = "unknown"
# Names with values, as texts.
Inputs = tuple[tuple[str, str], ...]


class Result(StrEnum):
    """Whether a figure is what its inputs make of it."""

    AGREES = "agrees"
    DIFFERS = "differs"
    # An input was not kept, or not yet at the time.
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class Step:
    """One figure and how it is made."""

    figure: str
    formula: str
    inputs: Inputs
    # Empty where an input is unknown.
    result: str
    stored: str
    finding: Result


@dataclass(frozen=True)
class Rule:
    """A rounding: its mode, empty where it is unknown, its precision in words, and how it rounds by
    a mode."""

    mode: str
    precision: str
    by: Callable[[str], Fraction]


def rounded_step(
    figure: str,
    formula: str,
    inputs: Inputs,
    stored: tuple[str, Fraction],
    rule: Rule,
    *,
    decimals: int | None = None,
) -> Step:
    """A figure that is rounded once. Where the mode is unknown both are right at a tie, and
    everywhere else they are the same."""
    text, kept = stored
    try:
        candidates = [rule.by(mode) for mode in ([rule.mode] if rule.mode else MODES)]
    except NoFormula as error:
        return differs(figure, f"{formula}: {error}", inputs, text)
    to = f"to {rule.precision}"
    said = f"rounded {rule.mode} {to}" if rule.mode else f"rounded {to}, at a tie: {UNKNOWN}"
    return Step(
        figure=figure,
        formula=f"{formula}, {said}",
        inputs=inputs,
        result=shown(candidates[0], decimals),
        stored=text,
        finding=found(kept, candidates),
    )


def sum_step(figure: str, formula: str, inputs: Inputs, exact: Fraction, stored: Money) -> Step:
    """A figure that is exact, so that nothing is rounded."""
    return Step(
        figure=figure,
        formula=formula,
        inputs=inputs,
        result=shown(exact, exponent(stored.currency)),
        stored=str(stored),
        finding=found(fraction(stored), [exact]),
    )


def unknown(figure: str, what: str, stored: str) -> Step:
    """A figure of which an input was not kept."""
    return Step(
        figure=figure,
        formula=f"{what}: {UNKNOWN}",
        inputs=(),
        result="",
        stored=stored,
        finding=Result.UNKNOWN,
    )


def differs(figure: str, problem: str, inputs: Inputs, stored: str) -> Step:
    """A figure that its inputs cannot make."""
    return Step(
        figure=figure,
        formula=problem,
        inputs=inputs,
        result="",
        stored=stored,
        finding=Result.DIFFERS,
    )


def found(stored: Fraction, candidates: list[Fraction]) -> Result:
    """Whether the stored figure is one of the right ones."""
    return Result.AGREES if stored in candidates else Result.DIFFERS


def fraction(money: Money) -> Fraction:
    """An amount in major units."""
    return Fraction(money.amount_minor, 10 ** exponent(money.currency))
