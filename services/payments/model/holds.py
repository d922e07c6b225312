"""Holds: every reason for which a payment waits for a person, its meaning, and the verbs that end
it; docs/holds.md says the same, with the way to each."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Verb(StrEnum):
    """The verbs that end a hold; the ends of their routes."""

    # Operators: the engine decides again by the evidence.
    RELEASE = ":release"
    # Operators: states how the attempt ended that the payment waits for.
    RESOLVE = ":resolve"
    # Merchants: gives the money back.
    REFUND = "/refunds"
    # Merchants: has the refund tried again that has failed.
    RETRY = ":retry"
    # Operators: pays out by an offramp of choice, once the ones before it are known to be unpaid.
    FORCE = ":force"
    # Operators, of a dead letter: the step is tried again.
    REQUEUE = ":requeue"


class HoldReason(StrEnum):
    """Why a payment waits for a person; the names of the public API."""

    AMOUNT_MISMATCH = "amount_mismatch"
    COLLECTION_REVERSED = "collection_reversed"
    DISCARDED = "discarded_by_operator"
    DISPUTED = "disputed"
    LATE_FUNDS = "late_funds"
    LATE_SUCCESS = "late_success"
    OPERATOR = "operator"
    OUTCOME_UNKNOWN = "outcome_unknown"
    PAYOUT_FAILED = "payout_failed"
    PAYOUT_UNCONFIRMED = "payout_unconfirmed"
    PROVIDER_CONTRADICTS = "provider_contradicts_itself"
    PROVIDER_UNKNOWN = "provider_unknown"
    RECOVERED = "recovered"
    REFUND_FAILED = "refund_failed"
    REFUND_REVERSED = "refund_reversed"
    STEP_FAILED = "step_failed"
    UNKNOWN_STATUS = "unknown_status"


@dataclass(frozen=True, kw_only=True)
class Hold:
    """The meaning of a reason, and the verbs that end such a hold."""

    meaning: str
    verbs: tuple[Verb, ...]


HOLDS: Mapping[HoldReason, Hold] = {
    HoldReason.AMOUNT_MISMATCH: Hold(
        meaning="The provider shows another amount, currency or reference than ours.",
        verbs=(Verb.RELEASE, Verb.RESOLVE),
    ),
    HoldReason.COLLECTION_REVERSED: Hold(
        meaning="A collection that had succeeded has come back to its payer.",
        verbs=(Verb.RELEASE,),
    ),
    HoldReason.DISCARDED: Hold(
        meaning="An operator has taken over a step that kept breaking down.",
        verbs=(Verb.RELEASE, Verb.RESOLVE, Verb.FORCE),
    ),
    HoldReason.DISPUTED: Hold(
        meaning="A claim against the collection stands in the way of the payout or the refund.",
        verbs=(Verb.RELEASE, Verb.REFUND),
    ),
    HoldReason.LATE_FUNDS: Hold(
        meaning="The money came after the quote, and the new rate is worse than was agreed.",
        verbs=(Verb.RELEASE, Verb.REFUND),
    ),
    HoldReason.LATE_SUCCESS: Hold(
        meaning="Something succeeded at a provider that is over by our record, or was never ours.",
        verbs=(Verb.RELEASE,),
    ),
    HoldReason.OPERATOR: Hold(
        meaning="An operator has put the payment on hold.",
        verbs=(Verb.RELEASE, Verb.RESOLVE),
    ),
    HoldReason.OUTCOME_UNKNOWN: Hold(
        meaning="The provider has not said in time whether money moved.",
        verbs=(Verb.RELEASE, Verb.RESOLVE),
    ),
    HoldReason.PAYOUT_FAILED: Hold(
        meaning="No provider pays it out, and the onramp gives nothing back.",
        verbs=(Verb.RELEASE, Verb.REFUND, Verb.FORCE),
    ),
    HoldReason.PAYOUT_UNCONFIRMED: Hold(
        meaning="Before money is sent again, no provider confirms that a payout was not paid.",
        verbs=(Verb.RELEASE, Verb.FORCE),
    ),
    HoldReason.PROVIDER_CONTRADICTS: Hold(
        meaning="The provider denies an operation that it had acknowledged.",
        verbs=(Verb.RELEASE, Verb.RESOLVE),
    ),
    HoldReason.PROVIDER_UNKNOWN: Hold(
        meaning="The provider of an open attempt is not in this deployment.",
        verbs=(Verb.RELEASE, Verb.FORCE),
    ),
    HoldReason.RECOVERED: Hold(
        meaning="The database had lost it, or some of its operations, and has them again by "
        "what providers have.",
        verbs=(Verb.RELEASE,),
    ),
    HoldReason.REFUND_FAILED: Hold(
        meaning="The onramp refuses to give the money back.",
        verbs=(Verb.RELEASE, Verb.REFUND, Verb.RETRY),
    ),
    HoldReason.REFUND_REVERSED: Hold(
        meaning="A refund that had succeeded did not reach the payer after all.",
        verbs=(Verb.RELEASE,),
    ),
    HoldReason.STEP_FAILED: Hold(
        meaning="A step of ours broke down five times in a row.",
        verbs=(Verb.RELEASE, Verb.REQUEUE),
    ),
    HoldReason.UNKNOWN_STATUS: Hold(
        meaning="The provider gives the operation a status that no document of its names.",
        verbs=(Verb.RELEASE, Verb.RESOLVE),
    ),
}
