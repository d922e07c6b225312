"""Collects what is wrong with a request, so that one answer reports all of it."""

from collections.abc import Callable
from typing import TypeVar

from services.shared.errors import Invalid

Value = TypeVar("Value")


class Problems:
    """Collects what is wrong, so that one answer reports all of it."""

    def __init__(self) -> None:
        self._errors: list[Invalid] = []

    def read(self, read: Callable[[str], Value], text: str, otherwise: Value) -> Value:
        """The value read from the text; otherwise, where it is refused, the problem is kept."""
        try:
            return read(text)
        except Invalid as error:
            self._errors.append(error)
            return otherwise

    def raise_any(self) -> None:
        """Raises one Invalid with every violation, where there was any."""
        if len(self._errors) == 1:
            raise self._errors[0]
        if self._errors:
            raise Invalid(violations=tuple(v for e in self._errors for v in e.violations))
