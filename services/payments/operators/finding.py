"""The finding that the database is older than what has happened, as operators decide about it."""

from dataclasses import dataclass
from typing import Protocol

from services.shared.errors import NotAllowedNow


class DatabaseNotOlder(NotAllowedNow):
    """Nobody has found that the database is older, so that there is nothing to accept."""

    reason = "DATABASE_NOT_OLDER"


class RecoveryRunning(NotAllowedNow):
    """A recovery is deciding about payments; it is accepted, or not, once that has ended."""

    reason = "RECOVERY_RUNNING"


@dataclass(frozen=True, kw_only=True)
class DatabaseFinding:
    """The finding, and the newest recovery."""

    # Why it is known to be older; empty where it is not.
    finding: str
    # The newest recovery with its state; empty where there was none.
    recovery: str
    # Whether a process works on a recovery now.
    is_recovering: bool

    @property
    def state(self) -> str:
        """All that an acceptance is about: with another one it is another acceptance."""
        return f"{self.finding}; {self.recovery or 'without a recovery'}"

    def check(self) -> None:
        """Raises DatabaseNotOlder or RecoveryRunning where it cannot be accepted."""
        if self.is_recovering:
            raise RecoveryRunning
        if not self.finding:
            raise DatabaseNotOlder


class FindingRows(Protocol):
    """The finding, within a transaction."""

    async def read(self) -> DatabaseFinding:
        """As it is; no process begins to work on a recovery before this transaction's end."""
        ...

    async def accept(self, *, accepted_by: str, reason: str) -> None:
        """Takes the database as it is, and ends a recovery on which nobody works."""
        ...
