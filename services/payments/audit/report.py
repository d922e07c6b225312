"""The report of an audit: the findings, and the figures beside them. Plain nouns."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.payments.engine.overdue import OverdueCount


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One invariant, and how often it is broken; the first few subjects as examples."""

    invariant: str
    violations: int
    examples: tuple[str, ...]

    @property
    def identifier(self) -> str:
        """The statement in a form in which a label can hold it."""
        return re.sub("[^a-z0-9]+", "_", self.invariant.lower()).strip("_")


@dataclass(frozen=True, kw_only=True)
class Balance:
    """Debits less credits of one account, over all merchants."""

    account: str
    currency: str
    balance_minor: int


@dataclass(frozen=True, kw_only=True)
class Flow:
    """The money that one cause has moved on one account, and the number of its payments."""

    account: str
    currency: str
    cause: str
    payments: int
    amount_minor: int


@dataclass(frozen=True, kw_only=True)
class Suspended:
    """The balance of one suspense account for one payment, and the payment's hold or state."""

    account: str
    currency: str
    transaction_id: str
    reason: str
    amount_minor: int


@dataclass(frozen=True, kw_only=True)
class Accounts:
    """The balances of the accounts at providers: by cause, and on suspense by payment."""

    flows: Sequence[Flow] = ()
    suspended: Sequence[Suspended] = ()


@dataclass(frozen=True, kw_only=True)
class Held:
    """How many payments wait for a person for one reason, and for how long the oldest has."""

    reason: str
    payments: int
    oldest_seconds: float


@dataclass(frozen=True, kw_only=True)
class Waits:
    """How many payments wait in one way, for how long the oldest has, and how many too long."""

    waiting: str
    payments: int
    past_deadline: int
    oldest_seconds: float


@dataclass(frozen=True, kw_only=True)
class Backlog:
    """How many payments are due and claimed by nobody, and for how long the oldest has been."""

    payments: int
    oldest_seconds: float


@dataclass(frozen=True, kw_only=True)
class TrailHead:
    """The last entry of the chain of operators' actions. Kept elsewhere, it shows later that no
    entry until then was changed, also by somebody who has made the whole chain again."""

    sequence: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Report:
    """The findings and figures of one audit."""

    findings: Sequence[Finding]
    balances: Sequence[Balance]
    held: Sequence[Held]
    waiting: Sequence[Waits]
    # How much lies where it is listed for a person, by kind: steps, inbox, outbox, unreadable.
    set_aside: Mapping[str, int]
    backlog: Backlog
    # By the usual times, because an audit asks no provider what it has declared.
    overdue: Sequence[OverdueCount] = ()
    # None before the first action.
    trail: TrailHead | None = None

    @property
    def broken(self) -> Sequence[Finding]:
        """The invariants that do not hold."""
        return [finding for finding in self.findings if finding.violations]
