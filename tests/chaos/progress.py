"""How long something has stood still, for those who give up only then: on a slow machine all takes
longer, and still goes on."""

import time
from collections.abc import Callable


class Progress:
    """The last thing seen, and the time since which it is the same."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._seen: object = None
        self._since = now()

    def note(self, seen: object) -> None:
        """Compares it with what was seen before."""
        if seen != self._seen:
            self._seen, self._since = seen, self._now()

    @property
    def quiet_seconds(self) -> float:
        """How long nothing has changed."""
        return self._now() - self._since
