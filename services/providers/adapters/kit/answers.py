"""Results that adapters share: a provider's statement about an operation, checked field by field
before it counts; an operation that the provider does not have; and an answer that leaves open what
happened."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from services.providers.adapters.kit.http import AnswerInvalid, text
from services.providers.domain import (
    UNKNOWN_STATUS,
    Failure,
    Operation,
    OperationResult,
    Outcome,
    other_amount,
    unknown,
)
from services.shared.money import Money

# Answers that leave open what happened, by HTTP status; anything else is a provider_fault. An
# adapter adds the statuses by which its provider means something of its own.
AMBIGUOUS: Mapping[int, str] = {
    400: "request_refused",
    401: "provider_unauthenticated",
    403: "provider_forbidden",
    404: "reference_unknown",
    422: "request_refused",
}
# The code of an operation that no adapter sends, because it names no payer.
PAYMENT_METHOD_MISSING = "payment_method_missing"


@dataclass(frozen=True, kw_only=True)
class Stated:
    """A provider's statement about one operation, not checked yet."""

    # The provider's word for the object, for example "payout".
    noun: str
    # The provider's id of it, and our key.
    id: str
    key: object
    status: str
    # Whether an amount is stated at all, and which; None where it cannot be read.
    has_amount: bool
    amount: Money | None
    # By the provider's own table of statuses.
    outcome: Outcome
    failure: Failure | None = None
    # When it was done, where the provider says so.
    at: datetime | None = None


def read_stated(operation: Operation, stated: Stated) -> OperationResult:
    """The result, once key and amount are those of the operation.

    Raises AnswerInvalid where id, status, key or amount is not stated.
    """
    if not stated.id or not stated.status:
        raise AnswerInvalid(f"not a {stated.noun}")
    if not text(stated.key) or not stated.has_amount:
        raise AnswerInvalid(f"a {stated.noun} without its reference and amount")
    if stated.key != operation.key:
        return unknown(operation.key, "reference_mismatch", f"see {stated.id}", stated.id)
    succeeded = stated.outcome is Outcome.SUCCEEDED
    if stated.amount != operation.amount:
        return other_amount(operation.key, stated.id, stated.amount if succeeded else None)
    return OperationResult(
        key=operation.key,
        outcome=stated.outcome,
        provider_reference=stated.id,
        amount=stated.amount if succeeded else None,
        occurred_at=stated.at if succeeded else None,
        failure=stated.failure,
    )


def unknown_status(noun: str, status: str) -> Failure:
    """A status that the provider's documents do not name."""
    return Failure(UNKNOWN_STATUS, f"the {noun} is {status}")


def absent(operation: Operation, provider: str, noun: str) -> OperationResult:
    """ABSENT, unless the provider gave us an id once: then it proves nothing that it has none."""
    if operation.provider_reference:
        message = f"{provider} no longer knows a {noun} it had"
        return unknown(operation.key, "reference_unknown", message, operation.provider_reference)
    return OperationResult(key=operation.key, outcome=Outcome.ABSENT)


def ambiguous(
    operation: Operation,
    status: int,
    provider: str,
    codes: Mapping[int, str] = AMBIGUOUS,
    *,
    said: str = "",
) -> OperationResult:
    """UNKNOWN: an answer that leaves open what happened. `said` is the provider's own sentence."""
    words = f"{provider} answered {status}{f': {said}' if said else ''}"
    code = codes.get(status, "provider_fault")
    return unknown(operation.key, code, words[:255], operation.provider_reference)
