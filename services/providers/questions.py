"""Questions to providers that move nothing, each within the limits of its provider. Questions about
operations, whose answers the breakers count, are in protection."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import TypeVar

from services.providers.limits import Gate
from services.providers.ports import Adapter
from services.shared.errors import Unavailable, field_invalid

# For one answer.
ANSWERING = timedelta(seconds=10)
PAGE_LENGTH_MAX = 255
Answer = TypeVar("Answer")


class Questions:
    """Base of the questions of one kind to all providers."""

    def __init__(
        self,
        adapters: Mapping[str, Adapter],
        gates: Mapping[str, Gate],
        within: timedelta = ANSWERING,
    ) -> None:
        self._adapters = adapters
        self._gates = gates
        self._within_seconds = within.total_seconds()

    async def _asked(self, provider: str, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        """The provider's answer. Raises Unavailable where none came in time."""
        try:
            return await self._gates[provider].asked(self._within_seconds, ask)
        except TimeoutError:
            words = "The provider has not answered in time."
            raise Unavailable(words, provider=provider) from None


def check_page(page: str) -> None:
    """Raises Invalid for the name of a page that no provider has given."""
    if len(page) > PAGE_LENGTH_MAX:
        raise field_invalid("page", f"page has at most {PAGE_LENGTH_MAX} characters")
