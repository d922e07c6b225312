"""The requests that Wise takes: the fields that each type of recipient must have, amounts in
major units, times, and the form of its errors."""

import json
import re
import uuid
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from aiohttp import web

from services.providers.simulator.bearer import Refusal
from services.providers.simulator.faults.modes import REFUSED_NAME
from services.providers.simulator.wise_refusals import errors

Json = dict[str, Any]

# Digits after the point, where a currency has not two.
DIGITS = {"JPY": 0, "KWD": 3, "UGX": 0, "VND": 0, "XOF": 0}
# The fields that each type of recipient must have.
RECIPIENTS: dict[str, tuple[str, ...]] = {
    "bangladesh": ("bankCode", "branchCode", "accountNumber"),
    "brazil": ("bankCode", "branchCode", "accountNumber", "accountType"),
    "colombia": ("bankCode", "accountNumber", "accountType", "idDocumentNumber"),
    "ghana_local": ("bankCode", "accountNumber"),
    "iban": ("IBAN",),
    "indian": ("ifscCode", "accountNumber"),
    "indonesian": ("bankCode", "accountNumber"),
    "japanese": ("bankCode", "branchCode", "accountType", "accountNumber"),
    "kenya_local": ("bankCode", "accountNumber"),
    "kenya_mobile": ("accountNumber",),
    "mexican": ("clabe",),
    "nigeria": ("bankCode", "accountNumber"),
    "philippines": ("bankCode", "accountNumber"),
    "sort_code": ("sortCode", "accountNumber"),
    "vietname_earthport": ("swiftCode", "accountNumber"),
}
# No bank has an account with it, in whichever country.
WRONG = "00000000"
_VALUE = re.compile(r"[0-9A-Z-]{2,34}", re.ASCII)


class Refused(Refusal):
    """A request that Wise does not take."""

    def __init__(self, status: int, code: str, message: str, path: str = "") -> None:
        super().__init__(status, message, errors(code, message, path))


async def body_of(request: web.Request) -> Json:
    """The request's JSON. Raises Refused."""
    try:
        body = json.loads(await request.text())
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Refused(400, "NOT_VALID", "Invalid request body")
    return body


def recipient_of(body: Json) -> Json:
    """The recipient, every field checked. Raises Refused."""
    kind, details = str(body.get("type")), body.get("details")
    if kind not in RECIPIENTS or not isinstance(details, dict):
        raise Refused(422, "NOT_VALID", "Recipient type is not valid", "type")
    name = str(body.get("accountHolderName") or "")
    if len(name) < 2 or REFUSED_NAME in name:
        raise Refused(422, "NOT_VALID", "Please enter the full name", "accountHolderName")
    for field in RECIPIENTS[kind]:
        value = str(details.get(field) or "")
        if not _VALUE.fullmatch(value) or WRONG in value:
            raise Refused(422, "NOT_VALID", f"Please enter a valid {field}", field)
    return {
        "currency": str(body.get("currency")),
        "type": kind,
        "accountHolderName": name,
        "details": details,
    }


def in_minor(number: object, currency: str) -> int | None:
    """An amount in minor units; None where it is none."""
    if isinstance(number, bool) or not isinstance(number, int | float):
        return None
    minor = Decimal(str(number)).scaleb(DIGITS.get(currency, 2))
    return int(minor) if minor == minor.to_integral_value() and minor > 0 else None


def is_uuid(text: str) -> bool:
    """Whether the text is a UUID."""
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


def time_of(text: str) -> datetime:
    """The time that a query names; long ago where it names none."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return datetime.fromtimestamp(0, UTC)
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def now() -> str:
    """The time, as Wise writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
