"""Lists in numbered pages, as Paystack and Flutterwave have them."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from services.providers.listed import ListedOperation, OperationPage, OperationQuery, is_ours
from services.shared.errors import field_invalid

# A page of so many transfers is well below the bound of an answer.
PAGE = 50
Reader = Callable[[Mapping[str, Any]], ListedOperation]
_NUMBERS = frozenset(str(number) for number in range(2, 10_000))


def number_of(query: OperationQuery) -> int:
    """The number of the page that is asked for. Raises Invalid."""
    if query.page and query.page not in _NUMBERS:
        raise field_invalid("page", "page is none of ours")
    return int(query.page or 1)


def read_page(
    transfers: Sequence[object], query: OperationQuery, read: Reader, *, full: int
) -> OperationPage:
    """The transfers of a page whose reference is ours; a page of so many may be followed by
    another, unless it went beyond the time that is asked for."""
    found = [read(one) for one in transfers if isinstance(one, dict)]
    goes_on = len(transfers) >= full and not any(_is_before(one, query.since) for one in found)
    return OperationPage(
        operations=tuple(
            one for one in found if is_ours(one.key) and not _is_before(one, query.since)
        ),
        next_page=str(number_of(query) + 1) if goes_on else "",
    )


def day_of(since: datetime) -> str:
    """The day from which a list is asked for, where it takes days alone."""
    return f"{since.astimezone(UTC):%Y-%m-%d}"


def _is_before(one: ListedOperation, since: datetime) -> bool:
    return one.created_at is not None and one.created_at < since.replace(microsecond=0)
