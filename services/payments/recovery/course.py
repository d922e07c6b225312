"""The course of a recovery as the database keeps it: where a process that works on it dies, another
one goes on; and every process can say how far it is."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from services.payments.model.operator import Operator
from services.payments.recovery.ports import Explained, Fate
from services.payments.recovery.recovering import Kept


class RecoveryState(StrEnum):
    """The states of a recovery; the names of the public API. Only RUNNING can be left."""

    RUNNING = "RUNNING"
    # All was decided, and the database was accepted with that.
    ACCEPTED = "ACCEPTED"
    # Something is left to a person, who accepts the database or starts again.
    UNDECIDED = "UNDECIDED"
    # A provider did not answer; what was decided stays so.
    FAILED = "FAILED"


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """One recovery."""

    id: UUID
    # The one who has started it, with the reason.
    operator: Operator
    state: RecoveryState
    started_at: datetime
    # When all providers had said what they have; None before.
    listed_at: datetime | None
    ended_at: datetime | None
    # Of FAILED.
    failure: str
    # How many payments have each fate, and how many have none yet.
    fates: Mapping[Fate, int]
    open: int
    # None before its end.
    explained: Explained | None

    @property
    def decided(self) -> int:
        """How many payments have their fate."""
        return sum(self.fates.values())


@dataclass(frozen=True, kw_only=True)
class RecoveredPayment:
    """A payment of a recovery."""

    # The public id, also of a payment that is not in the database.
    name: str
    # None while it is not decided.
    fate: Fate | None
    stories: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class DatabaseStanding:
    """The knowledge of the database, and its newest recovery."""

    # Why it is older than what has happened; empty where nobody has found that.
    finding: str
    found_at: datetime | None
    # When all providers were last compared with it.
    compared_at: datetime
    # When it was last taken as it is; None where it never was.
    accepted_at: datetime | None
    accepted_by: str
    accept_reason: str
    recovery: Recovery | None


class Course(Kept, Protocol):
    """A recovery in the hands of this process alone."""

    @property
    def operator(self) -> Operator:
        """The one who has started it."""
        ...

    async def end(self, state: RecoveryState, failure: str = "") -> None:
        """Its end, where nobody has accepted the database. Raises Unavailable."""
        ...


class OwnStanding(Protocol):
    """A process's own standing about its database."""

    @property
    def is_older(self) -> bool:
        """Whether the database is known to be older than what has happened."""
        ...

    def refuse(self) -> None:
        """Raises DatabaseOlder where it is."""
        ...

    @property
    def takes_created_after(self) -> datetime | None:
        """Only payments that were created later may be worked on; None where all may."""
        ...

    def refuse_creation(self) -> None:
        """Raises DatabaseOlder, or NotCompared while an onramp has not said what it has."""
        ...

    async def ask(self) -> None:
        """The same, as a question of readiness."""
        ...


class Recoveries(Protocol):
    """The recoveries of this database."""

    async def standing(self) -> DatabaseStanding:
        """As it is. Raises Unavailable."""
        ...

    async def begin(self, operator: Operator) -> None:
        """Begins one, with its entry in the log of actions, where none is running.

        Raises Unavailable.
        """
        ...

    async def payments(
        self, *, fate: Fate | None, after: str | None, limit: int
    ) -> Sequence[RecoveredPayment]:
        """Up to limit payments of the newest recovery by their names, those after a name.

        Raises Unavailable.
        """
        ...

    def taken(self) -> AbstractAsyncContextManager[Course | None]:
        """The recovery that is running, for this process alone; None where there is none, or where
        another process has it. Raises Unavailable."""
        ...
