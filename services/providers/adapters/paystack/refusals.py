"""Why Paystack does not take a transfer or its recipient, or why a transfer failed: the codes and
sentences of its published list of errors, and our codes."""

from collections.abc import Mapping

from services.providers.adapters.kit.refusals import (
    AMOUNT_INVALID,
    CURRENCY_UNSUPPORTED,
    REQUEST_INVALID,
    Sentences,
    code_of,
)
from services.providers.failures import (
    BANK_UNAVAILABLE,
    CREDENTIALS_REFUSED,
    INSUFFICIENT_BALANCE,
    PAYOUTS_UNAVAILABLE,
    RECIPIENT_ACCOUNT_BLOCKED,
    RECIPIENT_ACCOUNT_CLOSED,
    RECIPIENT_ACCOUNT_INVALID,
    RECIPIENT_BANK_UNKNOWN,
    RECIPIENT_INVALID,
)

# By its documents a request that is answered so was not fulfilled.
NOT_FULFILLED = (400, 404)
UNAUTHORIZED = 401
DUPLICATE = "duplicate_transfer_reference"
DUPLICATES: Sentences = {"…reference already exists on a transfer": "reference_reused"}
# The type of an error in what we sent.
VALIDATION = "validation_error"
REFUSED_CODES: Mapping[str, str] = {
    "insufficient_balance": INSUFFICIENT_BALANCE,
    "transfer_unavailable": PAYOUTS_UNAVAILABLE,
    "invalid_bank_code": RECIPIENT_BANK_UNKNOWN,
}
REFUSALS: Sentences = {
    "account number is required": RECIPIENT_ACCOUNT_INVALID,
    "account_number is required": RECIPIENT_ACCOUNT_INVALID,
    "account number is invalid": RECIPIENT_ACCOUNT_INVALID,
    "account number should be numeric": RECIPIENT_ACCOUNT_INVALID,
    "account number must be at least … digits in length": RECIPIENT_ACCOUNT_INVALID,
    "either authorization_code or account_number must be passed": RECIPIENT_ACCOUNT_INVALID,
    "cannot resolve account": RECIPIENT_ACCOUNT_INVALID,
    "could not resolve account name…": RECIPIENT_ACCOUNT_INVALID,
    "account closed": RECIPIENT_ACCOUNT_CLOSED,
    "sorry, we cant make the transfer to this recipient at the moment": RECIPIENT_ACCOUNT_BLOCKED,
    "bank code is invalid": RECIPIENT_BANK_UNKNOWN,
    "unknown bank code": RECIPIENT_BANK_UNKNOWN,
    "bank is invalid": RECIPIENT_BANK_UNKNOWN,
    "bank_code is required": RECIPIENT_BANK_UNKNOWN,
    "recipient specified is invalid": RECIPIENT_INVALID,
    "your balance is not enough to fulfil this request": INSUFFICIENT_BALANCE,
    "your balance is not enough to fulfill this request": INSUFFICIENT_BALANCE,
    "you cannot initiate third party payouts…": PAYOUTS_UNAVAILABLE,
    "integration has been deactivated": PAYOUTS_UNAVAILABLE,
    "system malfunction": BANK_UNAVAILABLE,
    "invalid amount passed": AMOUNT_INVALID,
    "invalid amount sent": AMOUNT_INVALID,
    "amount must be an integer": AMOUNT_INVALID,
    "currency not supported by merchant": CURRENCY_UNSUPPORTED,
    "your reference contains illegal special characters": REQUEST_INVALID,
    "invalid entries found": REQUEST_INVALID,
}
# The words of a 401.
KEY_REFUSALS: Sentences = {
    "invalid key": CREDENTIALS_REFUSED,
    "no authorization header was found": CREDENTIALS_REFUSED,
    "format is authorization bearer [secret key]": CREDENTIALS_REFUSED,
    "authentication token expired": CREDENTIALS_REFUSED,
    "error: you do not have privileges for this action…": CREDENTIALS_REFUSED,
}


def is_duplicate(error: Mapping[str, str]) -> bool:
    """Whether a transfer has the reference."""
    return error["code"] == DUPLICATE or code_of(error["message"], DUPLICATES) is not None


def listed_code(status: int, error: Mapping[str, str]) -> str | None:
    """Our code of a refused request, which has created nothing, by its published words; None where
    they are no such words."""
    if status == UNAUTHORIZED:
        return code_of(error["message"], KEY_REFUSALS)
    if status not in NOT_FULFILLED:
        return None
    return REFUSED_CODES.get(error["code"]) or code_of(error["message"], REFUSALS)


def failure_code(said: str) -> str | None:
    """Our code of a failed transfer's cause; None where it is none that is published."""
    return code_of(said, REFUSALS)
