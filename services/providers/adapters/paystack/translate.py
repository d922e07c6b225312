"""Paystack's words and our outcomes: the tables, and the few functions that read transfers,
errors and events by them. An answer that is not listed here is UNKNOWN, and every field is
checked before it counts."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from services.providers.adapters.kit.amounts import minor_units, states_money
from services.providers.adapters.kit.answers import (
    Stated,
    read_stated,
    unknown_status,
)
from services.providers.adapters.kit.events import not_an_event, read_event_object
from services.providers.adapters.kit.http import (
    Answer,
    AnswerInvalid,
    instant,
    read_object,
    text,
)
from services.providers.adapters.kit.recipients import UNPAYABLE
from services.providers.adapters.kit.refusals import (
    CURRENCY_UNSUPPORTED,
    PAYOUT_BLOCKED,
    PAYOUT_FAILED,
    PAYOUT_RETURNED,
    REQUEST_INVALID,
)
from services.providers.adapters.paystack.refusals import (
    KEY_REFUSALS,
    REFUSALS,
    REFUSED_CODES,
    failure_code,
)
from services.providers.domain import (
    UNANSWERED,
    Failure,
    Holder,
    Kind,
    Operation,
    OperationResult,
    Outcome,
    Resolution,
    WebhookEvent,
)
from services.providers.failures import RECIPIENT_INVALID
from services.providers.listed import ListedOperation
from services.shared.ids import Prefix
from services.shared.recipients import BankAccount, MobileMoney, Recipient

# Its name in messages for operators.
NAME = "Paystack"
# The name of a bank account's type, by currency.
ACCOUNT_TYPES = {"GHS": "ghipss", "KES": "kepss", "NGN": "nuban", "ZAR": "basa"}
# Its codes of mobile networks, by currency and by our words; money goes to a number there.
NETWORKS = {
    ("GHS", "AIRTELTIGO"): "ATL",
    ("GHS", "MTN"): "MTN",
    ("GHS", "TELECEL"): "VOD",
    ("KES", "MPESA"): "MPESA",
}
# The countries' codes, for it writes numbers as they are dialled at home.
_PREFIXES = {"GHS": "+233", "KES": "+254"}

# Our code of each failure: nothing was paid, or the money was returned.
FAILURES = {
    "abandoned": "payout_abandoned",
    "blocked": PAYOUT_BLOCKED,
    "failed": PAYOUT_FAILED,
    "rejected": "payout_rejected",
    "reversed": PAYOUT_RETURNED,
}
# The outcome of a transfer's status; anything else is UNKNOWN.
STATUSES = {
    "success": Outcome.SUCCEEDED,
    "pending": Outcome.PENDING,
    "received": Outcome.PENDING,
    # A person must type a code; who does not within half an hour makes it "abandoned".
    "otp": Outcome.PENDING,
    **dict.fromkeys(FAILURES, Outcome.FAILED),
}
# The HTTP status of an account that is not there.
UNRESOLVED_STATUS = 422
DEFINITIVE_FAILURES = frozenset(
    {*FAILURES.values(), *REFUSED_CODES.values(), *REFUSALS.values(), *KEY_REFUSALS.values()}
    | {CURRENCY_UNSUPPORTED, RECIPIENT_INVALID, REQUEST_INVALID}
    | UNPAYABLE
)
# Every event is a hint only: its signature holds no time, so an old one could be sent again.
EVENTS = {
    "transfer.failed": "failed",
    "transfer.reversed": "reversed",
    "transfer.success": "success",
}
# A transfer with any other reference was not sent by us.
_OUR_KEY = re.compile(rf"({Prefix.PAYMENT}_[0-9a-z]{{26}})-payout-[0-9]+", re.ASCII)


def recipient_body(recipient: Recipient, currency: str) -> dict[str, Any] | None:
    """The request to Paystack to register this recipient; None where it pays none of this kind."""
    match recipient:
        case BankAccount(account_number=number, bank_code=bank, branch_code=branch) if number:
            # South African banks are named by the code of any branch.
            account_type, code = ACCOUNT_TYPES[currency], bank or branch
        case MobileMoney(operator=operator) if (currency, operator) in NETWORKS:
            account_type, code = "mobile_money", NETWORKS[currency, operator]
            number = _dialled_at_home(recipient.phone_number, currency)
        case _:
            return None
    return {
        "type": account_type,
        "name": recipient.holder_name,
        "account_number": number,
        "bank_code": code,
        "currency": currency,
    }


def _dialled_at_home(number: str, currency: str) -> str:
    prefix = _PREFIXES[currency]
    return f"0{number.removeprefix(prefix)}" if number.startswith(prefix) else number


def read_holder(answer: Answer, asked: Mapping[str, str]) -> Holder:
    """The account's holder. Paystack says with 422 that it could not name one. Raises
    AnswerInvalid."""
    if answer.status == UNRESOLVED_STATUS and error_of(answer)["message"]:
        return Holder(resolution=Resolution.NOT_FOUND)
    if answer.status != 200:
        return UNANSWERED
    data = data_of(answer)
    name = text(data.get("account_name"))
    if not name or data.get("account_number") != asked["account_number"]:
        return UNANSWERED
    return Holder(resolution=Resolution.FOUND, name=name)


def recipient_code(answer: Answer) -> str:
    """Paystack's name of a recipient. Raises AnswerInvalid where the answer has none."""
    code = text(data_of(answer).get("recipient_code"))
    if not code:
        raise AnswerInvalid("not a recipient")
    return code


def transfer_body(operation: Operation, recipient_code: str) -> dict[str, Any]:
    """The request to Paystack to pay the recipient out of our balance."""
    body = {
        "source": "balance",
        # All four currencies have two digits, here and in ISO 4217.
        "amount": operation.amount.amount_minor,
        "currency": operation.amount.currency,
        "recipient": recipient_code,
        "reference": operation.key,
    }
    if operation.reference:
        body["reason"] = operation.reference
    return body


def read_transfer(operation: Operation, transfer: dict[str, Any]) -> OperationResult:
    """The operation's result, by its transfer. Raises AnswerInvalid where it is none."""
    status = text(transfer.get("status"))
    outcome = STATUSES.get(status, Outcome.UNKNOWN)
    stated = Stated(
        noun="transfer",
        id=text(transfer.get("transfer_code")),
        key=transfer.get("reference"),
        status=status,
        has_amount=states_money(transfer.get("amount"), transfer.get("currency")),
        amount=minor_units(transfer.get("amount"), transfer.get("currency")),
        outcome=outcome,
        failure=_failure(status, outcome, transfer),
        at=instant(transfer.get("transferred_at")),
    )
    return read_stated(operation, stated)


def _failure(status: str, outcome: Outcome, transfer: dict[str, Any]) -> Failure | None:
    if outcome is Outcome.FAILED:
        cause = text(transfer.get("gateway_response"))
        # Money that came back is no refusal, whatever the bank says of it.
        ours = failure_code(cause) if status == "failed" else None
        return Failure(ours or FAILURES[status], cause or f"the transfer is {status}")
    if status == "otp":
        return Failure("otp_required", "somebody must confirm the transfer at Paystack")
    if outcome is Outcome.UNKNOWN:
        return unknown_status("transfer", status)
    return None


def says_absent(answer: Answer) -> bool:
    """Whether Paystack itself says so; a 404 alone could come from anything on the way."""
    return answer.status in (400, 404) and (
        error_of(answer)["message"].lower().startswith("transfer not found")
    )


def data_of(answer: Answer) -> dict[str, Any]:
    """The content of a success. Raises AnswerInvalid where the answer is none."""
    envelope = read_object(answer.body)
    data = envelope.get("data")
    if envelope.get("status") is not True or not isinstance(data, dict):
        raise AnswerInvalid("not a success")
    return data


def list_of(answer: Answer) -> list[object]:
    """The list that a success holds. Raises AnswerInvalid where the answer is none."""
    envelope = read_object(answer.body)
    data = envelope.get("data")
    if envelope.get("status") is not True or not isinstance(data, list):
        raise AnswerInvalid("not a list")
    return data


def read_listed(transfer: Mapping[str, Any]) -> ListedOperation:
    """A transfer of the list."""
    return ListedOperation(
        key=text(transfer.get("reference")),
        provider_reference=text(transfer.get("transfer_code")),
        created_at=instant(transfer.get("createdAt")),
    )


def error_of(answer: Answer) -> dict[str, str]:
    """The code, type and message of an error of Paystack's own. Raises AnswerInvalid."""
    envelope = read_object(answer.body)
    if envelope.get("status") is not False:
        raise AnswerInvalid("not an error")
    return {name: text(envelope.get(name)) for name in ("code", "type", "message")}


def without_recipient(result: OperationResult) -> OperationResult:
    """NOT_SENT: whatever became of the recipient, no transfer was asked for in this try."""
    failure = result.failure or Failure("provider_fault")
    return replace(
        result,
        outcome=Outcome.NOT_SENT,
        failure=replace(failure, message=f"no recipient was made: {failure.message}"),
    )


def read_event(raw: bytes) -> WebhookEvent:
    """The content of a verified event. Raises Invalid where it is no event."""
    body = read_event_object(raw)
    event_type, data = text(body.get("event")), body.get("data")
    if not event_type or not isinstance(data, dict):
        raise not_an_event("an event with event and data")
    event_id = f"{event_type}:{_id(data) or hashlib.sha256(raw).hexdigest()}"[:255]
    ours = _OUR_KEY.fullmatch(text(data.get("reference")))
    status = EVENTS.get(event_type)
    if ours is None or status is None:
        return WebhookEvent(event_id=event_id, event_type=event_type)
    named_status = text(data.get("status")) or status
    outcome = STATUSES[status] if named_status in STATUSES else Outcome.UNKNOWN
    return WebhookEvent(
        event_id=event_id,
        event_type=event_type,
        transaction_id=ours[1],
        key=ours[0],
        kind=Kind.PAYOUT,
        outcome=outcome,
        provider_reference=text(data.get("transfer_code")),
        amount=minor_units(data.get("amount"), data.get("currency")),
        failure=_failure(status if named_status in STATUSES else named_status, outcome, data),
    )


def _id(data: dict[str, Any]) -> str:
    number = data.get("id")
    return text(str(number) if type(number) is int else data.get("transfer_code"))
