"""Why Flutterwave does not take a transfer, or why one failed: its sentences and our codes. It
publishes no closed list of them; these are of its documents, its SDKs, and the NIP switch behind
it, as users report them."""

from services.providers.adapters.kit.refusals import (
    AMOUNT_INVALID,
    CURRENCY_UNSUPPORTED,
    PAYOUT_FAILED,
    PAYOUT_RETURNED,
    REQUEST_INVALID,
    Sentences,
    code_of,
)
from services.providers.failures import (
    BANK_UNAVAILABLE,
    CREDENTIALS_REFUSED,
    INSUFFICIENT_BALANCE,
    LIMIT_EXCEEDED,
    PAYOUTS_UNAVAILABLE,
    RECIPIENT_ACCOUNT_BLOCKED,
    RECIPIENT_ACCOUNT_CLOSED,
    RECIPIENT_ACCOUNT_INVALID,
    RECIPIENT_BANK_UNKNOWN,
    RECIPIENT_INVALID,
    RECIPIENT_LIMIT_EXCEEDED,
    RECIPIENT_NAME_MISMATCH,
)

VALIDATION, UNAUTHORIZED = 400, 401
# A request with a reference that is taken; what became of the transfer is asked, never assumed.
DUPLICATES: Sentences = dict.fromkeys(
    ("…already exist…", "…already been used…", "…already used…", "…duplicate…"), "reference_reused"
)
# The words of a 400 to the request of a transfer; any others are of our request.
REFUSALS: Sentences = {
    "account_number …": RECIPIENT_ACCOUNT_INVALID,
    "account number …": RECIPIENT_ACCOUNT_INVALID,
    "invalid account…": RECIPIENT_ACCOUNT_INVALID,
    "…account resolve failed…": RECIPIENT_ACCOUNT_INVALID,
    "…account could not be validated…": RECIPIENT_ACCOUNT_INVALID,
    "account_bank …": RECIPIENT_BANK_UNKNOWN,
    "destination_branch_code …": RECIPIENT_BANK_UNKNOWN,
    "invalid bank…": RECIPIENT_BANK_UNKNOWN,
    "unknown bank…": RECIPIENT_BANK_UNKNOWN,
    "bank code …": RECIPIENT_BANK_UNKNOWN,
    "beneficiary_name …": RECIPIENT_INVALID,
    "beneficiary name …": RECIPIENT_INVALID,
    "…insufficient funds…": INSUFFICIENT_BALANCE,
    "…insufficient balance…": INSUFFICIENT_BALANCE,
    "…limit exceeded…": LIMIT_EXCEEDED,
    "…exceeded your daily…": LIMIT_EXCEEDED,
    "please enable ip whitelisting to access this service": PAYOUTS_UNAVAILABLE,
    "…transfers are disabled…": PAYOUTS_UNAVAILABLE,
    "amount …": AMOUNT_INVALID,
    "invalid transfer amount…": AMOUNT_INVALID,
    "currency …": CURRENCY_UNSUPPORTED,
    "debit_currency …": CURRENCY_UNSUPPORTED,
    "…currency is not supported…": CURRENCY_UNSUPPORTED,
}
# The words of a 401.
KEY_REFUSALS: Sentences = {
    "authorization required": CREDENTIALS_REFUSED,
    "invalid authorization key": CREDENTIALS_REFUSED,
    "merchant secret key required": CREDENTIALS_REFUSED,
}
# Why a transfer failed, by its complete_message without "DISBURSE FAILED:". Any other cause is left
# to a person, because nobody has yet said what it proves.
FAILURES: Sentences = {
    "invalid account": RECIPIENT_ACCOUNT_INVALID,
    "invalid account number": RECIPIENT_ACCOUNT_INVALID,
    "account resolve failed…": RECIPIENT_ACCOUNT_INVALID,
    "dormant account": RECIPIENT_ACCOUNT_CLOSED,
    "account closed": RECIPIENT_ACCOUNT_CLOSED,
    "do not honor": RECIPIENT_ACCOUNT_BLOCKED,
    "do not honour": RECIPIENT_ACCOUNT_BLOCKED,
    "fraud": RECIPIENT_ACCOUNT_BLOCKED,
    "security violation": RECIPIENT_ACCOUNT_BLOCKED,
    "account name mismatch": RECIPIENT_NAME_MISMATCH,
    "unknown bank code": RECIPIENT_BANK_UNKNOWN,
    "beneficiary_name is required": RECIPIENT_INVALID,
    "beneficiary account limit exceeded": RECIPIENT_LIMIT_EXCEEDED,
    "beneficiary bank not available": BANK_UNAVAILABLE,
    "insufficient funds": INSUFFICIENT_BALANCE,
    "insufficient funds in customer wallet": INSUFFICIENT_BALANCE,
    "insufficient funds in customer balance": INSUFFICIENT_BALANCE,
    "no sufficient funds": INSUFFICIENT_BALANCE,
    "transfer limit exceeded": LIMIT_EXCEEDED,
    "exceeds withdrawal frequency": LIMIT_EXCEEDED,
    "you can only spend … at once": LIMIT_EXCEEDED,
    "you have exceeded your daily limit…": LIMIT_EXCEEDED,
    "you have exceeded your daily frequency…": LIMIT_EXCEEDED,
    "transaction not permitted to sender": PAYOUTS_UNAVAILABLE,
    "transaction not permitted on channel": PAYOUTS_UNAVAILABLE,
    "invalid amount": AMOUNT_INVALID,
    "invalid transfer amount…": AMOUNT_INVALID,
    "transfer failed. please contact support": PAYOUT_FAILED,
    "transaction reversed": PAYOUT_RETURNED,
}
_ADMITTED_PREFIX = "disburse failed:"


def is_duplicate(status: int, words: str) -> bool:
    """Whether a request was refused because a transfer has its reference."""
    return status == VALIDATION and code_of(words, DUPLICATES) is not None


def refusal_code(status: int, words: str) -> str | None:
    """Our code of a refused request, which has created nothing; None where that is not certain."""
    if status == UNAUTHORIZED:
        return code_of(words, KEY_REFUSALS)
    if status != VALIDATION or is_duplicate(status, words):
        return None
    return code_of(words, REFUSALS) or REQUEST_INVALID


def failure_code(complete_message: str) -> str | None:
    """Our code of a failed transfer's cause; None where nobody has said what it proves."""
    cause = complete_message.casefold().strip().removeprefix(_ADMITTED_PREFIX)
    return code_of(cause, FAILURES)
