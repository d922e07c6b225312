"""Statements with members of our enums in them."""

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import TypeVar

from sqlalchemy import TextClause, text

Case = TypeVar("Case", bound=StrEnum)


def text_with(statement: str, **constants: StrEnum) -> TextClause:
    """A statement with constants of ours in place of their names. They reach the database written
    out, because a partial index is used only where the database knows the value when it plans.

    Raises ValueError for a name that the statement has not.
    """
    for name, constant in constants.items():
        statement, found = re.subn(rf"(?<!:):{name}\b", f"'{constant.value}'", statement)
        if not found:
            raise ValueError(f"the statement has no :{name}")
    return text(statement)


def literals(constants: Iterable[StrEnum]) -> str:
    """Constants of ours as the list of an IN, sorted, so that a statement is always the same."""
    listed = ", ".join(f"'{constant}'" for constant in sorted(constants))
    return f"({listed})"


def whens(cases: Mapping[Case, StrEnum]) -> str:
    """The cases of a CASE that gives one of our constants for another."""
    return " ".join(f"WHEN '{one}' THEN '{then}'" for one, then in cases.items())
