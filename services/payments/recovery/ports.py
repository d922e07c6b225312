"""The nouns and ports of the comparison of the database with what providers have."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from services.payments.engine.decisions.facts import Change, Work
from services.payments.mesh.ports import ListedOperation
from services.payments.model.answer import Answer
from services.payments.model.attempt import Step
from services.payments.model.attempt_key import KeyParts, parts_of
from services.payments.model.operator import Operator
from services.shared.errors import Unavailable
from services.shared.ids import Prefix, encode_id


class DatabaseOlder(Unavailable):
    """The database is older than what has happened; an operator must recover it or accept it."""

    reason = "DATABASE_OLDER"


class NotCompared(Unavailable):
    """The database was not compared yet with what providers have; try again a little later."""


@dataclass(frozen=True, kw_only=True)
class Mark:
    """The one row that grows with the time in which the database lives."""

    number: int
    # When all providers were last compared; a restored database has this from before.
    compared_at: datetime
    # When an operator last took the database as it is.
    accepted_at: datetime | None
    # Why the database is known to be older; empty where it is not.
    finding: str


class Marks(Protocol):
    """The mark in the database."""

    def watch(self, meet: Callable[[Callable[[], Mark]], None], admit: Callable[[], None]) -> None:
        """Has `meet` read the mark behind each new connection, before anything else is done over
        it, and calls `admit` before each use of any, which it refuses by raising."""
        ...

    async def read(self) -> Mark:
        """As it is. Raises Unavailable."""
        ...

    async def grow(self) -> Mark:
        """One more than before; no two callers get the same, as long as it is one database.

        Raises Unavailable.
        """
        ...

    async def note_compared(self) -> None:
        """All providers were compared just now. Raises Unavailable."""
        ...

    async def find(self, finding: str, *, below: int | None = None) -> None:
        """Keeps why the database is older, the first reason alone; and where a number is given,
        only of a mark that is below it. Raises Unavailable."""
        ...

    async def find_unknown(
        self, finding: str, provider: str, listed: Sequence[ListedOperation]
    ) -> bool:
        """Keeps it where some of these operations are still unknown to the database that keeps it.
        Raises Unavailable."""
        ...

    async def accept(self, *, accepted_by: str, reason: str) -> None:
        """Takes the database as it is, and ends the recovery that runs. Raises Unavailable."""
        ...

    async def expected_keys(self, provider: str) -> Sequence[str]:
        """The keys of the newest attempts at a provider, wherever their payments go by now."""
        ...

    async def unknown(
        self, provider: str, listed: Sequence[ListedOperation]
    ) -> Sequence[ListedOperation]:
        """Those of a provider's operations that this database has no attempt of, or has begun only
        after the provider had them. Raises Unavailable."""
        ...


class PaymentNotHeld(Exception):
    """A worker is still busy with the payment, or its record cannot be read."""


class Undecided(Exception):
    """Its providers do not say enough of a payment to put all that was lost on record."""


@dataclass(frozen=True, kw_only=True)
class LostOperation:
    """An operation at a provider that the database never began."""

    provider: str
    step: Step
    listed: ListedOperation

    @property
    def payment_id(self) -> UUID | None:
        """The payment in its key; None where the list has only a digest of it."""
        return self._parts.payment_id

    @property
    def transaction_id(self) -> str:
        """The public id of its payment; empty where the list has only a digest."""
        return self._parts.transaction_id

    @property
    def number(self) -> int:
        """The number of the attempt; 0 where the list has only a digest."""
        return self._parts.number

    @property
    def _parts(self) -> KeyParts:
        return parts_of(self.listed.key)

    def __str__(self) -> str:
        name = self.listed.key or f"{self.step} under a key that is not known"
        made_at = self.listed.created_at
        when = f", {made_at:%Y-%m-%d %H:%M:%S} UTC" if made_at else ""
        return f"{self.provider} has {name} as {self.listed.provider_reference}{when}"


@dataclass(frozen=True, kw_only=True)
class Stated:
    """An operation that a provider has, with its own word about it."""

    operation: LostOperation
    answer: Answer


@dataclass(frozen=True, kw_only=True)
class KnownPayment:
    """A payment of which providers have more than the database."""

    id: UUID
    merchant_id: str

    @property
    def transaction_id(self) -> str:
        """The public id."""
        return encode_id(Prefix.PAYMENT, self.id)


class LostPayments(Protocol):
    """The payments of which operations were lost."""

    async def known(self, payment_ids: Collection[UUID]) -> Mapping[UUID, KnownPayment]:
        """Those that the database has. Raises Unavailable."""
        ...

    async def open_at(self, provider: str) -> Sequence[str]:
        """The public ids of the newest payments that go to an offramp, or went to it before and
        have no id of it. Raises Unavailable."""
        ...

    async def read(self, payment: KnownPayment) -> Work:
        """The payment with all its attempts. Raises PaymentNotHeld, Unavailable."""
        ...

    async def adopt(self, payment: KnownPayment, stated: Sequence[Stated]) -> bool:
        """Takes the operations, in this order, as the attempts that the engine would make now, each
        with its provider's word; False, and nothing changed, where the engine would do anything
        else. Raises Unavailable."""
        ...

    async def hold(
        self,
        work: Work,
        changes: Sequence[Change],
        operator: Operator,
        operations: Sequence[LostOperation],
    ) -> None:
        """Writes the changes of the payment as it was read, all or nothing, with the operations
        that its providers have in the log of operators.

        Raises PaymentNotHeld where it is another by now, Unavailable.
        """
        ...


class Fate(StrEnum):
    """The decision of a recovery about a payment; the names of the public API."""

    GOES_ON = "GOES_ON"
    HELD = "HELD"
    MADE_AGAIN = "MADE_AGAIN"
    NOT_HELD = "NOT_HELD"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, kw_only=True)
class Explained:
    """The payments and the value that a recovery has put into the database again."""

    # The public ids of the payments that were made again, the oldest first.
    transaction_ids: tuple[str, ...]
    # By account and currency, in minor units.
    balances: Mapping[tuple[str, str], int]
