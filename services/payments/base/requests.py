"""The parts of requests that merchants and operators both send: a recipient, and how much of a
payment is refunded."""

from typing import Any

from services.payments.base.problems import Problems, fields_invalid
from services.shared.errors import field_invalid
from services.shared.money import SOURCE_CURRENCY, Money, parse_amount
from services.shared.recipients import Recipient, given_fields
from services.shared.recipients.rules import FIELD_REQUIRED, path_of
from services.shared.recipients.wire import read_recipient
from services.shared.text import limited_text

LONGEST_TEXT = 140
_KINDS = "bank_account, mobile_money or wallet"
read_refund_reason = limited_text("reason", LONGEST_TEXT)


def read_given(request: Any, problems: Problems) -> Recipient | None:
    """The recipient of a request, its texts visible; what is wrong with it goes to the problems.
    None where the request names none."""
    if not request.HasField("recipient"):
        return None
    recipient = read_recipient(request.recipient)
    if recipient is None:
        words = f"recipient must have one kind: {_KINDS}"
        problems.add(field_invalid("recipient", words, FIELD_REQUIRED))
        return None
    for name, text in given_fields(recipient).items():
        problems.read(limited_text(path_of(recipient.kind, name), LONGEST_TEXT), text, "")
    return recipient


def read_new_recipient(request: Any, problems: Problems) -> Recipient:
    """The recipient that a payment is corrected to. Raises Invalid with every field that is
    wrong."""
    recipient = read_given(request, problems)
    problems.raise_any()
    if recipient is None:
        raise field_invalid("recipient", "recipient is required", FIELD_REQUIRED)
    return recipient


def refuse_unclear_part(request: Any) -> None:
    """Raises Invalid unless a request for a refund states how much, in one way."""
    if request.full and request.amount_usd:
        words = "amount_usd or full: true, not both"
        raise fields_invalid(("amount_usd", "full"), words, "FIELDS_CONTRADICTORY")
    if not request.full and not request.amount_usd:
        words = "amount_usd, or full: true for all that is left, is required"
        raise fields_invalid(("amount_usd", "full"), words, "FIELD_REQUIRED")


def read_amount_usd(text: str) -> Money:
    """An amount in US dollars. Raises Invalid."""
    return parse_amount(text, SOURCE_CURRENCY, field="amount_usd")
