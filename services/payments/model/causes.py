"""Causes: why an event of a payment's history happened. Every one that there is, with its meaning;
the names are public and stay as they are. Which cause an event of a step has is in step_causes."""

from collections.abc import Mapping
from enum import StrEnum

from services.payments.model.holds import HoldReason


class Cause(StrEnum):
    """Why something happened to a payment; the names of the public API."""

    # The merchant has created it.
    PAYMENT_CREATED = "payment_created"

    # The attempt is on record, and is sent next.
    COLLECTION_INTENDED = "collection_intended"
    PAYOUT_INTENDED = "payout_intended"
    REFUND_INTENDED = "refund_intended"
    # The attempt was not sent, and is tried later.
    COLLECTION_NOT_SENT = "collection_not_sent"
    PAYOUT_NOT_SENT = "payout_not_sent"
    REFUND_NOT_SENT = "refund_not_sent"
    # The provider has it and will decide.
    COLLECTION_ACCEPTED = "collection_accepted"
    PAYOUT_ACCEPTED = "payout_accepted"
    REFUND_ACCEPTED = "refund_accepted"
    # Nobody knows its outcome; the provider is asked again.
    COLLECTION_UNKNOWN = "collection_unknown"
    PAYOUT_UNKNOWN = "payout_unknown"
    REFUND_UNKNOWN = "refund_unknown"
    # The provider has done it.
    COLLECTION_SUCCEEDED = "collection_succeeded"
    PAYOUT_SUCCEEDED = "payout_succeeded"
    REFUND_SUCCEEDED = "refund_succeeded"
    # The provider has refused it for good. A refund that is refused is a hold.
    COLLECTION_FAILED = "collection_failed"
    PAYOUT_FAILED = "payout_failed"
    # It goes to the next provider of the route.
    COLLECTION_FAILED_OVER = "collection_failed_over"
    PAYOUT_FAILED_OVER = "payout_failed_over"
    # An error is the key's answer for good, so that another key follows.
    COLLECTION_KEY_RETIRED = "collection_key_retired"
    PAYOUT_KEY_RETIRED = "payout_key_retired"
    REFUND_KEY_RETIRED = "refund_key_retired"
    # It is not sent, because an attempt before it has succeeded late.
    COLLECTION_WITHDRAWN = "collection_withdrawn"
    PAYOUT_WITHDRAWN = "payout_withdrawn"
    REFUND_WITHDRAWN = "refund_withdrawn"
    # It has not succeeded, and an attempt before it has, late: nothing more follows it.
    COLLECTION_GIVEN_UP = "collection_given_up"
    PAYOUT_GIVEN_UP = "payout_given_up"
    REFUND_GIVEN_UP = "refund_given_up"
    # The provider states another amount than before.
    COLLECTION_AMOUNT_STATED = "collection_amount_stated"
    PAYOUT_AMOUNT_STATED = "payout_amount_stated"
    REFUND_AMOUNT_STATED = "refund_amount_stated"

    # The collection waits for an action of the payer, who is present.
    PAYER_ASKED = "payer_asked"
    # No offramp of the route can pay now; the route rests.
    PAYOUT_WAITS = "payout_waits"
    # An operator has it paid out by an offramp of choice.
    PAYOUT_FORCED = "payout_forced"
    # The provider has refused the recipient; the merchant corrects it or refunds.
    RECIPIENT_REFUSED = "recipient_refused"
    # The merchant, or an operator, has named another recipient, and it is paid out again.
    RECIPIENT_CORRECTED = "recipient_corrected"
    # An earlier recipient was paid after all, and the payment shows that one again.
    EARLIER_RECIPIENT_PAID = "earlier_recipient_paid"
    # The provider has not said for days whether a success came back, and is asked no more.
    SUCCESS_STANDS = "success_stands"
    # A payout that had succeeded came back.
    PAYOUT_RETURNED = "payout_returned"
    EXCHANGED_AT_LOCKED_RATE = "exchanged_at_locked_rate"
    # The money came late, and the new rate is within what was agreed.
    EXCHANGED_AT_NEW_RATE = "exchanged_at_new_rate"
    # The merchant has cancelled it: before anything was taken, after that, or before the payout.
    CANCELLED = "cancelled"
    CANCELLED_AFTER_COLLECTION = "cancelled_after_collection"
    CANCELLED_BEFORE_PAYOUT = "cancelled_before_payout"
    # The quote had expired before anything was taken.
    EXPIRED = "expired"
    # The money was taken although the payment was over, and goes back to the payer.
    COLLECTED_AFTER_THE_END = "collected_after_the_end"
    # A refund that had succeeded came back, and its money is owed to the payer again.
    REFUND_RETURNED = "refund_returned"
    REFUND_REQUESTED = "refund_requested"
    # A part was refunded before that had a state of its own.
    REFUNDED_IN_PART = "refunded_in_part"
    # A refund that had failed is tried again.
    REFUND_RETRIED = "refund_retried"
    # The merchant has not decided until the deadline; the rest is refunded.
    DEADLINE_PASSED = "deadline_passed"

    # A claim against the collection: it became known, it goes on, it is over.
    DISPUTE_OPENED = "dispute_opened"
    DISPUTE_UPDATED = "dispute_updated"
    DISPUTE_CLOSED = "dispute_closed"

    # The payment waits for a person; the reasons are in holds.
    HELD_AMOUNT_MISMATCH = "held_amount_mismatch"
    HELD_COLLECTION_REVERSED = "held_collection_reversed"
    HELD_DISCARDED = "held_discarded_by_operator"
    HELD_DISPUTED = "held_disputed"
    HELD_LATE_FUNDS = "held_late_funds"
    HELD_LATE_SUCCESS = "held_late_success"
    HELD_OPERATOR = "held_operator"
    HELD_OUTCOME_UNKNOWN = "held_outcome_unknown"
    HELD_PAYOUT_FAILED = "held_payout_failed"
    HELD_PAYOUT_UNCONFIRMED = "held_payout_unconfirmed"
    HELD_PROVIDER_CONTRADICTS = "held_provider_contradicts_itself"
    HELD_PROVIDER_UNKNOWN = "held_provider_unknown"
    HELD_RECOVERED = "held_recovered"
    HELD_REFUND_FAILED = "held_refund_failed"
    HELD_REFUND_REVERSED = "held_refund_reversed"
    HELD_STEP_FAILED = "held_step_failed"
    HELD_UNKNOWN_STATUS = "held_unknown_status"
    # A hold has ended: by an operator, by the outcome that it waited for, or by an outcome that an
    # operator has stated.
    HOLD_RELEASED = "hold_released"
    HOLD_ENDED_BY_OUTCOME = "hold_ended_by_outcome"
    ATTEMPT_RESOLVED = "attempt_resolved"
    # The database had lost the payment, and it was made again by what providers have.
    PAYMENT_RECOVERED = "payment_recovered"
    # It had lost only steps of it, which are on record again.
    STEP_RECOVERED = "step_recovered"
    # Two operators have agreed on a posting.
    ADJUSTED = "adjusted"
    # An operator has a step tried again that kept breaking down.
    STEP_REQUEUED = "step_requeued"


# The cause of the event with which a payment begins to wait for a person, for each reason.
HELD: Mapping[HoldReason, Cause] = {
    HoldReason.AMOUNT_MISMATCH: Cause.HELD_AMOUNT_MISMATCH,
    HoldReason.COLLECTION_REVERSED: Cause.HELD_COLLECTION_REVERSED,
    HoldReason.DISCARDED: Cause.HELD_DISCARDED,
    HoldReason.DISPUTED: Cause.HELD_DISPUTED,
    HoldReason.LATE_FUNDS: Cause.HELD_LATE_FUNDS,
    HoldReason.LATE_SUCCESS: Cause.HELD_LATE_SUCCESS,
    HoldReason.OPERATOR: Cause.HELD_OPERATOR,
    HoldReason.OUTCOME_UNKNOWN: Cause.HELD_OUTCOME_UNKNOWN,
    HoldReason.PAYOUT_FAILED: Cause.HELD_PAYOUT_FAILED,
    HoldReason.PAYOUT_UNCONFIRMED: Cause.HELD_PAYOUT_UNCONFIRMED,
    HoldReason.PROVIDER_CONTRADICTS: Cause.HELD_PROVIDER_CONTRADICTS,
    HoldReason.PROVIDER_UNKNOWN: Cause.HELD_PROVIDER_UNKNOWN,
    HoldReason.RECOVERED: Cause.HELD_RECOVERED,
    HoldReason.REFUND_FAILED: Cause.HELD_REFUND_FAILED,
    HoldReason.REFUND_REVERSED: Cause.HELD_REFUND_REVERSED,
    HoldReason.STEP_FAILED: Cause.HELD_STEP_FAILED,
    HoldReason.UNKNOWN_STATUS: Cause.HELD_UNKNOWN_STATUS,
}
# And the reason of each such event.
HELD_FOR: Mapping[Cause, HoldReason] = {cause: reason for reason, cause in HELD.items()}
