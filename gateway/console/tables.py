"""Tables of records: each is declared once by its columns, and is a table of HTML, cards on a small
screen, and a file of CSV."""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from gateway.console.client import Record

_BRACES = re.compile(r"\{([a-z_.0-9]+)\}")
# A program that opens the file would take such a text for a formula.
_FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
# The kinds of columns that need a shape of their own.
_SHAPES = {"number": "number", "code": "code", "instant": "time"}
_SHAPES |= dict.fromkeys(("long", "pairs", "list"), "long")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")


@dataclass(frozen=True)
class Column:
    """A column: its label, its field (a dot leads into a record within, a bar to the field that
    stands in for an empty one), and its kind: text, long, code (an id), word (of a contract),
    state, list, pairs, number, seconds, instant, age, left or yes."""

    label: str
    field: str
    kind: str = "text"
    # The address to which the cell leads, with fields in braces.
    link: str = ""
    # The unit of a number, with fields in braces, for example "bp" or "{destination_currency}".
    unit: str = ""
    # Shown where there is no value.
    absent: str = "none"
    # In a file, and on a page that asks for it by the column's name.
    is_extra: bool = False

    @property
    def shape(self) -> str:
        """The class of its cells, by which their text breaks; empty for most."""
        return _SHAPES.get(self.kind, "")

    def value(self, record: Record) -> Any:
        """The value of the cell, of the first of its fields that has one; None where none has."""
        for field in self.field.split("|"):
            found: Any = record
            for name in field.split("."):
                found = found[name] if found is not None else None
            if found is not None and found not in ("", [], {}):
                return found
        return None

    def address(self, record: Record) -> str:
        """The address to which the cell leads; empty where it leads nowhere."""
        return filled(self.link, record) if self.link and self.value(record) is not None else ""

    def unit_of(self, record: Record) -> str:
        """The unit of the cell's number."""
        return filled(self.unit, record)

    def text(self, record: Record) -> str:
        """The cell as text alone."""
        value = self.value(record)
        if value is None:
            return ""
        if isinstance(value, datetime):
            return value.isoformat()
        if isinstance(value, list):
            return ", ".join(map(str, value))
        if isinstance(value, dict):
            return "; ".join(f"{name}: {text}" for name, text in sorted(value.items()))
        return str(value)


def filled(template: str, record: Record) -> str:
    """The template with the record's fields, each of which may stand in an address."""

    def field(found: re.Match[str]) -> str:
        return quote(Column("", found[1]).text(record), safe="")

    return _BRACES.sub(field, template)


def used(columns: Sequence[Column], records: Sequence[Record]) -> Sequence[Column]:
    """The columns of a page: without those that are empty for all of these records, and say
    nothing by it."""
    return [
        column
        for at, column in enumerate(columns)
        if not column.is_extra
        and (
            not at
            or column.absent != "none"
            or any(column.value(record) is not None for record in records)
        )
    ]


def unreadable_of(page: Record) -> Sequence[str]:
    """The ids of things of a list whose record cannot be read."""
    return [str(one) for name, ids in page.items() if name.startswith("unreadable_") for one in ids]


def as_csv(columns: Sequence[Column], records: Iterable[Record]) -> str:
    """The table as CSV, without a cell that could be taken for a formula."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow([_heading(column) for column in columns])
    for record in records:
        writer.writerow([_harmless(text) for text in _texts(columns, record)])
    return file.getvalue()


def _texts(columns: Sequence[Column], record: Record) -> Iterable[str]:
    for column in columns:
        text = column.text(record)
        by_record = column.unit.startswith("{") and text
        yield f"{text} {column.unit_of(record)}" if by_record else text


def _heading(column: Column) -> str:
    by_record = "{" in column.unit
    return column.label if by_record or not column.unit else f"{column.label} ({column.unit})"


def _harmless(text: str) -> str:
    if text.startswith(_FORMULA) and not _NUMBER.fullmatch(text):
        return f"'{text}"
    return text


def with_query(path: str, query: Mapping[str, str | Sequence[str]]) -> str:
    """The path with those of the query that are not empty."""
    pairs = [
        f"{name}={quote(value, safe='')}"
        for name, values in query.items()
        for value in ([values] if isinstance(values, str) else values)
        if value
    ]
    return f"{path}?{'&'.join(pairs)}" if pairs else path
