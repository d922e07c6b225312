"""The adapters that were opened at the start: they bound the corridor files, those of the start and
those that payments would apply without a restart. Which files count, payments decides."""

from collections.abc import Mapping

from services.providers.config import AdapterMissing
from services.providers.domain import Kind
from services.providers.ports import Adapter
from services.providers.rails import RailMissing, refuse_missing_rails
from services.shared.corridors import CorridorFiles, Corridors, CorridorsError, checked


class OpenAdapters:
    """The adapters by name."""

    def __init__(self, adapters: Mapping[str, Adapter], *, live: bool) -> None:
        self._adapters = adapters
        self._live = live

    async def check(self, files: CorridorFiles) -> None:
        """Raises CorridorsRefused where these files could not be used."""
        await checked(files, self._check, live=self._live)

    async def _check(self, corridors: Corridors) -> None:
        try:
            self.refuse_others(corridors)
        except (AdapterMissing, RailMissing) as error:
            words = f"{error}; adapters are opened where providers starts with these files"
            raise CorridorsError(words) from None

    def refuse_others(self, corridors: Corridors) -> None:
        """Raises AdapterMissing, RailMissing."""
        rails = {name: adapter.capabilities.rails for name, adapter in self._adapters.items()}
        for corridor in corridors:
            wanted = [(name, Kind.COLLECTION) for name in corridor.providers.onramps]
            wanted += [(name, Kind.PAYOUT) for name in corridor.providers.offramps]
            for name, kind in wanted:
                if name not in self._adapters:
                    raise AdapterMissing(f"corridor {corridor.id}: no adapter is called {name}")
                if kind not in self._adapters[name].capabilities.kinds:
                    raise AdapterMissing(f"corridor {corridor.id}: {name} takes no {kind.value}")
            refuse_missing_rails(corridor, rails)
