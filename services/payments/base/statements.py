"""Statements with members of our enums in them."""

import re
from enum import StrEnum

from sqlalchemy import TextClause, text


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
