"""Wise's list of all transfers. Wise promises no order of it, so that no part of it is known to be
the newest: it is asked for by time instead, and a page is all that was made in a time, the newest
time first. A time of which more was made than is read at once is narrowed, and never cut off."""

from datetime import UTC, datetime

from services.providers.adapters.kit.http import NO_ANSWER, read_list
from services.providers.adapters.wise import translate
from services.providers.adapters.wise.api import PAGE, Api
from services.providers.adapters.wise.translate import Json, mark_of
from services.providers.listed import OperationPage, OperationQuery
from services.shared.clock import Clock
from services.shared.errors import Unavailable, field_invalid

NOT_LISTED = "Wise has not listed its transfers."
TOO_MANY = "Wise has more transfers of a second than are read at once."
# So many of Wise's own pages are read for one of ours, within the ten seconds of a question.
PAGES_MAX = 10
# A time with more than that is followed by the newest quarter of it.
SHARE = 4
_NAME = "%Y-%m-%dT%H:%M:%SZ"


class Lists:
    """The list, page after page; the name of a page is the time at which it ends. Wise counts both
    ends, so that a transfer of that very moment is on two pages, and none is missing."""

    def __init__(self, api: Api, clock: Clock) -> None:
        self._api = api
        self._clock = clock

    async def page(self, query: OperationQuery) -> OperationPage:
        """One page, the newest first; empty only where there is none. Raises Invalid,
        Unavailable."""
        until = _until(query.page)
        keys = {str(mark_of(key)): key for key in query.expected_keys}
        try:
            begun, found = await self._newest(query.since, until)
            while not found and begun > query.since:
                begun, found = await self._newest(query.since, begun)
        except NO_ANSWER as error:
            raise Unavailable(NOT_LISTED, cause=type(error).__name__) from None
        return OperationPage(
            operations=translate.listed(found, keys),
            next_page=begun.strftime(_NAME) if begun > query.since else "",
        )

    async def _newest(self, since: datetime, until: datetime | None) -> tuple[datetime, list[Json]]:
        """The beginning of the newest time that is read at once, and all transfers of it."""
        begun, end = since, until or self._clock.now()
        while (found := await self._whole(begun, until)) is None:
            narrower = (end - (end - begun) / SHARE).astimezone(UTC).replace(microsecond=0)
            if narrower <= begun:
                raise Unavailable(TOO_MANY)
            begun = narrower
        return begun, found

    async def _whole(self, since: datetime, until: datetime | None) -> list[Json] | None:
        """All transfers of a time; None where they are more than are read at once."""
        found: list[Json] = []
        for page in range(PAGES_MAX):
            listed = await self._read(since, until, page * PAGE)
            found += [one for one in listed if isinstance(one, dict)]
            if len(listed) < PAGE:
                return found
            if page == 0 and await self._read(since, until, PAGES_MAX * PAGE):
                return None
        # All were full, so that another may follow by now.
        return None

    async def _read(self, since: datetime, until: datetime | None, offset: int) -> list[object]:
        answer = await self._api.list_all(since, until, offset)
        if answer.status != 200:
            raise Unavailable(NOT_LISTED, cause=str(answer.status))
        return read_list(answer.body, exact=True)


def _until(page: str) -> datetime | None:
    """The end of the time of a page; None of the first one. Raises Invalid."""
    if not page:
        return None
    try:
        return datetime.strptime(page, _NAME).replace(tzinfo=UTC)
    except ValueError:
        raise field_invalid("page", "page is none of ours") from None
