"""The stream of changes for pages that are open: ids of payments, relayed from payments with the
operator's own credential. A stream is short, and the browser goes on from its cursor with another,
so that a session that is over ends it."""

import json
import time
from collections.abc import AsyncIterator

from starlette.responses import Response, StreamingResponse

from gateway.console.client import Record
from gateway.console.pages import Pages, Visit
from services.shared.errors import DomainError, Invalid

# A wait for changes takes five seconds at the most, and the gateway lets an answer take fifteen.
STREAM_SECONDS = 8.0
_AGAIN = "retry: 250\n\n"
_LATER = "retry: 5000\n\n"
# An id without a value has the browser forget the cursor.
_FROM_NOW = "id\ndata: {}\n\n"


class Live:
    """The stream of changes by which open pages stay current."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages

    async def stream(self, visit: Visit) -> Response:
        """The changes from the browser's cursor on."""
        return StreamingResponse(
            self._changes(visit, visit.request.headers.get("last-event-id", "")),
            media_type="text/event-stream",
            headers={"cache-control": "no-store"},
        )

    async def _changes(self, visit: Visit, cursor: str) -> AsyncIterator[str]:
        yield _AGAIN
        ends_at = time.monotonic() + STREAM_SECONDS
        while time.monotonic() < ends_at:
            try:
                answer = await self._pages.payments.call(
                    visit.acting, "WatchChanges", {"cursor": cursor}
                )
            except Invalid:
                yield _FROM_NOW
                return
            except DomainError:
                yield _LATER
                return
            cursor = answer["cursor"]
            yield _event(answer)


def _event(answer: Record) -> str:
    ids = [one["transaction_id"] for one in answer["changes"]]
    data = json.dumps({"all": answer["is_reset"], "payments": ids})
    return f"id: {answer['cursor']}\ndata: {data}\n\n"
