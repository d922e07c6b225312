"""The versions of the corridor files that a service works by. payments decides which one counts and
names it in each call, with the files where the service does not know them yet, so that no replica
answers by another version, whatever folder it was started with."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Generic, TypeVar

from services.shared.corridors.loading import (
    CorridorsError,
    canonical,
    parse_corridors,
    version_of,
)
from services.shared.corridors.model import CorridorFiles, Corridors
from services.shared.errors import NotAllowedNow

# So many are held beside that of the service's own folder: during a change two are asked for.
KEPT_MAX = 3
# The longest refusal: of a file that is wrong throughout.
REFUSAL_MAX = 1000
Made = TypeVar("Made")


class CorridorsVersionUnknown(NotAllowedNow):
    """This replica does not know the version of the corridor files; send the files with the
    call."""

    reason = "CORRIDORS_VERSION_UNKNOWN"


class CorridorsRefused(NotAllowedNow):
    """The corridor files are wrong, or need a restart."""

    reason = "CORRIDORS_REFUSED"


def collect(files: Iterable[Any]) -> CorridorFiles:
    """The files of a message, which is asked for its own fields, by their names. Raises
    CorridorsRefused."""
    collected: dict[str, str] = {}
    for file in files:
        if file.name in collected:
            raise refused(CorridorsError(f"{file.name}: it is there twice"))
        collected[file.name] = file.content
    return collected


def refused(error: CorridorsError) -> CorridorsRefused:
    """The refusal of a call by which files were handed over."""
    text = str(error)
    return CorridorsRefused(text if len(text) <= REFUSAL_MAX else f"{text[:REFUSAL_MAX]}…")


async def anything(_: Corridors) -> None:
    """The check of a service that takes all files that are right by themselves."""


async def checked(
    files: CorridorFiles, check: Callable[[Corridors], Awaitable[None]] = anything, *, live: bool
) -> Corridors:
    """The corridors of these files. Raises CorridorsRefused; `check` raises CorridorsError."""
    try:
        # Files that are large on purpose take seconds, which no call may wait for.
        corridors = await asyncio.to_thread(parse_corridors, files, live=live)
        await check(corridors)
    except CorridorsError as error:
        raise refused(error) from None
    return corridors


class Versions(Generic[Made]):
    """One thing made of corridors, for each version that is in use."""

    def __init__(
        self,
        own: Corridors,
        make: Callable[[Corridors], Made],
        check: Callable[[Corridors], Awaitable[None]] = anything,
        *,
        live: bool,
    ) -> None:
        """`own` are the corridors of the service's own folder; `check` raises CorridorsError."""
        self._make = make
        self._check = check
        self._live = live
        self._own = own.version
        # In the order in which they were asked for, the last one at the end.
        self._made: dict[str, Made] = {own.version: make(own)}

    @property
    def newest(self) -> Made:
        """The one that was asked for last; that of the own folder before."""
        return self._made[next(reversed(self._made))]

    async def of(self, version: str, files: CorridorFiles) -> Made:
        """The one of this version; that of the own folder where none is named.

        Raises CorridorsVersionUnknown where it is not here and no files are, CorridorsRefused.
        """
        if not version:
            return self._made[self._own]
        made = self._made.pop(version, None)
        if made is None:
            if not files:
                raise CorridorsVersionUnknown(version=version)
            made = await self._load(version, files)
        self._made[version] = made
        self._forget()
        return made

    async def check(self, files: CorridorFiles) -> None:
        """Raises CorridorsRefused where these files could not be used; nothing is kept."""
        await checked(files, self._check, live=self._live)

    async def _load(self, version: str, files: CorridorFiles) -> Made:
        if version_of(canonical(files)) != version:
            raise CorridorsRefused("the files are not those of this version", version=version)
        return self._make(await checked(files, self._check, live=self._live))

    def _forget(self) -> None:
        others = [one for one in self._made if one != self._own]
        for version in others[:-KEPT_MAX]:
            del self._made[version]
