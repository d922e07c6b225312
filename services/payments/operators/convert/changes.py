"""Requests to watch for changes, and the answers. A cursor is a token like that of a page."""

import re

from caravel.payments.v1 import search_pb2

from services.payments.base.instants import read_instant_text
from services.payments.base.paging import read_token, write_token
from services.payments.operators.watching import Changed, Changes, Cursor

# As PostgreSQL writes it: the oldest transaction under way, the next one, and those in between.
_SNAPSHOT = re.compile(r"[0-9]{1,19}:[0-9]{1,19}:(?:[0-9]{1,19}(?:,[0-9]{1,19})*)?", re.ASCII)
_SNAPSHOT_MAX = 20_000


def read_cursor(request: search_pb2.WatchChangesRequest) -> Cursor | None:
    """The moment to go on from; None for the first call. Raises Invalid."""
    return read_token(request.cursor, _read, "cursor") if request.cursor else None


def write_changes(changes: Changes) -> search_pb2.WatchChangesResponse:
    """The message of the changes, with the cursor for the next call as text."""
    cursor = changes.cursor
    return search_pb2.WatchChangesResponse(
        changes=[_write(one) for one in changes.changes],
        cursor=write_token([cursor.at.isoformat(), cursor.snapshot]),
        is_reset=changes.is_reset,
    )


def _write(changed: Changed) -> search_pb2.PaymentChange:
    return search_pb2.PaymentChange(
        transaction_id=changed.transaction_id,
        merchant_id=changed.merchant_id,
        corridor_id=changed.corridor_id,
        state=changed.state,
        hold_reason=changed.hold_reason,
        amount_usd=str(changed.amount),
        sequence=changed.sequence,
        is_new=changed.is_new,
    )


def _read(words: list[str]) -> Cursor:
    at, snapshot = words
    if len(snapshot) > _SNAPSHOT_MAX or not _SNAPSHOT.fullmatch(snapshot):
        raise ValueError
    first, after, between = snapshot.split(":")
    running = [int(number) for number in between.split(",") if number]
    # PostgreSQL takes no other: each in order, and below the next one.
    numbers = [1, int(first), *running]
    if numbers != sorted(numbers) or int(first) > int(after) or int(after) >= 2**63:
        raise ValueError
    if running and running[-1] >= int(after):
        raise ValueError
    return Cursor(at=read_instant_text(at), snapshot=snapshot)
