"""The port of the verbs: a source of rates."""

from typing import Protocol

from services.fx.domain import Observation


class SourceAway(Exception):
    """A source has not given its rates. The message is for our log: never a part of the answer, nor
    an address, which may have a key."""

    def __init__(self, why: str, retry_after_seconds: int = 0) -> None:
        """retry_after_seconds is what the source has asked for, or nothing."""
        super().__init__(why)
        self.retry_after_seconds = retry_after_seconds


class RateSource(Protocol):
    """A place that rates come from. Which places there are is in sources."""

    # How long after a load the next one begins; None where nothing newer can come.
    refresh_seconds: float | None

    async def load(self) -> None:
        """Reads the newest rates. Where it raises, those of the last load stay.

        Raises SourceAway.
        """
        ...

    async def observe(self, base_currency: str, quote_currency: str) -> Observation | None:
        """The newest rate of the pair, whatever its age; None where the source lacks the pair."""
        ...
