"""The pauses, as operators' calls need them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from services.payments.model.pause import Pause, PauseKind


class PauseRows(Protocol):
    """The pauses, within a transaction."""

    async def now(self) -> datetime:
        """The database's time at this moment, and not at the transaction's begin."""
        ...

    async def open_of(self, kind: PauseKind, name: str) -> Sequence[Pause]:
        """Those of a target that have not ended, which nobody else ends before this transaction's
        end."""
        ...

    async def add(self, pause: Pause) -> Pause:
        """Keeps a new pause. Raises PauseExists where another operator was faster."""
        ...

    async def end(self, pause_id: UUID, *, by: str, reason: str) -> Pause:
        """Ends a pause that open_of() has given."""
        ...


class PauseStore(Protocol):
    """The pauses of providers and corridors."""

    async def open(self) -> tuple[datetime, Sequence[Pause]]:
        """The database's time, and those in force."""
        ...

    async def page(
        self, *, in_force: bool, before: UUID | None, limit: int
    ) -> tuple[datetime, Sequence[Pause]]:
        """The database's time, and up to limit pauses, the newest first, those older than `before`;
        those in force alone where that is asked for."""
        ...
