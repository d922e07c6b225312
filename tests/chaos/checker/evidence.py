"""The three books, brought together: what an audit is given, and the same sorted by payment."""

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import UUID

from tests.chaos import books, history, receiver
from tests.chaos.books import (
    AttemptRow,
    BookLine,
    DisputeRow,
    EventRow,
    InboxRow,
    Ledger,
    OutboxRow,
    PaymentRow,
    PostingRow,
    RefundRow,
)
from tests.chaos.digests import digests
from tests.chaos.history import Operation, Record
from tests.chaos.receiver import Receipt


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Where the books are, and what was done to the mesh."""

    # Folder of the clients' history.
    history: Path
    # File or address of the simulator's book.
    simulator_book: Path | str
    # Our database, by its owner.
    database_url: str
    # Folder of the receiver's log.
    receiver_log: Path | None = None
    # The log files of the run.
    logs: Sequence[Path] = ()
    # The actions of the nemesis. Of interest here: {"provider": "stripe", "seed": 7, "modes":
    # {"amnesia": {"probability": 0.1}}} for whatever was turned on by the simulator's control page.
    nemesis: Sequence[Mapping[str, Any]] = ()
    # Whether the primary was lost meanwhile, so that a process may have read an old one.
    loses_primary: bool = False
    phase: str = "audit"
    # By name: what no log may hold.
    secrets: Mapping[str, str] = field(default_factory=dict)
    # digests() from before the webhooks were replayed; their replay must change nothing.
    digests_before: Mapping[str, str] | None = None


@dataclass(frozen=True, kw_only=True)
class Case:
    """All that the books have of one payment."""

    payment: PaymentRow
    attempts: Sequence[AttemptRow]
    events: Sequence[EventRow]
    postings: Sequence[PostingRow]
    lines: Sequence[BookLine]
    inbox: Sequence[InboxRow]
    outbox: Sequence[OutboxRow]
    refunds: Sequence[RefundRow] = ()
    disputes: Sequence[DisputeRow] = ()

    @property
    def id(self) -> str:
        """The public id."""
        return self.payment.public_id

    def attempt(self, key: str) -> AttemptRow | None:
        """The attempt with a key."""
        return next((one for one in self.attempts if one.key == key), None)

    def of(self, *effects: str) -> Sequence[BookLine]:
        """The book's lines with these effects."""
        return [line for line in self.lines if line.effect in effects]

    def when(self, state: str) -> EventRow | None:
        """The event that moved it into a state."""
        moves = (e for e in self.events if e.to_state == state and e.from_state != state)
        return next(moves, None)


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Everything as plain values: the evidence for the invariants."""

    records: Sequence[Record] = ()
    book: Sequence[BookLine] = ()
    ledger: Ledger
    receipts: Sequence[Receipt] = ()
    logs: Sequence[Path] = ()
    nemesis: Sequence[Mapping[str, Any]] = ()
    loses_primary: bool = False
    phase: str = "audit"
    secrets: Mapping[str, str] = field(default_factory=dict)
    digests_before: Mapping[str, str] | None = None
    digests_after: Mapping[str, str] | None = None

    @cached_property
    def operations(self) -> Sequence[Operation]:
        """The clients' operations."""
        return history.operations(self.records)

    @cached_property
    def cases(self) -> Sequence[Case]:
        """One case a payment, oldest first."""
        ledger = self.ledger
        attempts, events = _by_payment(ledger.attempts), _by_payment(ledger.events)
        postings, outbox = _by_payment(ledger.postings), _by_payment(ledger.outbox)
        inbox, refunds = _by_payment(ledger.inbox), _by_payment(ledger.refunds)
        disputes = _by_payment(ledger.disputes)
        lines: dict[str, list[BookLine]] = defaultdict(list)
        for line in self.book:
            lines[line.transaction_id or line.key].append(line)
        return [
            Case(
                payment=payment,
                attempts=attempts[payment.id],
                events=events[payment.id],
                postings=postings[payment.id],
                lines=lines[payment.public_id],
                inbox=inbox[payment.id],
                outbox=outbox[payment.id],
                refunds=refunds[payment.id],
                disputes=disputes[payment.id],
            )
            for payment in ledger.payments
        ]

    @cached_property
    def case_of(self) -> Mapping[str, Case]:
        """The case of a payment's public id."""
        return {case.id: case for case in self.cases}

    @cached_property
    def ids(self) -> frozenset[tuple[str, str]]:
        """The ids in the book, each with its provider."""
        return frozenset((line.provider, line.id) for line in self.book)

    def modes_that_struck(self, provider: str, key: str) -> frozenset[str]:
        """The modes that were on for a provider at any time and then strike this key."""
        return frozenset(
            mode
            for entry in self.nemesis
            if entry.get("provider") == provider
            for mode, setting in entry.get("modes", {}).items()
            if chance(entry["seed"], key, mode) < setting["probability"]
        )


def chance(seed: int, key: str, mode: str) -> float:
    """The number below a mode's probability where it strikes the key, as the simulator's document
    has it: seed, key and mode decide alone."""
    digest = hashlib.sha256(f"{seed}:{key}:{mode}".encode()).digest()
    return float((int.from_bytes(digest[:8], "big") >> 11) / 2**53)


async def gather(evidence: Evidence) -> Facts:
    """Reads all the books."""
    after, log = None, evidence.receiver_log
    if evidence.digests_before is not None:
        after = await digests(evidence.database_url)
    return Facts(
        records=await asyncio.to_thread(history.read, evidence.history),
        book=await books.simulator_book(evidence.simulator_book),
        ledger=await books.read_ledger(evidence.database_url),
        receipts=await asyncio.to_thread(receiver.read, log) if log else (),
        logs=evidence.logs,
        nemesis=evidence.nemesis,
        loses_primary=evidence.loses_primary,
        phase=evidence.phase,
        secrets=evidence.secrets,
        digests_before=evidence.digests_before,
        digests_after=after,
    )


def _by_payment(rows: Sequence[Any]) -> Mapping[UUID, list[Any]]:
    sorted_rows: dict[UUID, list[Any]] = defaultdict(list)
    for row in rows:
        sorted_rows[row.payment_id].append(row)
    return sorted_rows
