"""Which providers the simulator stands in for: every module here that is called <provider>_api has
an `API`, with its own variables."""

import pkgutil
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Protocol

from aiohttp import web

from services.providers.simulator.book import Book
from services.providers.simulator.config import Config
from services.providers.simulator.faults.control import Control
from services.providers.simulator.faults.wire import Wire
from services.providers.simulator.webhooks import Sender

_SUFFIX = "_api"


class Api(Protocol):
    """One provider's API."""

    settings: ClassVar[type[Config]]

    # Each takes its own settings.
    def __init__(self, config: Any, book: Book, sender: Sender, control: Control) -> None: ...

    def routes(self) -> list[web.RouteDef]:
        """The calls that it serves."""
        ...

    def wire(self) -> Wire:
        """The declaration of this API for faults."""
        ...

    async def close(self) -> None:
        """Stops what runs by itself."""
        ...


def _find() -> Mapping[str, type[Api]]:
    names = sorted(found.name for found in pkgutil.iter_modules([str(Path(__file__).parent)]))
    package = __name__.rpartition(".")[0]
    return {
        name.removesuffix(_SUFFIX): import_module(f"{package}.{name}").API
        for name in names
        if name.endswith(_SUFFIX)
    }


APIS: Mapping[str, type[Api]] = _find()


def load_config(environment: Mapping[str, str]) -> Config:
    """The variables of the simulator and of all its APIs. Raises SettingsError."""
    parts = [(api.settings, f"the simulator's {name}") for name, api in APIS.items()]
    return Config.with_parts(parts).load(environment)
