"""Lists of columns, for statements to name."""

from sqlalchemy import Table


def columns(table: Table, alias: str = "") -> str:
    """The columns of a table that this code knows, for a statement to name: with "*" a column that
    a migration adds would change what the statement gives, under those who have it prepared."""
    before = f"{alias}." if alias else ""
    return ", ".join(f"{before}{column.name}" for column in table.columns)


def names(typed: str) -> str:
    """The names of columns that are given with their types."""
    return ", ".join(column.split()[0] for column in typed.split(","))
