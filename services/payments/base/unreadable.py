"""Rows that this code cannot read: found apart, so that the rows beside them are served. Of the
error its class and place are kept, for its words may quote a person. Where such rows are listed
for operators is unreadable_rows."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy import Row, Select, Table, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.payments.base.errors import describe
from services.payments.model.payment import PaymentUnreadable
from services.shared.db import connected
from services.shared.db_errors import DatabaseMistake
from services.shared.ids import Prefix, encode_id

# Raised by the driver for a value that it cannot read, for example a year that Python has not.
UNDECODABLE = (ValueError, ArithmeticError, RecursionError)

Noun = TypeVar("Noun")


@dataclass(frozen=True, kw_only=True)
class UnreadableRow:
    """A row that cannot be read: which, and why, without anything that it holds."""

    table: str
    # The values of its primary key, as a JSON array of texts.
    key: str
    merchant_id: str | None
    payment_id: UUID | None
    # Empty where it is not known, because the driver has read none of the row.
    column: str
    error: str

    @property
    def values(self) -> Sequence[str]:
        """The values of its primary key."""
        values: list[str] = json.loads(self.key)
        return values

    @property
    def transaction_id(self) -> str:
        """The public id of its payment; empty where it belongs to none."""
        return encode_id(Prefix.PAYMENT, self.payment_id) if self.payment_id else ""

    def as_refusal(self) -> PaymentUnreadable:
        """The error of a call that needs the row."""
        return PaymentUnreadable(transaction_id=self.transaction_id)


@dataclass(frozen=True)
class Source(Generic[Noun]):
    """A table, and how a row of it is read."""

    table: Table
    read: Callable[[Row[Any]], Noun]
    # The column that names the row's payment, where there is one.
    payment: str = ""

    def unreadable(self, row: Any, error: str, column: str = "") -> UnreadableRow:
        """Names a row by its key, of which nothing else need be readable."""
        values: Mapping[str, Any] = row._mapping
        return UnreadableRow(
            table=self.table.name,
            key=key_text([values[column.name] for column in self.table.primary_key]),
            merchant_id=values.get("merchant_id"),
            payment_id=values.get(self.payment),
            column=column,
            error=error,
        )

    def of_key(self, values: Mapping[str, Any], error: str, column: str = "") -> UnreadableRow:
        """Names a row of which no more is at hand than these values."""
        return self.unreadable(fetched(values), error, column)


def key_text(values: Sequence[Any]) -> str:
    """The values of a primary key, as the list has them."""
    return json.dumps([str(value) for value in values])


class _Fetched:
    def __init__(self, values: Mapping[str, Any]) -> None:
        self._mapping = values

    def __getattr__(self, name: str) -> Any:
        return self._mapping[name]


def fetched(values: Mapping[str, Any]) -> Any:
    """Values that the driver itself has fetched, as a row that a Source reads."""
    return _Fetched(values)


class _Watched:
    """A row that remembers which of its columns was looked at last."""

    def __init__(self, row: Row[Any]) -> None:
        self.row = row
        self.last = ""

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.row, name)
        self.last = name
        return value


def read_one(source: Source[Noun], row: Row[Any]) -> Noun | UnreadableRow:
    """The row as it reads, or why it does not."""
    try:
        return source.read(row)
    except Exception as error:  # noqa: BLE001 - the others can still be read
        return source.unreadable(row, describe(error), _column(source, row))


def _column(source: Source[Any], row: Row[Any]) -> str:
    """The column at which reading ends; it is read again, because watching takes time."""
    watched: Any = _Watched(row)
    try:
        source.read(watched)
    except Exception:  # noqa: BLE001 - it is known already
        return str(watched.last)
    return ""


def read_each(
    source: Source[Noun], found: Sequence[Row[Any]]
) -> tuple[list[tuple[Row[Any], Noun]], list[UnreadableRow]]:
    """Each readable row with its noun; and, apart, each row that cannot be read."""
    readable, unreadable = [], []
    for row in found:
        read = read_one(source, row)
        if isinstance(read, UnreadableRow):
            unreadable.append(read)
        else:
            readable.append((row, read))
    return readable, unreadable


async def fetch_each(
    engine: AsyncEngine, source: Source[Noun], query: Select[Any]
) -> Sequence[Noun | UnreadableRow]:
    """The rows of the query in its order; the driver cannot read every value."""
    try:
        async with connected(engine) as connection:
            found = (await connection.execute(query)).all()
    except DatabaseMistake:
        return await _fetch_apart(engine, source, query)
    return [read for row in found for read in (read_one(source, row),)]


async def _fetch_apart(
    engine: AsyncEngine, source: Source[Noun], query: Select[Any]
) -> Sequence[Noun | UnreadableRow]:
    named = {*source.table.primary_key, *(c for c in source.table.c if c.name == source.payment)}
    async with connected(engine) as connection:
        keys = (await connection.execute(query.with_only_columns(*named))).all()
    found: dict[tuple[Any, ...], Noun | UnreadableRow] = {}
    await _fetch_half(engine, source, keys, found)
    return [found[_values(source, key)] for key in keys if _values(source, key) in found]


async def _fetch_half(
    engine: AsyncEngine,
    source: Source[Noun],
    keys: Sequence[Row[Any]],
    found: dict[tuple[Any, ...], Noun | UnreadableRow],
) -> None:
    """Reads rows by their keys, all at once or else half by half."""
    wanted = tuple_(*source.table.primary_key).in_([_values(source, key) for key in keys])
    try:
        async with connected(engine) as connection:
            rows = (await connection.execute(select(source.table).where(wanted))).all()
    except DatabaseMistake as error:
        if len(keys) == 1:
            found[_values(source, keys[0])] = source.unreadable(keys[0], describe(error))
            return
        middle = len(keys) // 2
        await _fetch_half(engine, source, keys[:middle], found)
        await _fetch_half(engine, source, keys[middle:], found)
        return
    for row in rows:
        read = read_one(source, row)
        found[_values(source, row)] = read


def _values(source: Source[Any], row: Row[Any]) -> tuple[Any, ...]:
    return tuple(row._mapping[column.name] for column in source.table.primary_key)


async def reread(
    connection: AsyncConnection, source: Source[Any], key: str
) -> UnreadableRow | None:
    """The row of a key, where it exists and still cannot be read; in one transaction."""
    table = source.table
    where = [
        column == _typed(column.type.python_type, value)
        for column, value in zip(table.primary_key, json.loads(key), strict=True)
    ]
    try:
        row = (await connection.execute(select(table).where(*where))).one_or_none()
    except UNDECODABLE as error:
        named = [c for c in table.c if c.primary_key or c.name in ("merchant_id", source.payment)]
        row = (await connection.execute(select(*named).where(*where))).one()
        for column in table.c:
            try:
                await connection.execute(select(column).where(*where))
            except UNDECODABLE:
                return source.unreadable(row, describe(error), column.name)
        return source.unreadable(row, describe(error))
    read = None if row is None else read_one(source, row)
    return read if isinstance(read, UnreadableRow) else None


def _typed(kind: type[Any], value: str) -> Any:
    return value if kind is str else kind(value)
