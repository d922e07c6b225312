"""A source whose answers are tables: each has a base currency, one time for all, and a rate for
each currency, as Open Exchange Rates and currencylayer answer."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from services.fx.domain import Leg, Observation
from services.fx.sources.http import Answer, read_rate, read_unix
from services.fx.sources.kit import Handed, LastGood, Pair, load_all

# The base of an answer to a request that names none, at both: each plan has it, only some another.
DEFAULT_BASE = "USD"


class TableSource(ABC):
    """A source with one table of rates for each base currency; a subclass makes the requests."""

    def __init__(self, handed: Handed, refresh_seconds: float) -> None:
        self._handed = handed
        self.refresh_seconds: float | None = refresh_seconds
        self._rates = LastGood(handed.name, handed.clock)

    async def load(self) -> None:
        """Reads the table of each base currency. Raises SourceAway where none can be had."""
        by_base = self._handed.quotes_by_base.items()
        await load_all(self._handed.name, (self._load(*one) for one in by_base))

    async def observe(self, base_currency: str, quote_currency: str) -> Observation | None:
        """The newest rate of the table."""
        return self._rates.get(base_currency, quote_currency)

    @abstractmethod
    async def _load(self, base: str, quotes: Sequence[str]) -> None:
        """Reads the table of one base currency, and keeps it. Raises SourceAway."""

    def _keep(self, rates: Mapping[Pair, object], table: Mapping[str, Any], answer: Answer) -> None:
        stamp, fetched_at = read_unix(table.get("timestamp")), self._handed.clock.now()
        self._rates.keep(_observations(rates, stamp, fetched_at, answer.payload_sha256))


def _observations(
    rates: Mapping[Pair, object], observed_at: datetime, fetched_at: datetime, payload_sha256: str
) -> Iterator[tuple[Pair, Observation]]:
    """An observation for each pair whose value is a number; the others are missing."""
    for (base, quote), value in rates.items():
        rate = read_rate(value)
        if rate is not None:
            yield (
                (base, quote),
                Observation(
                    mid=rate,
                    legs=(Leg(base, quote, rate),),
                    observed_at=observed_at,
                    fetched_at=fetched_at,
                    payload_sha256=payload_sha256,
                ),
            )
