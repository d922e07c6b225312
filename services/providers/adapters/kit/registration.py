"""How an adapter's folder says what it holds. The catalogue reads it by the folder's name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import aiohttp

from services.providers.adapters.kit.settings import ProviderSettings
from services.providers.domain import Capabilities
from services.providers.ports import Adapter
from services.shared.clock import Clock


@dataclass(frozen=True, kw_only=True)
class Registration:
    """One adapter: its variables, its record, and how it is opened.

    `open` gets the settings, the HTTP session of all adapters, and the clock; it connects to
    nothing by itself.
    """

    settings: type[ProviderSettings]
    capabilities: Capabilities
    open: Callable[[Any, aiohttp.ClientSession, Clock], Adapter]
