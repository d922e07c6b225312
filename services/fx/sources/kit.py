"""Everything that rate sources share: what each is handed from outside, how it is registered, the
rates that one holds, and the reading of days."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

import aiohttp
from pydantic import BaseModel

from services.fx.domain import Observation, unusable
from services.fx.metrics import count_fault
from services.fx.ports import RateSource, SourceAway
from services.shared.clock import Clock
from services.shared.log import get_logger

# The currencies of a rate: one unit of the first is priced in the second.
Pair = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Handed:
    """All that a source gets from outside; assembly hands it in."""

    # The name by which corridors name it.
    name: str
    clock: Clock
    # The session of all sources; it is closed after them.
    http: aiohttp.ClientSession
    # The variables that the source declares, at least.
    settings: Any
    # The pairs that corridors ask it for.
    pairs: frozenset[Pair]

    @property
    def quotes_by_base(self) -> Mapping[str, list[str]]:
        """The pairs, as the currencies that are wanted in each base currency, in order."""
        bases = sorted({base for base, _ in self.pairs})
        return {base: sorted(q for b, q in self.pairs if b == base) for base in bases}


@dataclass(frozen=True, kw_only=True)
class Registration:
    """One source: how it is opened, and the variables that it reads, if any."""

    open: Callable[[Handed], RateSource]
    settings: type[BaseModel] | None = None


class LastGood:
    """The newest good rate of each pair that a source has given."""

    def __init__(self, name: str, clock: Clock) -> None:
        self._name = name
        self._clock = clock
        self._held: dict[Pair, Observation] = {}
        # The fault that the log has last, by pair.
        self._said: dict[Pair, str] = {}

    def get(self, base_currency: str, quote_currency: str) -> Observation | None:
        """The newest good rate of the pair, if it has given any."""
        return self._held.get((base_currency, quote_currency))

    def keep(self, answered: Iterable[tuple[Pair, Observation]]) -> None:
        """Takes what a source has answered. A rate that nobody may use is counted and left out, and
        so is one that is older than the one before it."""
        for pair, observation in answered:
            if fault := unusable(observation, self._clock.now(), live=False):
                self._report(pair, fault)
                continue
            self._said.pop(pair, None)
            before = self._held.get(pair)
            if before is None or before.observed_at <= observation.observed_at:
                self._held[pair] = observation

    def _report(self, pair: Pair, fault: str) -> None:
        count_fault(self._name, fault)
        if self._said.get(pair) != fault:
            self._said[pair] = fault
            get_logger().warning(
                "rate_left_out", source=self._name, pair="/".join(pair), reason=fault
            )


async def load_all(name: str, loads: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Awaits the parts of a source's load. One that fails is counted and leaves the others; where
    all fail, raises as the first did, which is SourceAway where it was foreseen."""
    results = await asyncio.gather(*loads, return_exceptions=True)
    failed = [one for one in results if one is not None]
    for error in failed:
        if len(failed) == len(results):
            raise error
        count_fault(name, "load")
        # The words of other errors may have an address in them.
        why = str(error) if isinstance(error, SourceAway) else type(error).__name__
        get_logger().warning("rate_part_away", source=name, error=why)


def start_of(day: date) -> datetime:
    """A source that names only the day is taken at its start, so that no rate looks too young."""
    return datetime.combine(day, time.min, tzinfo=UTC)
