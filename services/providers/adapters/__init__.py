"""The catalogue of providers: each folder here but the kit is one, by the name that corridors use.
It is read at its first use, so that a provider that no corridor names costs nothing."""

import pkgutil
from collections.abc import Iterator, Mapping
from importlib import import_module

from services.providers.adapters.kit.registration import Registration

_KIT = "kit"


class Catalogue(Mapping[str, Registration]):
    """Every adapter's registration, by the name of its folder."""

    def __init__(self) -> None:
        folders = (found.name for found in pkgutil.iter_modules(__path__) if found.ispkg)
        self._names = tuple(sorted(name for name in folders if name != _KIT))

    def __getitem__(self, name: str) -> Registration:
        if name not in self._names:
            raise KeyError(name)
        registration: Registration = import_module(f"{__name__}.{name}").ADAPTER
        return registration

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


ADAPTERS = Catalogue()
