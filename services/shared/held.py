"""Streams that stay open for as long as their caller likes: each connection has so many places."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from services.shared.errors import Overloaded

# A client needs one for each service it calls; the gateway lets through no more than this at once.
PER_CONNECTION_MAX = 128


class TooManyStreams(Overloaded):
    """This connection holds as many streams open as it may; end one first."""


class HeldStreams:
    """Counts the streams that are open, by connection."""

    def __init__(self, per_connection_max: int = PER_CONNECTION_MAX) -> None:
        self._open: Counter[str] = Counter()
        self._most = per_connection_max

    @contextmanager
    def one_more(self, connection: str) -> Iterator[None]:
        """A place for one stream of this connection. Raises TooManyStreams."""
        if self._open[connection] >= self._most:
            raise TooManyStreams
        self._open[connection] += 1
        try:
            yield
        finally:
            self._open[connection] -= 1
            if not self._open[connection]:
                del self._open[connection]
