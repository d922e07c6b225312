"""Keys that somebody has found where they do not belong: a key whose very text is reported ends at
once. The answer to a report depends on nothing that is known here."""

import time
from collections.abc import Callable

from prometheus_client import Counter

from services.payments.merchants.domain import ApiKeyInvalid, ApiKeyMistyped
from services.payments.merchants.key_text import read_key_text
from services.payments.merchants.ports import LeakStore
from services.payments.model.timing import LEAK_REPORTS_A_SECOND, LEAK_REPORTS_AT_ONCE
from services.shared.errors import Overloaded
from services.shared.log import get_logger

LEAKED = Counter("caravel_leaked_keys_total", "Keys that a leak report has revoked.")
# Shown in place of a place that the report does not name.
UNSAID = "unsaid"


class LeakReports:
    """Takes reports, so many a second and no more; every other call has its own place."""

    def __init__(self, store: LeakStore, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._left = float(LEAK_REPORTS_AT_ONCE)
        self._as_of = clock()

    async def take(self, text: str, place: str) -> None:
        """Revokes the key of this text, where there is one. Raises Overloaded."""
        self._count()
        try:
            said = read_key_text(text.strip())
        except (ApiKeyInvalid, ApiKeyMistyped):
            return
        key_id = await self._store.revoke_leaked(said, place or UNSAID)
        if key_id:
            LEAKED.inc()
            get_logger().error("key_leaked", key_id=key_id, place=place or UNSAID)

    def _count(self) -> None:
        """Counts a report, before anything of it is looked at. Raises Overloaded."""
        now = self._clock()
        earned = (now - self._as_of) * LEAK_REPORTS_A_SECOND
        self._left, self._as_of = min(self._left + earned, LEAK_REPORTS_AT_ONCE), now
        if self._left < 1:
            raise Overloaded
        self._left -= 1
