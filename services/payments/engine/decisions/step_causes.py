"""The cause of each event of a step, by the step. A refund is never refused without a hold, and has
no second provider."""

from collections.abc import Mapping

from services.payments.model.attempt import Step
from services.payments.model.causes import Cause
from services.payments.model.holds import HoldReason

Causes = Mapping[Step, Cause]


def _of_each(collection: Cause, payout: Cause, refund: Cause) -> Causes:
    return {Step.COLLECTION: collection, Step.PAYOUT: payout, Step.REFUND: refund}


INTENDED = _of_each(Cause.COLLECTION_INTENDED, Cause.PAYOUT_INTENDED, Cause.REFUND_INTENDED)
NOT_SENT = _of_each(Cause.COLLECTION_NOT_SENT, Cause.PAYOUT_NOT_SENT, Cause.REFUND_NOT_SENT)
ACCEPTED = _of_each(Cause.COLLECTION_ACCEPTED, Cause.PAYOUT_ACCEPTED, Cause.REFUND_ACCEPTED)
UNKNOWN = _of_each(Cause.COLLECTION_UNKNOWN, Cause.PAYOUT_UNKNOWN, Cause.REFUND_UNKNOWN)
KEY_RETIRED = _of_each(
    Cause.COLLECTION_KEY_RETIRED, Cause.PAYOUT_KEY_RETIRED, Cause.REFUND_KEY_RETIRED
)
WITHDRAWN = _of_each(Cause.COLLECTION_WITHDRAWN, Cause.PAYOUT_WITHDRAWN, Cause.REFUND_WITHDRAWN)
GIVEN_UP = _of_each(Cause.COLLECTION_GIVEN_UP, Cause.PAYOUT_GIVEN_UP, Cause.REFUND_GIVEN_UP)
AMOUNT_STATED = _of_each(
    Cause.COLLECTION_AMOUNT_STATED, Cause.PAYOUT_AMOUNT_STATED, Cause.REFUND_AMOUNT_STATED
)
FAILED_OVER: Causes = {
    Step.COLLECTION: Cause.COLLECTION_FAILED_OVER,
    Step.PAYOUT: Cause.PAYOUT_FAILED_OVER,
}
# A payout that no provider makes, and a refund that the onramp refuses, wait for a person.
HELD_AFTER_FAILURE: Mapping[Step, HoldReason] = {
    Step.PAYOUT: HoldReason.PAYOUT_FAILED,
    Step.REFUND: HoldReason.REFUND_FAILED,
}
