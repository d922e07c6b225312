"""How long money may lie where only a person can say how it goes on: one table. Past it, what is
certain is done without asking, and the rest is an alarm."""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum

from services.payments.domain.payment import Payment, State


class Waiting(StrEnum):
    """For whom or for what a payment waits."""

    # The merchant, who says what becomes of a payout that came back.
    RETURNED = "RETURNED"
    # The merchant, who has had a part given back and has the rest to decide about.
    PARTLY_REFUNDED = "PARTLY_REFUNDED"
    # Our people.
    ON_HOLD = "ON_HOLD"


# Past it, a payout that came back and the rest of a refund in parts go back to the payer. A hold
# ends by a person only; past its deadline it is an alarm.
DEADLINES: Mapping[Waiting, timedelta] = {
    Waiting.RETURNED: timedelta(days=30),
    Waiting.PARTLY_REFUNDED: timedelta(days=30),
    Waiting.ON_HOLD: timedelta(days=3),
}


def waiting_as(payment: Payment) -> Waiting | None:
    """How the payment waits for a person; None where it goes on by itself or is over."""
    if payment.hold_reason is not None:
        return Waiting.ON_HOLD
    if payment.state is State.RETURNED:
        return Waiting.RETURNED
    if payment.state is State.REFUNDING and payment.refunded.amount_minor > 0:
        return Waiting.PARTLY_REFUNDED
    return None
