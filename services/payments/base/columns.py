"""Lists of columns for statements to name, made from the tables."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Column, Table
from sqlalchemy.dialects import postgresql

from services.payments.base.tables import MOVED, SET

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


def columns(table: Table, alias: str = "") -> str:
    """The columns of a table that this code knows, for a statement to name: with "*" a column that
    a migration adds would change what the statement gives, under those who have it prepared."""
    return names(table.columns, alias)


def given(table: Table) -> tuple[Column[Any], ...]:
    """The columns that come with a row: no value of the database, and no statement, sets them."""
    return tuple(
        column
        for column in table.columns
        if column.server_default is None
        and column.computed is None
        and not (column.nullable and column.info == SET)
    )


def moved(table: Table) -> tuple[Column[Any], ...]:
    """The columns of which a row that is there is given a new value."""
    return tuple(column for column in table.columns if column.info == MOVED)


def names(listed: Iterable[Column[Any]], alias: str = "") -> str:
    """The names of columns, each with the name of its row where there is one."""
    before = f"{alias}." if alias else ""
    return ", ".join(f"{before}{column.name}" for column in listed)


def parameters(listed: Iterable[Column[Any]]) -> str:
    """The parameters of a statement that give columns their values, each with its column's name."""
    return ", ".join(f":{column.name}" for column in listed)


def typed(listed: Iterable[Column[Any]]) -> str:
    """Columns with their types, as json_to_recordset unfolds them."""
    return ", ".join(f"{c.name} {c.type.compile(dialect=_DIALECT)}" for c in listed)


def assigned(listed: Iterable[Column[Any]], row: str) -> str:
    """Assignments of the columns' values in a row of another name."""
    return ", ".join(f"{column.name} = {row}.{column.name}" for column in listed)
