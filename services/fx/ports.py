"""The port of the verbs: a source of rates."""

from typing import Protocol

from services.fx.domain import Observation


class RateSource(Protocol):
    """A place that rates come from. Which places there are is in sources."""

    async def load(self) -> None:
        """Makes the source ready; called once, before the service takes calls."""
        ...

    async def observe(self, base_currency: str, quote_currency: str) -> Observation | None:
        """The newest rate of the pair, whatever its age; None where the source lacks the pair."""
        ...
