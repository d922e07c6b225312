"""Values from JSON columns, each of the type that it must have; anything else makes its row one
that cannot be read."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any


def listed(value: object) -> list[Any]:
    """The value where it is a list. Raises TypeError."""
    if not isinstance(value, list):
        raise TypeError("a list is expected")
    return value


def text(value: object) -> str:
    """The value where it is text. Raises TypeError."""
    if not isinstance(value, str):
        raise TypeError("text is expected")
    return value


def texts(value: object) -> tuple[str, ...]:
    """The value where it is a list of texts. Raises TypeError."""
    return tuple(map(text, listed(value)))


def all_text(value: Mapping[Any, Any]) -> dict[str, str]:
    """The value where all its names and values are texts. Raises TypeError."""
    return {text(name): text(one) for name, one in value.items()}


def whole(value: object) -> int:
    """The value where it is a whole number. Raises TypeError."""
    if type(value) is not int:
        raise TypeError("a whole number is expected")
    return value


def finite(rate: Decimal) -> Decimal:
    """The rate where it is a number. Raises ValueError."""
    if not rate.is_finite():
        raise ValueError("a finite rate is expected")
    return rate
