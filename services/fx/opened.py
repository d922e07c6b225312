"""The sources that were opened at the start: they bound the corridor files that can be used without
a restart."""

from collections.abc import Mapping, Set

from services.fx.feed import Feed
from services.fx.sources.kit import Pair
from services.shared.corridors import Corridor, Corridors, CorridorsError


class Opened:
    """The feeds, and the pairs that each asks its source for."""

    def __init__(self, feeds: Mapping[str, Feed], pairs: Mapping[str, Set[Pair]]) -> None:
        self._feeds = feeds
        self._pairs = pairs

    async def refuse_others(self, corridors: Corridors) -> None:
        """Raises CorridorsError where a corridor names a source that is not open, or a pair that
        the source is not asked for and does not have."""
        for corridor in corridors:
            for name in corridor.fx.sources:
                if name not in self._feeds:
                    raise _restart(corridor, f"the rate source {name}, which is not open")
                pair = corridor.source.currency, corridor.destination.currency
                if pair not in self._pairs[name] and not await self._feeds[name].observe(*pair):
                    words = f"{'/'.join(pair)} of {name}, which does not ask for it"
                    raise _restart(corridor, words)


def _restart(corridor: Corridor, what: str) -> CorridorsError:
    words = f"{corridor.id}.toml: it names {what}; restart fx with these files first"
    return CorridorsError(words)
