"""Refusals with reasons of the contract, one of each kind that has no reason of its own, for tests
of the parts that carry refusals."""

from services.shared import errors


class Missing(errors.NotFound):
    """There is no such payment."""

    reason = "PAYMENT_NOT_FOUND"


class TooMuch(errors.OutOfRange):
    """The amount is above the maximum."""

    reason = "AMOUNT_ABOVE_MAXIMUM"


class Busy(errors.Conflict):
    """Something is being done with the payment."""

    reason = "PAYMENT_BUSY"


class Expired(errors.NotAllowedNow):
    """The quote has
    expired."""

    reason = "QUOTE_EXPIRED"


class KeyReused(errors.NotAllowedNow):
    """The key came with another body."""

    reason = "IDEMPOTENCY_KEY_REUSED"
