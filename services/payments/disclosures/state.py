"""Where a payment stands, as its receipt says it: from the payment and its history. One table has
every state; a state without a receipt is refused."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import Enum

from services.payments.disclosures.document import Item, Statement
from services.payments.model.causes import Cause
from services.payments.model.payment import CORRECTABLE, NOTHING_USD, Payment, RecordedEvent, State
from services.payments.model.refund import RefundStatus, open_refund
from services.shared.errors import NotAllowedNow

# A hold ended, and the payment went on.
_WENT_ON = (Cause.HOLD_RELEASED, Cause.HOLD_ENDED_BY_OUTCOME, Cause.ATTEMPT_RESOLVED)


class ReceiptNotReady(NotAllowedNow):
    """The sender has not paid, or the price is not settled yet, so that there is no receipt."""

    reason = "RECEIPT_NOT_READY"


class Payout(Enum):
    """How far the payout is, as a receipt says it."""

    UNDER_WAY = "under way"
    MADE = "made"
    # It was refused or came back, and is made again only to a corrected recipient.
    WAITS = "waits"
    # It was not made, and never is.
    NEVER = "never"


# None: nothing was taken, or, in FUNDED, late money may still get another price.
PAYOUT_OF: Mapping[State, Payout | None] = {
    State.CREATED: None,
    State.COLLECTING: None,
    State.FUNDED: None,
    State.CONVERTED: Payout.UNDER_WAY,
    State.PAYING_OUT: Payout.UNDER_WAY,
    State.ACTION_REQUIRED: Payout.WAITS,
    State.COMPLETED: Payout.MADE,
    State.RETURNED: Payout.WAITS,
    State.REFUNDING: Payout.NEVER,
    State.PARTLY_REFUNDED: Payout.NEVER,
    State.REFUNDED: Payout.NEVER,
    State.FAILED: None,
    State.CANCELLED: None,
    State.EXPIRED: None,
}


@dataclass(frozen=True, kw_only=True)
class Standing:
    """The facts of a receipt that depend on the payment's present state."""

    payout: Payout
    items: tuple[Item, ...]
    statements: tuple[Statement, ...]
    # Since when the payout counts that is under way; None where none is that goes on by itself.
    since: datetime | None
    paid_out_on: date | None
    states_cancellation: bool

    @property
    def is_paid_out_to_nobody(self) -> bool:
        """Whether the recipient gets nothing."""
        return self.payout is Payout.NEVER

    def available_on(self, within: timedelta) -> date | None:
        """When the recipient has the money: when it was paid out, or so long after the latest
        moment that it depends on. None where there is no such day."""
        if self.paid_out_on is not None:
            return self.paid_out_on
        return None if self.since is None else _day(self.since + within)


def standing_of(payment: Payment, history: Sequence[RecordedEvent]) -> Standing:
    """Where a payment stands, by its history up to its version. Raises ReceiptNotReady."""
    history = [one for one in history if one.event.sequence <= payment.version]
    payout = PAYOUT_OF[payment.state]
    if payout is None:
        raise ReceiptNotReady(transaction_id=payment.transaction_id, status=payment.status)
    goes_on = payment.hold_reason is None and not _is_cancelled(payment)
    is_made = payout is Payout.MADE and payment.hold_reason is None
    paid_out_at = _last(history, _is_paid_out) if is_made else None
    return Standing(
        payout=payout,
        items=tuple(_refund_items(payment)),
        statements=tuple(_statements(payment, payout, history)),
        since=_counts_from(payment, history) if payout is Payout.UNDER_WAY and goes_on else None,
        paid_out_on=_day(paid_out_at) if paid_out_at else None,
        states_cancellation=payout is not Payout.NEVER and payment.state is not State.RETURNED,
    )


def _statements(
    payment: Payment, payout: Payout, history: Sequence[RecordedEvent]
) -> Iterator[Statement]:
    is_held = payment.hold_reason is not None
    if is_held:
        yield Statement("on_hold")
    if payout in (Payout.WAITS, Payout.NEVER):
        yield Statement(f"state_{payment.state.lower()}")
    elif not is_held and not _is_cancelled(payment):
        yield Statement("paid_out" if payout is Payout.MADE else "under_way")
    if _is_cancelled(payment):
        yield Statement("cancellation_requested")
    elif payout is Payout.WAITS and payment.deadline_at is not None and not is_held:
        yield Statement("refunded_after", {"date": _day(payment.deadline_at)})
    if payout is not Payout.NEVER and _last(history, _is_repriced):
        yield Statement("repriced")
    if refund := open_refund(payment):
        yield Statement("refund_under_way", {"amount": refund.amount})


def _is_cancelled(payment: Payment) -> bool:
    """Whether the payer shall have the money back, and may still get it."""
    is_over = PAYOUT_OF[payment.state] in (Payout.MADE, Payout.NEVER)
    return payment.cancel_requested_at is not None and not is_over


def _refund_items(payment: Payment) -> Iterator[Item]:
    for refund in payment.refunds:
        if refund.status is RefundStatus.SUCCEEDED:
            yield Item("refund", "", refund.amount)
            yield Item("refund_date", "", _day(refund.updated_at))
    if payment.refunded > NOTHING_USD:
        yield Item("refunded", "", payment.refunded)


def _counts_from(payment: Payment, history: Sequence[RecordedEvent]) -> datetime:
    """The latest moment from which the payout counts: the collection, the exchange, a correction,
    the end of a hold or of the cancel window."""
    began = _last(history, _begins_payout) or payment.created_at
    return max(began, payment.cancellable_until or began)


def _begins_payout(recorded: RecordedEvent) -> bool:
    event = recorded.event
    enters = event.from_state is not event.to_state
    collected = enters and event.to_state in (State.FUNDED, State.CONVERTED)
    corrected = event.to_state is State.PAYING_OUT and event.from_state in CORRECTABLE
    return collected or corrected or event.cause in _WENT_ON


def _is_paid_out(recorded: RecordedEvent) -> bool:
    event = recorded.event
    return event.to_state is State.COMPLETED and event.from_state is not State.COMPLETED


def _is_repriced(recorded: RecordedEvent) -> bool:
    return recorded.event.cause is Cause.EXCHANGED_AT_NEW_RATE


def _last(
    history: Sequence[RecordedEvent], wanted: Callable[[RecordedEvent], bool]
) -> datetime | None:
    return max((one.occurred_at for one in history if wanted(one)), default=None)


def _day(moment: datetime) -> date:
    return moment.astimezone(UTC).date()
