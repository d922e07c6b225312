"""Exact arithmetic with fractions: formulas as texts, and rounding by the name of its mode."""

import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from fractions import Fraction

from services.shared.money import EXACT

_TOKEN = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?|[a-z_]+|[-+*/(),])", re.ASCII)
# Formulas are as long as a schedule has tiers, whose number the corridors bound.
LENGTH_MAX, DEPTH_MAX = 10_000, 20
DECIMALS_MAX = 19
# More than any rate has.
SHOWN_DECIMALS = 30


class NoFormula(ValueError):
    """The text is no arithmetic that is understood here."""


def evaluate(formula: str) -> Fraction:
    """The value of a formula: decimal numbers, + - * /, parentheses, min(…), max(…), and
    round_half_up(value, digits) or round_half_even.

    Raises NoFormula.
    """
    reader = _Reader(list(_tokens(formula)))
    value = reader.sum(0)
    if reader.next is not None:
        raise NoFormula(f"{reader.next} is not expected")
    return value


def _tokens(formula: str) -> Iterator[str]:
    text = formula.rstrip()
    if len(text) > LENGTH_MAX:
        raise NoFormula("it is too long")
    place = 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise NoFormula(f"character {place + 1} is not understood")
        yield match[1]
        place = match.end()


class _Reader:
    """Reads the tokens from left to right."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens[::-1]

    @property
    def next(self) -> str | None:
        return self._tokens[-1] if self._tokens else None

    def _takes(self, *wanted: str) -> str | None:
        return self._tokens.pop() if self.next in wanted else None

    def _demand(self, wanted: str) -> None:
        if self._takes(wanted) is None:
            raise NoFormula(f"{wanted} is expected")

    def sum(self, depth: int) -> Fraction:
        value = self._product(depth)
        while sign := self._takes("+", "-"):
            part = self._product(depth)
            value = value + part if sign == "+" else value - part
        return value

    def _product(self, depth: int) -> Fraction:
        value = self._value(depth)
        while sign := self._takes("*", "/"):
            part = self._value(depth)
            if sign == "*":
                value *= part
            elif part:
                value /= part
            else:
                raise NoFormula("it divides by zero")
        return value

    def _value(self, depth: int) -> Fraction:
        if depth > DEPTH_MAX:
            raise NoFormula("it is too deep")
        if name := self._takes(*_FUNCTIONS):
            return _FUNCTIONS[name](self._arguments(depth + 1))
        if self._takes("("):
            value = self.sum(depth + 1)
            self._demand(")")
            return value
        if self.next is None or not self.next[0].isdigit():
            raise NoFormula("a number is expected")
        return Fraction(self._tokens.pop())

    def _arguments(self, depth: int) -> list[Fraction]:
        self._demand("(")
        values = [self.sum(depth)]
        while self._takes(","):
            values.append(self.sum(depth))
        self._demand(")")
        return values


# By the names that are kept with a quote.
MODES = ("half_even", "half_up")


def _rounding(mode: str) -> Callable[[list[Fraction]], Fraction]:
    def by_arguments(arguments: list[Fraction]) -> Fraction:
        if len(arguments) != 2 or arguments[1] not in range(DECIMALS_MAX):
            raise NoFormula(f"round_{mode} takes a value and a number of digits")
        return rounded(arguments[0], int(arguments[1]), mode)

    return by_arguments


def rounded(value: Fraction, decimals: int, mode: str) -> Fraction:
    """The value to so many decimals; of a negative value up is away from zero. Raises NoFormula."""
    if mode not in MODES:
        raise NoFormula(f"{mode} is no rounding that is understood")
    above, below = max(decimals, 0), max(-decimals, 0)
    divisor = value.denominator * 10**below
    whole, rest = divmod(abs(value.numerator) * 10**above, divisor)
    if 2 * rest > divisor or (2 * rest == divisor and (mode == "half_up" or whole % 2)):
        whole += 1
    return Fraction(whole * 10**below * (-1 if value < 0 else 1), 10**above)


_FUNCTIONS: Mapping[str, Callable[[list[Fraction]], Fraction]] = {
    "min": min,
    "max": max,
    **{f"round_{mode}": _rounding(mode) for mode in MODES},
}


def to_digits(value: Fraction, digits: int, mode: str) -> Fraction:
    """The value to so many significant digits. Raises NoFormula."""
    top, bottom = abs(value.numerator), value.denominator
    if top >= bottom:
        return rounded(value, digits - len(str(top // bottom)), mode)
    # Near it, because a damaged row may have thousands.
    zeros = max(len(str(bottom)) - len(str(top)) - 1, 0)
    while top and top * 10 ** (zeros + 1) < bottom:
        zeros += 1
    return rounded(value, digits + zeros, mode)


def shown(value: Fraction, decimals: int | None = None) -> str:
    """As decimal text: with so many decimals, or exact, or cut with an ellipsis where no decimal is
    exact."""
    if decimals is not None:
        return f"{_decimal(rounded(value, decimals, 'half_even')):.{decimals}f}"
    near = rounded(value, SHOWN_DECIMALS, "half_even")
    text = f"{_decimal(near).normalize(EXACT):f}"
    return text if near == value else f"{text}…"


def _decimal(value: Fraction) -> Decimal:
    """A fraction that has no more than SHOWN_DECIMALS decimals."""
    scaled = value * Fraction(10) ** SHOWN_DECIMALS
    return Decimal(scaled.numerator).scaleb(-SHOWN_DECIMALS, context=EXACT)
