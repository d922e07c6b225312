"""The nouns that pages show, and the words in which they show times."""

from collections.abc import Sequence
from dataclasses import dataclass
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

    @property
    def is_orphan(self) -> bool:
        """Whether it is an event about a payment that we do not know."""
        return self.kind == "ORPHAN"


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
    letters: Page[DeadLetter]
    orphans: Page[DeadLetter]
    disputes: Page[Dispute]


def sorted_out(
    late: Page[Late], letters: Page[DeadLetter], disputes: Page[Dispute], now: datetime
) -> Waiting:
    """The lists of payments as the first page has them."""

    def is_overdue(one: Late) -> bool:
        return not one.waiting_for or (one.deadline_at is not None and one.deadline_at <= now)

    held = [one for one in late.items if one.is_held]
    others = [one for one in late.items if not one.is_held]
    return Waiting(
        held=Page(items=held, is_whole=late.is_whole),
        overdue=Page(
            items=[one for one in others if is_overdue(one)],
            is_whole=late.is_whole,
            unreadable=late.unreadable,
        ),
        merchants=Page(
            items=[one for one in others if not is_overdue(one)], is_whole=late.is_whole
        ),
        letters=Page(
            items=[one for one in letters.items if not one.is_orphan], is_whole=letters.is_whole
        ),
        orphans=Page(
            items=[one for one in letters.items if one.is_orphan], is_whole=letters.is_whole
        ),
        disputes=disputes,
    )


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
