"""Reads every row as its readers do, to find unreadable rows that no reader has met yet: each table
in the order of its key, slice by slice, so that the event loop goes on between."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from sqlalchemy import select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from services.payments.base.unreadable import (
    UNDECODABLE,
    Source,
    UnreadableRow,
    key_text,
    read_each,
    reread,
)

# Rows that are read at once: of these, a few milliseconds.
SLICE_ROWS = 200
# So many of them are looked at more closely at once.
LOOKED_AT = 10

Place = tuple[Any, ...] | None
# Takes a noun that was read; what it finds it keeps.
Look = Callable[[Any], None]


async def search(
    connection: AsyncConnection,
    source: Source[Any],
    after: Place,
    limit: int | None,
    look: Look | None = None,
) -> tuple[Sequence[UnreadableRow], Place]:
    """Reads up to limit rows that follow a key, or all of them; gives those that cannot be read,
    and the last key, or None at the end of the table. The others are given to look."""
    found: list[UnreadableRow] = []
    left = limit
    async for keys, nouns, unreadable in _slices(connection, source, after):
        found += unreadable
        if look is not None:
            await _look_at(nouns, look)
        after = keys[-1]
        left = None if left is None else left - len(keys)
        if len(keys) < SLICE_ROWS:
            return found, None
        if left is not None and left <= 0:
            return found, after
        await asyncio.sleep(0)
    return found, None


async def _look_at(nouns: Sequence[Any], look: Look) -> None:
    for number, noun in enumerate(nouns, 1):
        look(noun)
        if not number % LOOKED_AT:
            await asyncio.sleep(0)


async def _slices(
    connection: AsyncConnection, source: Source[Any], after: Place
) -> AsyncIterator[tuple[Sequence[tuple[Any, ...]], Sequence[Any], Sequence[UnreadableRow]]]:
    table, key = source.table, tuple(source.table.primary_key)
    while True:
        following = select(table).order_by(*key).limit(SLICE_ROWS)
        if after is not None:
            following = following.where(tuple_(*key) > tuple_(*after))
        try:
            rows = (await connection.execute(following)).all()
            keys = [tuple(row._mapping[column] for column in key) for row in rows]
            readable, unreadable = read_each(source, rows)
        except UNDECODABLE:
            keys = [
                tuple(row) for row in await connection.execute(following.with_only_columns(*key))
            ]
            readable, unreadable = await _read(connection, source, keys)
        if not keys:
            return
        after = keys[-1]
        yield keys, [noun for _, noun in readable], unreadable


async def _read(
    connection: AsyncConnection, source: Source[Any], keys: Sequence[tuple[Any, ...]]
) -> tuple[list[tuple[Any, Any]], list[UnreadableRow]]:
    """These rows, and apart those that cannot be read; half by half where the driver cannot read
    one."""
    table = source.table
    wanted = tuple_(*table.primary_key).in_(keys)
    try:
        rows = (await connection.execute(select(table).where(wanted))).all()
    except UNDECODABLE:
        if len(keys) == 1:
            found = await reread(connection, source, key_text(keys[0]))
            return [], [found] if found else []
        middle = len(keys) // 2
        halves = [await _read(connection, source, half) for half in (keys[:middle], keys[middle:])]
        return halves[0][0] + halves[1][0], halves[0][1] + halves[1][1]
    return read_each(source, rows)
