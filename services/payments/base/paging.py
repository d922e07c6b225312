"""Pages of a list: how many fit on one, and the token that leads to the next."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from services.payments.base.instants import read_instant_text
from services.shared.errors import field_invalid
from services.shared.text import is_storable

DEFAULT_PAGE_SIZE = 50
LARGEST_PAGE_SIZE = 200
Place = TypeVar("Place")
Item = TypeVar("Item")


def read_page_size(page_size: int) -> int:
    """How many items a page has, where so many are asked for. Raises Invalid."""
    if page_size < 0:
        raise field_invalid("page_size", "page_size must not be negative")
    return min(page_size or DEFAULT_PAGE_SIZE, LARGEST_PAGE_SIZE)


def cut(found: Sequence[Item], limit: int) -> tuple[Sequence[Item], Item | None]:
    """A page of what was read, where one item more was asked for than it has; and its last item, to
    go on after, or None at the end."""
    return found[:limit], found[limit - 1] if len(found) > limit else None


def read_id_page(page_token: str, page_size: int) -> tuple[UUID | None, int]:
    """Of a list by id: the id that the page begins after, None for the first page, and how many
    items it has. Raises Invalid."""
    after = read_token(page_token, lambda words: UUID(words[0])) if page_token else None
    return after, read_page_size(page_size)


def write_id_token(last: UUID | None) -> str:
    """The token that leads on after this id; empty at the end."""
    return "" if last is None else write_token([str(last)])


def read_time_page(page_token: str, page_size: int) -> tuple[tuple[datetime, UUID] | None, int]:
    """Of a list by time: the time and the id that the page begins after, None for the first page,
    and how many items it has. Raises Invalid."""
    after = read_token(page_token, _read_time_place) if page_token else None
    return after, read_page_size(page_size)


def write_time_token(at: datetime, last: UUID) -> str:
    """The token that leads on after this time and id."""
    return write_token([at.isoformat(), str(last)])


def _read_time_place(words: list[str]) -> tuple[datetime, UUID]:
    at, last = words
    return read_instant_text(at), UUID(last)


def write_token(words: list[str]) -> str:
    """An opaque token that says where the next page begins."""
    return base64.urlsafe_b64encode(json.dumps(words).encode()).decode().rstrip("=")


def read_token(token: str, read: Callable[[list[str]], Place], field: str = "page_token") -> Place:
    """Where the page begins, as `read` makes it of the token's words. Raises Invalid."""
    try:
        words = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise ValueError
        if not all(map(is_storable, words)):
            raise ValueError
        return read(words)
    except (ValueError, ArithmeticError, IndexError, RecursionError, binascii.Error):
        words = f"{field} is none of ours, or its filters differ"
        raise field_invalid(field, words) from None
