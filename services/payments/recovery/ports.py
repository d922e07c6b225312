"""The nouns and ports of the comparison of the database with what providers have."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from services.payments.mesh.ports import ListedOperation
from services.payments.model.attempt import Step
from services.payments.model.operator import Operator
from services.shared.errors import Unavailable
from services.shared.ids import Prefix, decode_id, encode_id


class DatabaseOlder(Unavailable):
    """The database is older than what has happened; an operator must recover it or accept it."""

    reason = "DATABASE_OLDER"


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

    def watch(self, meet: Callable[[Mark], None], admit: Callable[[], None]) -> None:
        """Calls `meet` with the mark behind each new connection, before anything else is done over
        it, and `admit` before each use of any, which it refuses by raising."""
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
        """Takes the database as it is. Raises Unavailable."""
        ...

    async def expected_keys(self, provider: str) -> Sequence[str]:
        """The keys of the newest attempts at a provider."""
        ...

    async def unknown(
        self, provider: str, listed: Sequence[ListedOperation]
    ) -> Sequence[ListedOperation]:
        """Those of a provider's operations that this database has no attempt of, or has begun only
        after the provider had them. Raises Unavailable."""
        ...


class PaymentNotHeld(Exception):
    """The payment is over, or a worker is still busy with it."""


@dataclass(frozen=True, kw_only=True)
class LostOperation:
    """An operation at a provider that the database never began."""

    provider: str
    step: Step
    listed: ListedOperation

    @property
    def payment_id(self) -> UUID | None:
        """The payment in its key; None where the list has only a digest of it."""
        return decode_id(Prefix.PAYMENT, self.transaction_id)

    @property
    def transaction_id(self) -> str:
        """The public id of its payment; empty where the list has only a digest."""
        return self.listed.key.partition("-")[0]

    @property
    def number(self) -> int:
        """The number of the attempt; 0 where the list has only a digest."""
        digits = self.listed.key.rpartition("-")[2]
        return int(digits) if digits.isdecimal() else 0

    def __str__(self) -> str:
        name = self.listed.key or f"{self.step} under a key that is not known"
        made_at = self.listed.created_at
        when = f", {made_at:%Y-%m-%d %H:%M:%S} UTC" if made_at else ""
        return f"{self.provider} has {name} as {self.listed.provider_reference}{when}"


@dataclass(frozen=True, kw_only=True)
class KnownPayment:
    """A payment of which providers have more than the database."""

    id: UUID
    merchant_id: str
    # Where its next payout goes, and how many it had.
    offramp: str
    payouts: int
    is_over: bool

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
        """The public ids of the newest payments that go to an offramp. Raises Unavailable."""
        ...

    async def adopt(self, payment: KnownPayment, lost: LostOperation) -> bool:
        """Takes the operation as the attempt that the engine would make now, marked as sent, so
        that it is looked up before anything else; False, and nothing changed, where the engine
        would do anything else. Raises Unavailable."""
        ...

    async def hold(self, payment: KnownPayment, operator: Operator, words: str) -> None:
        """Stops it, with its providers' story in the log of operators; one that is on hold stays
        so.

        Raises PaymentNotHeld, Unavailable.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Explained:
    """The payments and the value that a recovery has put into the database again."""

    # The public ids of the payments that were made again, the oldest first.
    transaction_ids: tuple[str, ...]
    # By account and currency, in minor units.
    balances: Mapping[tuple[str, str], int]
