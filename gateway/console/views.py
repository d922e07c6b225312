"""The nouns that pages show, and the words in which they show times."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True, kw_only=True)
class Page(Generic[Item]):
    """The beginning of a list. Of unreadable things the ids alone are known."""

    items: Sequence[Item]
    is_whole: bool
    unreadable: Sequence[str] = ()

    @property
    def nothing(self) -> str:
        """The sentence in place of an empty list."""
        return "Nothing." if self.is_whole else "None in the part of the list that was read."

    def only(self, wanted: Callable[[Item], bool]) -> "Page[Item]":
        """The page without its other items."""
        return replace(self, items=[one for one in self.items if wanted(one)])

    @property
    def count(self) -> str:
        """How many there are, as far as the list was read."""
        number = len(self.items) + len(self.unreadable)
        return str(number) if self.is_whole else f"{number} or more"


@dataclass(frozen=True, kw_only=True)
class Operator:
    """The operator who has signed in, as payments knows the credential."""

    name: str
    credential_id: str
    roles: Sequence[str]
    scopes: Sequence[str]
    expires_at: datetime | None
    address: str


@dataclass(frozen=True, kw_only=True)
class Late:
    """A payment that waits for a person, or makes no progress."""

    transaction_id: str
    merchant_id: str
    corridor_id: str
    state: str
    provider: str
    since: datetime
    deadline_at: datetime | None
    # The end at the deadline: REFUND or ALARM.
    at_deadline: str
    # ON_HOLD for operators, else a status for the merchant, or empty.
    waiting_for: str
    last_message: str
    amount: str
    # Empty where it is not on hold.
    hold_reason: str

    @property
    def is_held(self) -> bool:
        """Whether it waits for an operator."""
        return self.waiting_for == "ON_HOLD"


@dataclass(frozen=True, kw_only=True)
class DeadLetter:
    """Something that failed again and again and was set aside."""

    dead_letter_id: str
    kind: str
    transaction_id: str
    merchant_id: str
    reason: str
    attempts: int
    last_error: str
    event: str
    since: datetime


@dataclass(frozen=True, kw_only=True)
class Dispute:
    """A dispute that is not decided."""

    dispute_id: str
    transaction_id: str
    merchant_id: str
    amount: str
    reason: str
    since: datetime
    deadline_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Event:
    """One event of a payment's history."""

    sequence: int
    from_state: str
    to_state: str
    actor: str
    cause: str
    evidence: Sequence[tuple[str, str]]
    occurred_at: datetime


@dataclass(frozen=True, kw_only=True)
class Payment:
    """One payment, with its history."""

    transaction_id: str
    merchant_id: str
    status: str
    hold_reason: str
    failure: str
    amount: str
    fee: str
    payout: str
    rate: str
    corridor_id: str
    onramp: str
    offramp: str
    reference: str
    created_at: datetime
    updated_at: datetime
    deadline_at: datetime | None
    events: Sequence[Event]
    unreadable_sequences: Sequence[int]


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """The first page: everything that waits for a person."""

    held: Page[Late]
    overdue: Page[Late]
    merchants: Page[Late]
    # The dead letters of each kind, and among them events about payments that we do not know.
    letters: Mapping[str, Page[DeadLetter]]
    disputes: Page[Dispute]


def stamp(instant: datetime) -> str:
    """An instant as pages show it."""
    return instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def span(length: timedelta) -> str:
    """A length of time in its two largest units, for example "3 h 20 min"."""
    seconds = max(0, int(length.total_seconds()))
    units = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))
    for at, (size, name) in enumerate(units):
        if seconds >= size:
            whole, rest = divmod(seconds, size)
            smaller = units[at + 1 : at + 2]
            parts = [f"{whole} {name}"]
            parts += [f"{rest // one} {unit}" for one, unit in smaller if rest // one]
            return " ".join(parts)
    return "0 s"
