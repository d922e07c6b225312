"""Everything that rate sources share: what each is handed from outside, how it is registered, and
the reading of days."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

import aiohttp
from pydantic import BaseModel

from services.fx.ports import RateSource
from services.shared.clock import Clock

# A source that answers later is tried again later.
REQUEST_SECONDS = 10


@dataclass(frozen=True, kw_only=True)
class Handed:
    """All that a source gets from outside; assembly hands it in."""

    clock: Clock
    # The session of all sources; it is closed after them.
    http: aiohttp.ClientSession
    # The variables that the source declares, at least.
    settings: Any
    # The currencies that corridors collect: each pair begins with one of them.
    base_currencies: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Registration:
    """One source: how it is opened, and the variables that it reads, if any."""

    open: Callable[[Handed], RateSource]
    settings: type[BaseModel] | None = None


def open_session() -> aiohttp.ClientSession:
    """A session for all sources; the caller closes it. A whole request takes REQUEST_SECONDS at
    most."""
    return aiohttp.ClientSession(
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=REQUEST_SECONDS),
    )


def start_of(day: date) -> datetime:
    """A source that names only the day is taken at its start, so that no rate looks too young."""
    return datetime.combine(day, time.min, tzinfo=UTC)
