"""The refusals of Wise: each that can be asked for by its number, as an HTTP status and a body, and
the statuses in which a transfer fails. Rows are only ever added at the end: their numbers are
used."""

from typing import Any

Json = dict[str, Any]


def errors(code: str, message: str, path: str = "") -> Json:
    """The body of a refusal."""
    return {"errors": [{"code": code, "message": message, "path": path, "arguments": []}]}


def rejected(code: str, message: str) -> Json:
    """A funding that the balance does not give."""
    return {"type": "BALANCE", "status": "REJECTED", "errorCode": code, "errorMessage": message}


INVALID_TOKEN = (401, {"error": "invalid_token", "error_description": "Invalid token"})
NO_BALANCE = (
    200,
    rejected(
        "transfer.insufficient_funds",
        "Your balance does not have enough funds for this transfer",
    ),
)
RECIPIENT_REFUSALS = (
    *(
        (422, errors("NOT_VALID", f"Please enter a valid {path}", path))
        for path in (
            "IBAN",
            "accountNumber",
            "clabe",
            "bankCode",
            "branchCode",
            "ifscCode",
            "sortCode",
            "swiftCode",
        )
    ),
    (422, errors("NOT_VALID", "Please enter the first and last name", "accountHolderName")),
    (400, errors("NOT_VALID", "Recipient type is not valid", "type")),
    INVALID_TOKEN,
)
FUNDING_REFUSALS = (
    NO_BALANCE,
    (
        200,
        rejected(
            "balance.payment-option-unavailable", "You cannot pay this transfer from your balance"
        ),
    ),
    INVALID_TOKEN,
)
FAILURES = ("cancelled", "funds_refunded")
