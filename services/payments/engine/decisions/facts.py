"""The input and the result of the decisions of a step: the work as it was claimed, the change that
one transaction writes, and the plan between them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, StrEnum
from uuid import UUID

from services.payments.model.answer import Answer
from services.payments.model.attempt import Attempt, AttemptState, Step
from services.payments.model.causes import Cause
from services.payments.model.dispute import DisputeReport
from services.payments.model.ledger import Posting
from services.payments.model.payment import Event, Payment
from services.payments.model.quote import RateTrail


@dataclass(frozen=True, kw_only=True)
class InboxEvent:
    """A verified webhook event about one of our operations, as the inbox keeps it."""

    provider: str
    event_id: str
    step: Step
    answer: Answer
    # Since when and how often its provider was asked about it without an answer.
    asked_since: datetime | None = None
    asked: int = 0


@dataclass(frozen=True, kw_only=True)
class ClaimEvent:
    """A verified webhook event about a claim against the collection."""

    provider: str
    event_id: str
    report: DisputeReport
    # When its provider said so, or else when it came.
    stated_at: datetime
    # Since when and how often its provider was asked about the claim without an answer.
    asked_since: datetime | None = None
    asked: int = 0

    @property
    def claim(self) -> tuple[str, str]:
        """The claim that it is about: the provider, and its id there."""
        return self.provider, self.report.provider_reference


@dataclass(frozen=True, kw_only=True)
class ClaimAnswers:
    """The providers' answers about claims: how each stands now, or None where its provider has no
    such claim. One that its provider did not answer about is not among them."""

    reports: Mapping[tuple[str, str], DisputeReport | None]


class EventResult(StrEnum):
    """The end of an event in the inbox."""

    APPLIED = "APPLIED"
    IGNORED = "IGNORED"
    # It is about an attempt that we do not know.
    UNMATCHED = "UNMATCHED"


@dataclass(frozen=True, kw_only=True)
class ClosedEvent:
    """An event that needs no more attention."""

    event: InboxEvent
    result: EventResult


@dataclass(frozen=True, kw_only=True)
class Work:
    """A claimed payment with the record of its present step."""

    payment: Payment
    attempt: Attempt | None
    inbox: tuple[InboxEvent, ...]
    lease_token: int
    claimed_at: datetime
    # When the lease has ended for certain, on the monotonic clock of the worker's machine.
    lease_ends: float = math.inf
    # The payment's other attempts, where an event may be about one of them.
    earlier: tuple[Attempt, ...] = ()
    # The events about claims, which are no answers of an attempt.
    claims: tuple[ClaimEvent, ...] = ()
    # True where nothing has left under the attempt's key before the send that is under way.
    first_send: bool = False
    # The event that states a success against our record; the attempt is the one to ask about.
    disputed: InboxEvent | None = None
    # The refund, or the payout to a corrected recipient, that may be sent once the provider has
    # been asked about the payouts before it: the attempt is the payout to ask about, and these are
    # the ones after it.
    to_send: Attempt | None = None
    payouts: tuple[Attempt, ...] = ()

    def succeeded_late(self, step: Step) -> Attempt | None:
        """The attempt of a step that has succeeded although it was over, by its provider's word;
        None where none has, or where the present one has succeeded in time."""
        tried = [a for a in (self.attempt, *self.earlier) if a is not None and a.step is step]
        if any(a is self.attempt and a.state is AttemptState.SUCCEEDED for a in tried):
            return None
        late = [attempt for attempt in tried if attempt.succeeded_late]
        # First what the provider itself has shown to have moved.
        return max(late, key=lambda a: (a.moved is not None, -a.number), default=None)

    @property
    def before_correction(self) -> int:
        """How many payouts were made before a person last changed the recipient or the route."""
        tried = [a for a in (self.attempt, *self.earlier) if a is not None]
        return sum(attempt.recipient is not None for attempt in tried)


@dataclass(frozen=True, kw_only=True)
class Repricing:
    """The rate that has taken the place of one whose quote had expired."""

    quote_id: UUID
    replaces: UUID
    trail: RateTrail
    priced_at: datetime


@dataclass(frozen=True, kw_only=True)
class Change:
    """The rows that one transaction writes for one payment, guarded by its version and the
    lease."""

    payment: Payment
    # As it was claimed.
    before: Payment
    lease_token: int
    attempt: Attempt | None = None
    # The next step's attempt, whose intent is the last of the events.
    following: Attempt | None = None
    events: tuple[Event, ...] = ()
    postings: tuple[Posting, ...] = ()
    closed_events: tuple[ClosedEvent, ...] = ()
    # The event about which the provider was asked without an answer.
    asked_event: InboxEvent | None = None
    # The claims that it takes note of.
    closed_claims: tuple[ClaimEvent, ...] = ()
    # Those about which their providers were asked without an answer.
    asked_claims: tuple[ClaimEvent, ...] = ()
    repricing: Repricing | None = None
    # True where the payment has another recipient or another route from this change on.
    corrects: bool = False
    # True while the worker goes on with it; otherwise the lease ends with this change.
    keeps_lease: bool = False
    # When the payment is due again; None for never, unless a webhook or a person wakes it.
    due_in: timedelta | None = None
    # For how long nothing may be sent, whatever wakes the payment or ends its hold meanwhile.
    rest: timedelta | None = None
    # True where `rest` is all that is left of any rest from before.
    ends_rest: bool = False

    @property
    def is_nothing(self) -> bool:
        """Whether there is nothing to write yet: the worker only goes on to ask."""
        return self.keeps_lease and not (
            self.attempt or self.events or self.closed_events or self.closed_claims
        )

    @property
    def asks_payer(self) -> bool:
        """Whether the payer is asked from this change on."""
        return any(event.cause is Cause.PAYER_ASKED for event in self.events)

    @property
    def changes_price(self) -> bool:
        """Whether the rate or the payout is another from this change on."""
        was, now = self.before.terms, self.payment.terms
        return (was.rate, was.payout) != (now.rate, now.payout)

    @property
    def is_for_merchant(self) -> bool:
        """Whether merchants get an event about the payment: of its status, its price or its
        payer."""
        return self.payment.status != self.before.status or self.changes_price or self.asks_payer

    @property
    def posted_at(self) -> int:
        """The version whose event the postings belong to."""
        return self.payment.version if self.following is None else self.payment.version - 1


class Call(Enum):
    """The call that is needed before more can be decided."""

    # Of the provider.
    SEND = "SEND"
    LOOK_UP = "LOOK_UP"
    # Of the provider: how a claim against the collection stands.
    LOOK_UP_CLAIMS = "LOOK_UP_CLAIMS"
    # Of fx: a rate in place of the locked one.
    PRICE = "PRICE"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The change to commit before the call, the call, and the work that it is about."""

    change: Change
    call: Call | None
    work: Work
