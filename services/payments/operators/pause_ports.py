"""The pauses, as operators' calls need them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from services.payments.model.pause import Pause, PauseKind


@dataclass(frozen=True, kw_only=True)
class PaymentsThere:
    """Payments that are under way with a provider or in a corridor, alike in all of these."""

    state: str
    step: str
    provider: str
    # Whether a request of the step was sent.
    is_sent: bool
    # Whether they wait for the end of a pause.
    waits: bool
    payments: int


@dataclass(frozen=True, kw_only=True)
class UnderWayThere:
    """All of those, and whether more payments are under way than were counted."""

    kinds: Sequence[PaymentsThere]
    is_partial: bool = False

    @property
    def waiting(self) -> int:
        """How many wait for the end of a pause."""
        return sum(one.payments for one in self.kinds if one.waits)


class PauseRows(Protocol):
    """The pauses, within a transaction."""

    async def under_way(self, kind: PauseKind, name: str) -> UnderWayThere:
        """The payments there, by the pauses as this transaction has them."""
        ...

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
