"""Corridor files are changed without a restart: by an operator, by a signal that has the process
read its own folder again, and at a start whose folder has files that are new here. Every service
that works by them has checked them before the one row that makes them count; a process that dies
before it has changed nothing."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

from services.payments.base.paging import cut
from services.payments.mesh.ports import CorridorCheck, CurrentCorridors
from services.payments.mesh.starting import answered
from services.payments.model.corridor_version import OURSELVES, CorridorVersion
from services.payments.model.operator import Operator
from services.payments.operators.domain import Action
from services.payments.operators.trail import Trail
from services.shared.corridors import (
    CorridorFiles,
    Corridors,
    CorridorsError,
    canonical,
    checked,
    parse_corridors,
    read_folder,
    version_of,
)
from services.shared.deployment import Deployment
from services.shared.errors import DomainError, NotAllowedNow
from services.shared.log import get_logger

# The reasons where no operator has applied them.
START, SIGNAL = "start", "SIGHUP"
Sleep = Callable[[float], Awaitable[None]]


class CorridorStore(Protocol):
    """The versions as the database has them."""

    async def add(
        self, content: bytes, applied_by: str, reason: str, operator: Operator | None
    ) -> CorridorVersion:
        """The version of these files, applied now, with the operator's entry in the log of actions;
        the newest one where its files are the same."""
        ...

    async def newest(self, version: str) -> tuple[CorridorVersion | None, bool]:
        """The newest one, if any, and whether this version was ever applied."""
        ...

    async def page(self, *, before: int | None, limit: int) -> Sequence[CorridorVersion]:
        """Up to limit versions, the newest first, those below the number `before`."""
        ...


class CorridorVersions:
    """Applies corridor files, and lists those that were applied."""

    def __init__(
        self,
        current: CurrentCorridors,
        store: CorridorStore,
        checks: Sequence[CorridorCheck],
        trail: Trail,
        deployment: Deployment,
        *,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        """`current` are the corridors that count; `checks` the other services that work by the
        files."""
        self.current = current
        self._store = store
        self._checks = checks
        self._trail = trail
        self._is_live = deployment is Deployment.LIVE
        self._is_sandbox = deployment is Deployment.SANDBOX
        self._sleep = sleep

    async def check(self, files: CorridorFiles) -> Corridors:
        """The corridors of files that could be applied. Raises CorridorsRefused, Unavailable."""
        corridors = await checked(files, live=self._is_live)
        await asyncio.gather(*(one.check_corridors(files) for one in self._checks))
        return corridors

    async def apply(self, files: CorridorFiles, by: Operator) -> CorridorVersion:
        """The version of these files, which counts some seconds later. Raises CorridorsRefused,
        Unavailable."""
        content = canonical(files)
        async with self._trail.attempt(by, Action.APPLY_CORRIDORS, version_of(content)):
            await self.check(files)
            return await self._store.add(content, by.name, by.note, by)

    async def apply_folder(self, folder: Path) -> CorridorVersion:
        """The same with the files of a folder of ours. Raises CorridorsError too."""
        files = await asyncio.to_thread(read_folder, folder)
        return await self._apply_ours(files, SIGNAL)

    async def begin(self, files: CorridorFiles) -> None:
        """At a start: applies the files of its folder where they were never applied, and waits
        until they count. Where they were, the newest ones stand: a replica that starts again beside
        newer ones changes nothing. In a sandbox, which has no replicas, the folder counts again,
        unless an operator or a signal has applied the newest ones.

        Raises CorridorsError, also where a service refuses the files, and Unavailable.
        """
        own = parse_corridors(files, live=self._is_live)
        newest, is_known = await self._store.newest(own.version)
        if newest is not None and newest.version == own.version:
            return
        by_start = newest is not None and newest.reason == START and newest.applied_by == OURSELVES
        if is_known and not (self._is_sandbox and by_start):
            get_logger().warning("corridors_of_folder_not_used", version=own.version)
            return
        try:
            applied = await self._apply_ours(files, START)
        except NotAllowedNow as refusal:
            raise CorridorsError(refusal.message) from None
        await self._sleep((applied.effective_at - applied.applied_at).total_seconds())

    async def list(
        self, *, before: int | None, limit: int
    ) -> tuple[Sequence[CorridorVersion], int | None]:
        """A page, the newest first, and the number to go on before; None at the end."""
        page, last = cut(await self._store.page(before=before, limit=limit + 1), limit)
        return page, last.sequence if last else None

    async def _apply_ours(self, files: CorridorFiles, reason: str) -> CorridorVersion:
        await self.check(files)
        applied = await self._store.add(canonical(files), OURSELVES, reason, None)
        get_logger().info(
            "corridors_applied",
            version=applied.version,
            sequence=applied.sequence,
            effective_at=applied.effective_at.isoformat(),
        )
        return applied


async def begun(versions: CorridorVersions, folder: Path) -> "FolderAgain":
    """The start of a process with this folder, and the part that applies it again. Raises
    CorridorsError."""
    files = read_folder(folder)
    await answered(partial(versions.begin, files))
    return FolderAgain(versions, folder)


class FolderAgain:
    """Applies the folder of this process again, whenever that is asked for."""

    def __init__(self, versions: CorridorVersions, folder: Path) -> None:
        self._versions = versions
        self._folder = folder
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Has run() apply the folder soon; returns at once, and several requests are one."""
        self._asked.set()

    async def run(self) -> None:
        """Goes on until it is cancelled."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            await self.once()

    async def once(self) -> None:
        """Applies them now; a refusal is in the log, and changes nothing."""
        try:
            await self._versions.apply_folder(self._folder)
        except (CorridorsError, DomainError) as refusal:
            get_logger().error("corridors_not_applied", reason=str(refusal))
        except Exception as error:  # noqa: BLE001 - the next signal may succeed
            get_logger().error("corridors_not_applied", reason=type(error).__name__)
