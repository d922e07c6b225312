"""The nouns and ports of the comparison of the database with what providers have."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from services.payments.mesh.ports import ListedOperation
from services.shared.errors import Unavailable


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

    async def find(self, finding: str) -> None:
        """Keeps why the database is older, the first reason alone. Raises Unavailable."""
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
