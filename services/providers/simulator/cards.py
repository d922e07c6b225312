"""Stripe's own test payment methods, and what each does. Words that make any provider misbehave are
in faults/modes."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Card:
    """The result of charging a test payment method: success, unless its name says otherwise."""

    code: str = ""
    decline_code: str = ""
    message: str = ""
    # The bank wants the payer to authenticate: the intent stops at requires_action.
    asks_payer: bool = False

    @property
    def declines(self) -> bool:
        """True when the charge is refused."""
        return bool(self.code)


def _declined(decline_code: str, message: str) -> Card:
    return Card("card_declined", decline_code, message)


CARDS = {
    "pm_card_visa": Card(),
    "pm_card_mastercard": Card(),
    "pm_card_visa_chargeDeclined": _declined("generic_decline", "Your card was declined."),
    "pm_card_visa_chargeDeclinedInsufficientFunds": _declined(
        "insufficient_funds", "Your card has insufficient funds."
    ),
    "pm_card_visa_chargeDeclinedLostCard": _declined("lost_card", "Your card was declined."),
    "pm_card_visa_chargeDeclinedStolenCard": _declined("stolen_card", "Your card was declined."),
    "pm_card_visa_chargeDeclinedVelocityLimitExceeded": _declined(
        "card_velocity_exceeded", "Your card was declined for making repeated attempts too often."
    ),
    "pm_card_chargeDeclinedExpiredCard": Card(
        "expired_card", "expired_card", "Your card has expired."
    ),
    "pm_card_chargeDeclinedIncorrectCvc": Card(
        "incorrect_cvc", "incorrect_cvc", "Your card's security code is incorrect."
    ),
    "pm_card_chargeDeclinedProcessingError": Card(
        "processing_error", "processing_error", "An error occurred while processing your card."
    ),
    "pm_card_chargeCustomerFail": _declined("generic_decline", "Your card was declined."),
    "pm_card_threeDSecure2Required": Card(asks_payer=True),
    "pm_card_authenticationRequired": Card(asks_payer=True),
}
