"""Flutterwave's words and our outcomes: the tables, and the few functions that read transfers
and events by them. An answer that is not listed here is UNKNOWN, and every field is checked
before it counts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from services.providers.adapters.flutterwave.api import Envelope, Json, as_object
from services.providers.adapters.flutterwave.refusals import (
    FAILURES,
    KEY_REFUSALS,
    REFUSALS,
    failure_code,
    is_duplicate,
    refusal_code,
)
from services.providers.adapters.kit import answers
from services.providers.adapters.kit.amounts import major_units, states_money
from services.providers.adapters.kit.answers import (
    Stated,
    read_stated,
    unknown_status,
)
from services.providers.adapters.kit.events import not_an_event, read_event_object
from services.providers.adapters.kit.http import AnswerInvalid, instant, text
from services.providers.adapters.kit.recipients import UNPAYABLE
from services.providers.adapters.kit.refusals import CURRENCY_UNSUPPORTED, REQUEST_INVALID, code_of
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
    refused,
    unknown,
)
from services.providers.listed import ListedOperation
from services.shared.recipients import BankAccount, MobileMoney, Recipient

# Its name in messages for operators.
NAME = "Flutterwave"
# The outcome of a transfer's status; "FAILED" needs the closer look below.
STATUSES = {
    "NEW": Outcome.PENDING,
    "PENDING": Outcome.PENDING,
    "SUCCESSFUL": Outcome.SUCCEEDED,
    "FAILED": Outcome.FAILED,
}
# The amount that our request cannot state.
AMOUNT_UNSUPPORTED = "amount_unsupported"
# All that a FAILED or REFUSED of ours can say about a payout.
DEFINITIVE_FAILURES = frozenset(
    {*REFUSALS.values(), *KEY_REFUSALS.values(), *FAILURES.values()}
    | {AMOUNT_UNSUPPORTED, CURRENCY_UNSUPPORTED, REQUEST_INVALID}
    | UNPAYABLE
)
# A refusal within a 200 leaves open what happened.
AMBIGUOUS = {**answers.AMBIGUOUS, 200: "request_refused", 409: "reference_reused"}
TRANSFER_EVENT = "transfer.completed"
NARRATION_LENGTH_MAX = 100
# Its words for an account that is not there, with this HTTP status.
UNRESOLVED = dict.fromkeys(
    (
        "sorry, recipient account could not be validated…",
        "account resolve failed…",
        "invalid account…",
    ),
    "recipient_account_invalid",
)
REFUSED_STATUS = 400

# Its codes of mobile networks, by currency and by our words.
NETWORKS = {
    ("GHS", "AIRTELTIGO"): "TIGO",
    ("GHS", "MTN"): "MTN",
    ("GHS", "TELECEL"): "VODAFONE",
    ("KES", "AIRTEL"): "MPX",
    ("KES", "MPESA"): "MPS",
    **{("XOF", operator): "FMM" for operator in ("MOOV", "MTN", "ORANGE")},
    ("XOF", "WAVE"): "WAVE",
    # Of these countries one code stands for every network.
    **{
        (currency, operator): "MPS"
        for currency, operators in (
            ("RWF", ("AIRTEL", "MTN")),
            ("TZS", ("AIRTEL", "HALOPESA", "MPESA", "TIGO")),
            ("UGX", ("AIRTEL", "MTN")),
            ("ZMW", ("AIRTEL", "MTN", "ZAMTEL")),
        )
        for operator in operators
    },
}


@dataclass(frozen=True, kw_only=True)
class Account:
    """A recipient as Flutterwave names it: the code of a bank or of a network, and a number."""

    bank: str = field(repr=False)
    number: str = field(repr=False)
    name: str = field(repr=False)


def account_of(recipient: Recipient, currency: str) -> Account | None:
    """The account of a recipient; None where Flutterwave pays none of this kind."""
    name = recipient.holder_name
    match recipient:
        case BankAccount(account_number=number, bank_code=bank) if number:
            return Account(bank=bank, number=number, name=name)
        case MobileMoney(operator=operator) if (currency, operator) in NETWORKS:
            # It writes numbers with the country's code and without the plus.
            number = recipient.phone_number.removeprefix("+")
            return Account(bank=NETWORKS[currency, operator], number=number, name=name)
    return None


def read_holder(envelope: Envelope, account: Account) -> Holder:
    """The account's holder. An answer about another account, or in words that it does not use for
    an account that is not there, is no answer."""
    if envelope.http_status == REFUSED_STATUS and code_of(envelope.message, UNRESOLVED):
        return Holder(resolution=Resolution.NOT_FOUND)
    data = envelope.data if envelope.succeeded and isinstance(envelope.data, dict) else {}
    name = text(data.get("account_name"))
    if not name or data.get("account_number") != account.number:
        return UNANSWERED
    return Holder(resolution=Resolution.FOUND, name=name)


def transfer_body(operation: Operation, account: Account, amount: Decimal) -> Json:
    """The request to Flutterwave, the same for accounts at banks and at mobile networks."""
    currency = operation.amount.currency
    body: Json = {
        "account_bank": account.bank,
        "account_number": account.number,
        "amount": amount,
        # Left out, either of the two would be naira.
        "currency": currency,
        "debit_currency": currency,
        "reference": operation.key,
        "narration": operation.reference[:NARRATION_LENGTH_MAX] or operation.transaction_id,
        "meta": {"transaction_id": operation.transaction_id},
    }
    if account.name:
        body["beneficiary_name"] = account.name
    return body


def read_listed(transfer: Mapping[str, Any]) -> ListedOperation:
    """A transfer of the list."""
    number = transfer.get("id")
    return ListedOperation(
        key=text(transfer.get("reference")),
        provider_reference=str(number) if type(number) is int else "",
        created_at=instant(transfer.get("created_at")),
    )


def transfer_id(transfer: Json) -> str:
    """Flutterwave's id of a transfer. Raises AnswerInvalid where it has none."""
    number = transfer.get("id")
    if type(number) is not int or not 0 < number < 10**18:
        raise AnswerInvalid("a transfer without its id")
    return str(number)


def read_transfer(operation: Operation, data: object) -> OperationResult:
    """The operation's result, by its transfer. Raises AnswerInvalid where it is none."""
    transfer = as_object(data)
    outcome, failure = _outcome(text(transfer.get("status")), transfer)
    stated = Stated(
        noun="transfer",
        id=transfer_id(transfer),
        key=transfer.get("reference"),
        status=text(transfer.get("status")),
        has_amount=states_money(transfer.get("amount"), transfer.get("currency")),
        amount=major_units(transfer.get("amount"), transfer.get("currency")),
        outcome=outcome,
        failure=failure,
        at=instant(transfer.get("created_at")),
    )
    return read_stated(operation, stated)


def ambiguous(operation: Operation, envelope: Envelope) -> OperationResult:
    """UNKNOWN: an answer that is no transfer, with its own words for an operator."""
    status, words = envelope.http_status, envelope.message
    return answers.ambiguous(operation, status, NAME, AMBIGUOUS, said=words)


def read_refusal(operation: Operation, envelope: Envelope) -> OperationResult:
    """The result of a request that was no success, where no transfer has its reference."""
    status, words = envelope.http_status, envelope.message
    if not envelope.is_refusal:
        return ambiguous(operation, envelope)
    if is_duplicate(status, words):
        return unknown(operation.key, "reference_reused", "known, and yet not to be found")
    code = refusal_code(status, words)
    return refused(operation.key, code, words) if code else ambiguous(operation, envelope)


def read_event(body: bytes) -> WebhookEvent:
    """The content of a webhook: always a hint to look the transfer up. Raises Invalid."""
    event = read_event_object(body, exact=True)
    event_type, data = text(event.get("event")), event.get("data")
    if not event_type or not isinstance(data, dict) or type(data.get("id")) is not int:
        raise not_an_event("an event with a type, and data with an id")
    status = text(data.get("status"))
    # It has no id of its own; one transfer says each status once.
    event_id = f"{event_type}:{data['id']}:{status}"[:255]
    key = text(data.get("reference"), 100)
    if event_type != TRANSFER_EVENT or not key:
        return WebhookEvent(event_id=event_id, event_type=event_type)
    outcome, failure = _outcome(status, data)
    return WebhookEvent(
        event_id=event_id,
        event_type=event_type,
        transaction_id=_transaction_id(data.get("meta")),
        key=key,
        kind=Kind.PAYOUT,
        outcome=outcome,
        provider_reference=str(data["id"])[:255],
        amount=major_units(data.get("amount"), data.get("currency")),
        failure=failure,
    )


def _outcome(status: str, transfer: Json) -> tuple[Outcome, Failure | None]:
    outcome = STATUSES.get(status, Outcome.UNKNOWN)
    if outcome is Outcome.UNKNOWN:
        return outcome, unknown_status("transfer", status)
    if outcome is not Outcome.FAILED:
        return outcome, None
    cause = text(transfer.get("complete_message"))
    if code := failure_code(cause):
        return outcome, Failure(code, cause)
    return Outcome.UNKNOWN, Failure("failure_unknown", cause or "failed, and no word why")


def _transaction_id(meta: Any) -> str:
    return text(meta.get("transaction_id"), 80) if isinstance(meta, dict) else ""
