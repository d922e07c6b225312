"""Wise's words and our outcomes: the tables, and the functions that read transfers, refusals and
events by them. An answer that is not listed here is UNKNOWN, and every field is checked before it
counts."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import localcontext
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from services.providers.adapters.kit.amounts import major_units, states_money
from services.providers.adapters.kit.answers import (
    Stated,
    read_stated,
    unknown_status,
)
from services.providers.adapters.kit.events import not_an_event, read_event_object
from services.providers.adapters.kit.http import Answer, AnswerInvalid, read_object, text
from services.providers.adapters.kit.recipients import UNPAYABLE
from services.providers.adapters.kit.refusals import PAYOUT_RETURNED
from services.providers.domain import Failure, Operation, OperationResult, Outcome
from services.providers.failures import (
    CREDENTIALS_REFUSED,
    INSUFFICIENT_BALANCE,
    PAYOUTS_UNAVAILABLE,
    RECIPIENT_ACCOUNT_INVALID,
    RECIPIENT_BANK_UNKNOWN,
    RECIPIENT_INVALID,
)
from services.providers.listed import ListedOperation
from services.shared.ids import Prefix, decode_id
from services.shared.money import EXACT, Money

Json = dict[str, Any]

# Its name in messages for operators.
NAME = "Wise"
# The statuses by which Wise refuses a transfer, such as one that it has already.
REFUSED = (400, 409, 422)
UNAUTHORIZED = 401
# A transfer that nobody has paid for: it moves nothing by itself, and never will.
UNFUNDED = "incoming_payment_waiting"
NOT_FUNDED = Failure("transfer_unfunded", "the transfer is there, and nobody has funded it")
# Why a transfer failed.
FAILURES = {"cancelled": "payout_cancelled", "funds_refunded": PAYOUT_RETURNED}
# The outcome of a transfer's status; anything else is UNKNOWN.
STATUSES = {
    "incoming_payment_initiated": Outcome.PENDING,
    "processing": Outcome.PENDING,
    "funds_converted": Outcome.PENDING,
    "outgoing_payment_sent": Outcome.SUCCEEDED,
    # Returned by the bank: it ends as one of the failures.
    "bounced_back": Outcome.PENDING,
    **dict.fromkeys(FAILURES, Outcome.FAILED),
}
# The refusals of our balance, by errorCode, that leave the transfer unpaid.
FUNDING_REFUSALS = {
    "transfer.insufficient_funds": INSUFFICIENT_BALANCE,
    "balance.payment-option-unavailable": PAYOUTS_UNAVAILABLE,
}
# Our code of a refused field of a recipient, by its path in small letters; of any other it is that
# the recipient is invalid.
RECIPIENT_PATHS = {
    **dict.fromkeys(("iban", "accountnumber", "clabe"), RECIPIENT_ACCOUNT_INVALID),
    **dict.fromkeys(
        ("bankcode", "branchcode", "ifsccode", "sortcode", "swiftcode"), RECIPIENT_BANK_UNKNOWN
    ),
}
# A token that Wise does not know, by the error of its answer.
TOKEN_REFUSALS = {"invalid_token": CREDENTIALS_REFUSED}
DEFINITIVE_FAILURES = frozenset(
    {*FAILURES.values(), *FUNDING_REFUSALS.values(), *RECIPIENT_PATHS.values()}
    | {*TOKEN_REFUSALS.values(), RECIPIENT_INVALID}
    | UNPAYABLE
)
STATE_EVENT = "transfers#state-change"
# Shown to the recipient, where the bank shows anything.
REFERENCE_LENGTH_MAX = 35
_PLAIN = re.compile(r"[^A-Za-z0-9 .,:/()@_=+-]")


_MARK_VERSION = 5
_NEVER = datetime.fromtimestamp(0, UTC)


def mark_of(key: str) -> UUID:
    """Wise's name for our key: the customerTransactionId that a transfer is made once for."""
    return uuid5(NAMESPACE_URL, f"urn:caravel:{key}")


def created_since(operation: Operation) -> datetime:
    """When its payment was made, by our own id of it, and so the earliest time of a transfer."""
    payment_id = decode_id(Prefix.PAYMENT, operation.transaction_id)
    if payment_id is None:
        return datetime.fromtimestamp(0, UTC)
    return datetime.fromtimestamp((payment_id.int >> 80) // 1000, UTC)


def quote_body(amount: Money, source_currency: str, recipient_id: int) -> Json:
    """The request for a quote that brings exactly this amount."""
    with localcontext(EXACT):
        number = amount.decimal
    return {
        "sourceCurrency": source_currency,
        "targetCurrency": amount.currency,
        "targetAmount": number,
        "targetAccount": recipient_id,
        "payOut": "BANK_TRANSFER",
        "preferredPayIn": "BALANCE",
    }


def transfer_body(operation: Operation, recipient_id: int, quote_id: str) -> Json:
    """The request for the transfer."""
    words = operation.reference or operation.transaction_id
    return {
        "targetAccount": recipient_id,
        "quoteUuid": quote_id,
        "customerTransactionId": str(mark_of(operation.key)),
        "details": {"reference": _PLAIN.sub(" ", words)[:REFERENCE_LENGTH_MAX]},
    }


def id_of(answer: Answer) -> int:
    """The number of what was made. Raises AnswerInvalid where the answer has none."""
    number = read_object(answer.body).get("id")
    if type(number) is not int or not 0 < number < 10**18:
        raise AnswerInvalid("an answer without its id")
    return number


def quote_id_of(answer: Answer) -> str:
    """The id of a quote. Raises AnswerInvalid where the answer has none."""
    quote_id = text(read_object(answer.body, exact=True).get("id"), 64)
    if not quote_id:
        raise AnswerInvalid("an answer without its id")
    return quote_id


def is_unfunded(transfer: Json) -> bool:
    """Whether the transfer still waits for money."""
    return transfer.get("status") == UNFUNDED


def read_transfer(operation: Operation, transfer: Json) -> OperationResult:
    """The operation's result, by its transfer. Raises AnswerInvalid where it is none.

    One that waits for money is PENDING: whether it is paid for is the client's to decide.
    """
    status = text(transfer.get("status"))
    outcome = Outcome.PENDING if status == UNFUNDED else STATUSES.get(status, Outcome.UNKNOWN)
    failure = None
    if outcome is Outcome.UNKNOWN:
        failure = unknown_status("transfer", status)
    elif outcome is Outcome.FAILED:
        failure = Failure(FAILURES[status], f"the transfer is {status}")
    number, currency = transfer.get("targetValue"), transfer.get("targetCurrency")
    stated = Stated(
        noun="transfer",
        id=transfer_id(transfer),
        key=_key(operation, transfer),
        status=status,
        has_amount=states_money(number, currency),
        amount=major_units(number, currency),
        outcome=outcome,
        failure=failure,
    )
    return read_stated(operation, stated)


def _key(operation: Operation, transfer: Json) -> object:
    """Our key, where the transfer has its mark; else the mark that it has."""
    mark = transfer.get("customerTransactionId")
    return operation.key if mark == str(mark_of(operation.key)) else mark


def transfer_id(transfer: Json) -> str:
    """Wise's id of a transfer; empty where it has none."""
    number = transfer.get("id")
    return str(number) if type(number) is int and 0 < number < 10**18 else ""


def marked(transfers: Sequence[object], operation: Operation) -> list[Json]:
    """Those of the list that carry the operation's mark."""
    mark = str(mark_of(operation.key))
    objects = (one for one in transfers if isinstance(one, dict))
    return [one for one in objects if one.get("customerTransactionId") == mark]


def listed(transfers: Sequence[Json], keys: Mapping[str, str]) -> tuple[ListedOperation, ...]:
    """The transfers that were made under a mark of ours, the newest first; `keys` are by mark."""
    read = [
        ListedOperation(
            key=keys.get(mark, ""),
            provider_reference=transfer_id(one),
            created_at=_made_at(one),
        )
        for one in transfers
        if (mark := text(one.get("customerTransactionId"))) and _is_mark(mark)
    ]
    return tuple(sorted(read, key=lambda one: one.created_at or _NEVER, reverse=True))


def _is_mark(name: str) -> bool:
    """Whether a name was made from another name, as ours are; people's are random."""
    try:
        return UUID(name).version == _MARK_VERSION
    except ValueError:
        return False


def _made_at(transfer: Json) -> datetime | None:
    """Wise writes times of UTC, with their zone or without."""
    try:
        stated = datetime.fromisoformat(text(transfer.get("created")))
    except ValueError:
        return None
    return stated if stated.tzinfo else stated.replace(tzinfo=UTC)


def funding_refusal(answer: Answer) -> Failure | None:
    """Why our balance did not pay, where Wise says so; None for any other answer."""
    said = read_object(answer.body, exact=True)
    ours = FUNDING_REFUSALS.get(text(said.get("errorCode")))
    if said.get("status") != "REJECTED" or ours is None:
        return None
    return Failure(ours, text(said.get("errorMessage")) or text(said.get("errorCode")))


def token_refusal(answer: Answer) -> Failure | None:
    """Why Wise does not know our token; None for any other answer."""
    if answer.status != UNAUTHORIZED:
        return None
    said = read_object(answer.body, exact=True)
    ours = TOKEN_REFUSALS.get(text(said.get("error")))
    if ours is None:
        return None
    return Failure(ours, text(said.get("error_description")) or "the token is refused")


def recipient_refusal(answer: Answer) -> Failure:
    """Why Wise takes no such recipient: the first error that names a field we know."""
    errors = read_object(answer.body, exact=True).get("errors")
    found = [one for one in errors if isinstance(one, dict)] if isinstance(errors, list) else []
    for error in found:
        name = text(error.get("path")).rpartition(".")[2].casefold()
        if name in RECIPIENT_PATHS:
            return Failure(RECIPIENT_PATHS[name], text(error.get("message")))
    message = text(found[0].get("message")) if found else ""
    return Failure(RECIPIENT_INVALID, message or "the recipient was refused")


class StateChange:
    """The content of an event about a transfer."""

    def __init__(self, raw: bytes) -> None:
        """Raises Invalid where it is no event."""
        event = read_event_object(raw, exact=True)
        self.type, data = text(event.get("event_type"), 100), event.get("data")
        if not self.type or not isinstance(data, dict):
            raise not_an_event("an event with event_type and data")
        resource = data.get("resource")
        self.transfer_id = transfer_id(resource) if isinstance(resource, dict) else ""
        self.state = text(data.get("current_state"), 60)
        self.at = text(data.get("occurred_at"), 40)
        # It has no id of its own that stays the same when it is sent again.
        self.id = f"{self.type}:{self.transfer_id}:{self.state}:{self.at}"[:255]

    @property
    def outcome(self) -> Outcome:
        """The outcome of the state that it names."""
        return STATUSES.get(self.state, Outcome.UNKNOWN)

    @property
    def failure(self) -> Failure | None:
        """The cause, where it is a failure or a state that no document names."""
        if self.outcome is Outcome.FAILED:
            return Failure(FAILURES[self.state], f"the transfer is {self.state}")
        if self.outcome is Outcome.UNKNOWN:
            return unknown_status("transfer", self.state)
        return None
