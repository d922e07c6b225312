"""A payment: its states and the transitions between them, in one table here and nowhere else.
Attempts are in attempt; the postings of each transition are in ledger."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING
from uuid import UUID

from services.payments.model.causes import HELD, Cause
from services.payments.model.holds import HoldReason
from services.payments.model.payer import NextAction, PresentPayer
from services.payments.model.quote import LateFunds, Pricing, RefundFees, Route, Terms
from services.shared.errors import Conflict, DomainError, NotAllowedNow, NotFound, OutOfRange
from services.shared.ids import Prefix, decode_id, encode_id
from services.shared.money import SOURCE_CURRENCY, Money
from services.shared.recipients import AccountCheck, Recipient

if TYPE_CHECKING:
    from services.payments.model.dispute import Dispute
    from services.payments.model.refund import Refund

NOTHING_USD = Money(0, SOURCE_CURRENCY)


class PaymentNotFound(NotFound):
    """There is no such payment."""

    reason = "PAYMENT_NOT_FOUND"


class PaymentNotCancellable(NotAllowedNow):
    """The payout has begun or the payment is over; it cannot be cancelled any more."""

    reason = "PAYMENT_NOT_CANCELLABLE"


class PaymentNotRefundable(NotAllowedNow):
    """Nothing can be given back: not collected yet, being paid out, or over."""

    reason = "PAYMENT_NOT_REFUNDABLE"


class PaymentNotCorrectable(NotAllowedNow):
    """No recipient can be corrected: the payment does not wait for that, or had its corrections."""

    reason = "PAYMENT_NOT_CORRECTABLE"


class RefundTooLarge(OutOfRange):
    """The amount is more than what the payer has not got back yet."""

    reason = "REFUND_TOO_LARGE"


class PaymentBusy(Conflict):
    """Something is being done with the payment, or a refund of it is under way; retry."""

    reason = "PAYMENT_BUSY"

    def __init__(self, *, retry_after_seconds: int | None = None, **metadata: str) -> None:
        super().__init__(**metadata)
        self.retry_after_seconds = retry_after_seconds


class PaymentOnHold(Conflict):
    """The payment waits for a person of ours, who may make it possible again."""

    reason = "PAYMENT_ON_HOLD"


class PaymentUnreadable(NotAllowedNow):
    """A part of the payment's record cannot be read; it must be repaired in the database first."""

    reason = "PAYMENT_UNREADABLE"


class IllegalMove(DomainError):
    """The payment cannot go from its state to that one."""


class State(StrEnum):
    """Where a payment stands."""

    CREATED = "CREATED"
    COLLECTING = "COLLECTING"
    FUNDED = "FUNDED"
    CONVERTED = "CONVERTED"
    PAYING_OUT = "PAYING_OUT"
    ACTION_REQUIRED = "ACTION_REQUIRED"
    COMPLETED = "COMPLETED"
    RETURNED = "RETURNED"
    REFUNDING = "REFUNDING"
    PARTLY_REFUNDED = "PARTLY_REFUNDED"
    REFUNDED = "REFUNDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"


ALLOWED: Mapping[State, frozenset[State]] = {
    State.CREATED: frozenset({State.COLLECTING, State.CANCELLED, State.EXPIRED}),
    State.COLLECTING: frozenset({State.FUNDED, State.FAILED, State.CANCELLED, State.EXPIRED}),
    State.FUNDED: frozenset({State.CONVERTED, State.REFUNDING}),
    State.CONVERTED: frozenset({State.PAYING_OUT, State.REFUNDING}),
    State.PAYING_OUT: frozenset({State.COMPLETED, State.ACTION_REQUIRED, State.REFUNDING}),
    # COMPLETED only with a refused payout that its offramp confirms after all.
    State.ACTION_REQUIRED: frozenset({State.PAYING_OUT, State.COMPLETED, State.REFUNDING}),
    State.COMPLETED: frozenset({State.RETURNED}),
    State.RETURNED: frozenset({State.PAYING_OUT, State.REFUNDING}),
    State.REFUNDING: frozenset({State.PARTLY_REFUNDED, State.REFUNDED}),
    State.PARTLY_REFUNDED: frozenset({State.REFUNDING, State.REFUNDED}),
    # Only with a refund that came back.
    State.REFUNDED: frozenset({State.PARTLY_REFUNDED}),
    # Only with a collection that its onramp confirms after all: it goes back to the payer.
    State.FAILED: frozenset({State.REFUNDING}),
    State.CANCELLED: frozenset({State.REFUNDING}),
    State.EXPIRED: frozenset({State.REFUNDING}),
}
# It is over, and by our record nothing was taken.
UNCOLLECTED = frozenset({State.FAILED, State.CANCELLED, State.EXPIRED})
ENDED = UNCOLLECTED | {State.REFUNDED}
# The worker has nothing left to do here, although COMPLETED may still come back as RETURNED.
SETTLED = ENDED | {State.COMPLETED}
# The recipient could not be paid, or has sent the money back: the merchant may name another one.
CORRECTABLE = frozenset({State.ACTION_REQUIRED, State.RETURNED})
# Nothing happens to it by itself before its deadline, where it has one.
RESTING = SETTLED | CORRECTABLE | {State.PARTLY_REFUNDED}
# No payout is under way, and none has succeeded: the merchant may still cancel it.
CANCELLABLE = frozenset(
    {State.CREATED, State.COLLECTING, State.FUNDED, State.CONVERTED, State.ACTION_REQUIRED}
)


class Status(StrEnum):
    """The public status; the names of the public API."""

    PENDING = "PENDING"
    PROCESSING = "PROCESSING"
    SENT = "SENT"
    COMPLETED = "COMPLETED"
    RETURNED = "RETURNED"
    ACTION_REQUIRED = "ACTION_REQUIRED"
    REFUNDING = "REFUNDING"
    PARTLY_REFUNDED = "PARTLY_REFUNDED"
    REFUNDED = "REFUNDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"
    ON_HOLD = "ON_HOLD"


STATUS_OF: Mapping[State, Status] = {
    State.CREATED: Status.PENDING,
    State.COLLECTING: Status.PENDING,
    State.FUNDED: Status.PROCESSING,
    State.CONVERTED: Status.PROCESSING,
    State.PAYING_OUT: Status.PROCESSING,
    State.ACTION_REQUIRED: Status.ACTION_REQUIRED,
    State.COMPLETED: Status.COMPLETED,
    State.RETURNED: Status.RETURNED,
    State.REFUNDING: Status.REFUNDING,
    State.PARTLY_REFUNDED: Status.PARTLY_REFUNDED,
    State.REFUNDED: Status.REFUNDED,
    State.FAILED: Status.FAILED,
    State.CANCELLED: Status.CANCELLED,
    State.EXPIRED: Status.EXPIRED,
}


class ExchangeRule(IntEnum):
    """How the exchange of a payment was posted; it is unwound and verified by the same rule."""

    # The worth of the sold dollars at the middle is bought; the rest is rounding. Not used any
    # more.
    SOLD_AT_MIDDLE = 1
    # The payout is bought.
    PAYOUT_BOUGHT = 2


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why something failed: a machine name and a sentence."""

    code: str
    message: str


@dataclass(frozen=True, kw_only=True)
class Event:
    """One thing that happened to a payment; it is never changed afterwards."""

    sequence: int
    from_state: State | None
    to_state: State
    actor: str
    cause: Cause
    evidence: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RecordedEvent:
    """An event as the history has it."""

    event: Event
    occurred_at: datetime
    trace_id: str


@dataclass(frozen=True, kw_only=True)
class Payment:
    """One promise to move value. Changes only through moved() and noted(), which make events."""

    merchant_id: str
    id: UUID
    user_id: UUID
    quote_id: UUID
    corridor_id: str
    terms: Terms
    route: Route
    # The providers that serve it now.
    onramp: str
    offramp: str
    recipient: Recipient
    payment_method: str
    reference: str
    trace_id: str
    # Until when the locked rate binds us.
    quote_expires_at: datetime
    late_funds: LateFunds
    created_at: datetime
    updated_at: datetime
    state: State = State.CREATED
    # The number of events so far; every write is guarded by it.
    version: int = 1
    # When the offramp acknowledged the payout.
    sent_at: datetime | None = None
    hold_reason: HoldReason | None = None
    failure: Failure | None = None
    # The onramp's id of the collection, once it has succeeded; a refund names it.
    collection_reference: str = ""
    # When the merchant asked that nothing be taken, or that what was taken go back.
    cancel_requested_at: datetime | None = None
    # The dollars that the payer has got back so far.
    refunded: Money = NOTHING_USD
    # Whether a refund gives the fees back too, as it was agreed with the quote.
    refund_fees: RefundFees = RefundFees.RETURNED
    # How many refunds and disputes it has on record; they are read after it, where there are any.
    related: int = 0
    # Its refunds, by their numbers.
    refunds: tuple["Refund", ...] = ()
    # The claims against its collection, by their numbers.
    disputes: tuple["Dispute", ...] = ()
    # Means something once the exchange is posted.
    exchange_rule: ExchangeRule = ExchangeRule.PAYOUT_BOUGHT
    # Until when it may wait for a person; None where it does not wait for one.
    deadline_at: datetime | None = None
    # Until when nothing is sent to a provider: a request may be on its way, or the route rests.
    rests_until: datetime | None = None
    # Until when it is not paid out, and a cancel gives all of it back; None before its collection,
    # and where its corridor has no such window.
    cancellable_until: datetime | None = None
    # The payer who is there to act; None off session.
    payer: PresentPayer | None = None
    # The action of the payer that the collection waits for.
    next_action: NextAction | None = None

    # The request named no recipient, and the sandbox pays the corridor's example.
    recipient_is_example: bool = False
    # The answer to the question whose the recipient's account is, where its corridor demands it.
    account_check: AccountCheck | None = None

    # Of the idempotency key that created it and of the request under it, for the onramp to keep.
    # Empty with a payment from before they were kept.
    key_digest: str = ""
    request_digest: str = ""

    # The inputs of its price, where they were read with it: they are kept with its quote.
    pricing: Pricing | None = field(default=None, compare=False)
    # True in the event about the exchange at another rate than the locked one; kept nowhere.
    repriced: bool = False
    # True in the event that the payer must act; kept nowhere.
    asks_payer: bool = False

    @property
    def transaction_id(self) -> str:
        """The public id, for example pay_01jd8x3v9me7rb5k3n6q2f4h8z."""
        return encode_id(Prefix.PAYMENT, self.id)

    @property
    def refundable(self) -> Money:
        """The dollars that the payer has not got back yet and may get back, without kept fees."""
        kept = self.refund_fees is RefundFees.KEPT
        return (self.terms.net if kept else self.terms.amount) - self.refunded

    @property
    def last_moment(self) -> datetime:
        """Until when the locked rate is honoured; a payment that is unpaid then expires."""
        return self.quote_expires_at + self.late_funds.grace

    def is_unwanted(self, now: datetime) -> bool:
        """Whether nothing shall be taken any more: it was cancelled, or the quote has expired."""
        if self.state not in (State.CREATED, State.COLLECTING):
            return False
        return self.cancel_requested_at is not None or now > self.last_moment

    @property
    def payer_until(self) -> datetime | None:
        """Until when the payer may act: at most until the terms end; None off session."""
        if self.payer is None:
            return None
        return self.created_at if self.cancel_requested_at is not None else self.last_moment

    @property
    def status(self) -> Status:
        """The status that the merchant is shown."""
        if self.hold_reason is not None:
            return Status.ON_HOLD
        if self.state is State.PAYING_OUT and self.sent_at is not None:
            return Status.SENT
        return STATUS_OF[self.state]

    @property
    def event_type(self) -> str:
        """The type of the event for merchants: about this status, another price or the payer."""
        if self.repriced:
            return "payment.repriced"
        if self.asks_payer:
            return "payment.payer_action_required"
        return f"payment.{self.status.lower()}"

    def created_event(self) -> Event:
        """The first event of the history."""
        return Event(
            sequence=1,
            from_state=None,
            to_state=self.state,
            actor="api",
            cause=Cause.PAYMENT_CREATED,
        )

    def moved(
        self, to: State, *, actor: str, cause: Cause, **evidence: str
    ) -> tuple["Payment", Event]:
        """The payment in its next state, and the event. Raises IllegalMove."""
        if to not in ALLOWED[self.state]:
            raise IllegalMove(from_state=self.state, to_state=to)
        return self._appended(to, actor, cause, evidence)

    def noted(self, *, actor: str, cause: Cause, **evidence: str) -> tuple["Payment", Event]:
        """The payment in the same state, and the event that says what was learned."""
        return self._appended(self.state, actor, cause, evidence)

    def held(self, reason: HoldReason, *, actor: str, **evidence: str) -> tuple["Payment", Event]:
        """The payment waiting for a person: same state, no automatic step from here."""
        payment, event = self._appended(self.state, actor, HELD[reason], evidence)
        return replace(payment, hold_reason=reason), event

    def _appended(
        self, to: State, actor: str, cause: Cause, evidence: Mapping[str, str]
    ) -> tuple["Payment", Event]:
        event = Event(
            sequence=self.version + 1,
            from_state=self.state,
            to_state=to,
            actor=actor,
            cause=cause,
            evidence={name: value for name, value in evidence.items() if value},
        )
        # Only an open collection has a payer to wait for.
        asked = self.next_action if to is State.COLLECTING else None
        return replace(self, state=to, version=event.sequence, next_action=asked), event


@dataclass(frozen=True, kw_only=True)
class UnreadablePayment:
    """A payment whose record cannot be read, named in a list of others."""

    id: UUID

    @property
    def transaction_id(self) -> str:
        """The public id, for example pay_01jd8x3v9me7rb5k3n6q2f4h8z."""
        return encode_id(Prefix.PAYMENT, self.id)


@dataclass(frozen=True, kw_only=True)
class UnreadableEvent:
    """An event whose record cannot be read, named in its payment's history."""

    sequence: int


def read_transaction_id(text: str) -> UUID:
    """The id behind a public payment id. Raises PaymentNotFound for a malformed one."""
    payment_id = decode_id(Prefix.PAYMENT, text)
    if payment_id is None:
        raise PaymentNotFound(transaction_id=text)
    return payment_id
