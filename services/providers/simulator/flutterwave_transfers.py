"""Flutterwave's rules for a transfer, without the server: reading the request, its fees,
the two forms of a transfer, and its envelope."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from services.providers.simulator.bearer import Refusal
from services.providers.simulator.book import Line

Json = dict[str, Any]

PROVIDER = "flutterwave"
QUEUED = "Transfer Queued Successfully"

_WHOLE = {"UGX", "XAF", "XOF"}
# The fee of a transfer up to an amount, in minor units; the last one has no upper bound.
_NAIRA_FEES = ((500_000, 1_075), (5_000_000, 2_688))
_NAIRA_FEE_MAX = 5_375
_FEE = {
    "GHS": 1_000,
    "KES": 10_000,
    "TZS": 100_000,
    "UGX": 500,
    "USD": 4_000,
    "XAF": 500,
    "XOF": 500,
}
# Its balances are in these.
BALANCES = {"NGN", *_FEE}


class Refused(Refusal):
    """A request that Flutterwave does not take."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(status, message, error(message))


def error(message: str) -> Json:
    """The envelope of a refusal."""
    return {"status": "error", "message": message, "data": None}


def success(message: str, data: object, **more: object) -> Json:
    """The envelope of an answer."""
    return {"status": "success", "message": message, **more, "data": data}


def duplicate(reference: object) -> str:
    """The refusal of a reference that was used before."""
    return f"Transfer with reference {reference} already exists"


def new_transfer(body: Mapping[str, Any], number: int) -> Json:
    """The transfer that a request asks for, every field checked. Raises Refused."""
    for name in ("account_bank", "account_number", "amount", "currency", "debit_currency"):
        if body.get(name) in (None, ""):
            raise Refused(400, f"{name} is required")
    currency = known_currency(body["currency"])
    if body["debit_currency"] != currency:
        raise Refused(400, "this simulator pays out of a balance of the same currency only")
    account, reference = str(body["account_number"]), str(body.get("reference") or "")
    if not re.fullmatch(r"\+?[0-9A-Za-z]{4,20}", account, re.ASCII):
        raise Refused(400, "account_number is invalid")
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,100}", reference, re.ASCII):
        raise Refused(400, "reference is invalid")
    amount_minor = read_amount(body["amount"], currency)
    return {
        "id": number,
        "account_number": account,
        "bank_code": str(body["account_bank"]),
        "full_name": str(body.get("beneficiary_name") or "Test Recipient"),
        "created_at": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "currency": currency,
        "amount_minor": amount_minor,
        "fee_minor": fee_minor(amount_minor, currency),
        "status": "NEW",
        "reference": reference,
        "meta": body.get("meta"),
        "narration": str(body.get("narration") or "")[:100],
        "complete_message": "",
    }


def known_currency(currency: object) -> str:
    """The currency, where there is a balance in it. Raises Refused."""
    if not isinstance(currency, str) or currency not in BALANCES:
        raise Refused(400, "currency is not supported")
    return currency


def read_amount(number: object, currency: str) -> int:
    """The amount in minor units, exact. Raises Refused."""
    if type(number) is int:
        number = Decimal(number)
    if not isinstance(number, Decimal) or not 0 < number <= 10**13:
        raise Refused(400, "amount must be a positive number")
    minor = number.scaleb(_digits(currency))
    if minor != minor.to_integral_value():
        raise Refused(400, "amount has too many digits")
    return int(minor)


def number_of(amount_minor: int, currency: str) -> int | float:
    """The amount as Flutterwave writes it, in major units. It calculates in JavaScript's numbers,
    which hold 15 digits exactly: more than any amount here has."""
    major = Decimal(amount_minor).scaleb(-_digits(currency))
    return int(major) if major == major.to_integral_value() else float(major)


def fee_minor(amount_minor: int, currency: str) -> int:
    """The fee of a transfer of this amount."""
    if currency != "NGN":
        return _FEE[currency]
    return next((fee for top, fee in _NAIRA_FEES if amount_minor <= top), _NAIRA_FEE_MAX)


def as_answer(transfer: Json, **name: str) -> Json:
    """A transfer as the API and its events show it; they call the recipient's name differently."""
    currency = transfer["currency"]
    return {
        "id": transfer["id"],
        "account_number": transfer["account_number"],
        "bank_code": transfer["bank_code"],
        **(name or {"full_name": transfer["full_name"]}),
        "created_at": transfer["created_at"],
        "currency": currency,
        "debit_currency": currency,
        "amount": number_of(transfer["amount_minor"], currency),
        "fee": number_of(transfer["fee_minor"], currency),
        "status": transfer["status"],
        "reference": transfer["reference"],
        "meta": transfer["meta"],
        "narration": transfer["narration"],
        "approver": None,
        "complete_message": transfer["complete_message"],
        "requires_approval": 0,
        "is_approved": 1,
        "bank_name": "Test Bank",
    }


def line(transfer: Json, effect: str) -> Line:
    """The book's line of what happened to a transfer."""
    meta = transfer["meta"]
    return Line(
        provider=PROVIDER,
        effect=effect,
        key=transfer["reference"],
        id=str(transfer["id"]),
        transaction_id=str(meta.get("transaction_id", "")) if isinstance(meta, dict) else "",
        reference=transfer["narration"],
        amount_minor=transfer["amount_minor"],
        currency=transfer["currency"],
        state=transfer,
    )


def _digits(currency: str) -> int:
    return 0 if currency in _WHOLE else 2
