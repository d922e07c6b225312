"""Collects what is wrong with a request, so that one answer reports all of it."""

from collections.abc import Callable
from typing import TypeVar

from services.shared.errors import Invalid, Violation

Value = TypeVar("Value")


class Problems:
    """Collects what is wrong, so that one answer reports all of it, each field once."""

    def __init__(self) -> None:
        self._errors: list[Invalid] = []
        self._fields: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self._errors)

    def read(self, read: Callable[[str], Value], text: str, otherwise: Value) -> Value:
        """The value read from the text; otherwise, where it is refused, the problem is kept."""
        try:
            return read(text)
        except Invalid as error:
            self.add(error)
            return otherwise

    def add(self, error: Invalid) -> None:
        """Keeps the problem, without the fields of which one is known already."""
        fresh = tuple(v for v in error.violations if v.field not in self._fields)
        if error.violations and not fresh:
            return
        if len(fresh) < len(error.violations):
            error = Invalid(violations=fresh)
        self._fields |= {violation.field for violation in fresh}
        self._errors.append(error)

    def raise_any(self) -> None:
        """Raises one Invalid with every violation, where there was any."""
        if len(self._errors) == 1:
            raise self._errors[0]
        if self._errors:
            raise Invalid(violations=tuple(v for e in self._errors for v in e.violations))


def fields_invalid(fields: tuple[str, ...], description: str, reason: str) -> Invalid:
    """An Invalid about fields that are right or wrong together only."""
    violations = (Violation(field=f, reason=reason, description=description) for f in fields)
    return Invalid(description, violations=tuple(violations))
