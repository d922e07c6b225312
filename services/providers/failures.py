"""The codes of failures by whose cause the engine decides: of the recipient, or of the route. Codes
of another cause are in adapters.kit.refusals."""

# The codes of failures that are about the recipient, and of no others.
RECIPIENT_ACCOUNT_INVALID = "recipient_account_invalid"
RECIPIENT_ACCOUNT_CLOSED = "recipient_account_closed"
RECIPIENT_ACCOUNT_BLOCKED = "recipient_account_blocked"
RECIPIENT_NAME_MISMATCH = "recipient_name_mismatch"
RECIPIENT_BANK_UNKNOWN = "recipient_bank_unknown"
# The recipient cannot be reached at all: the telephone number or wallet takes no money.
RECIPIENT_UNREACHABLE = "recipient_unreachable"
# The recipient may hold or receive no more.
RECIPIENT_LIMIT_EXCEEDED = "recipient_limit_exceeded"
# A payment names nobody; it is not sent at all.
RECIPIENT_MISSING = "recipient_missing"
# Something else of the recipient.
RECIPIENT_INVALID = "recipient_invalid"
RECIPIENT_FAILURES = frozenset(
    {
        RECIPIENT_ACCOUNT_INVALID,
        RECIPIENT_ACCOUNT_CLOSED,
        RECIPIENT_ACCOUNT_BLOCKED,
        RECIPIENT_NAME_MISMATCH,
        RECIPIENT_BANK_UNKNOWN,
        RECIPIENT_UNREACHABLE,
        RECIPIENT_LIMIT_EXCEEDED,
        RECIPIENT_INVALID,
        RECIPIENT_MISSING,
    }
)
# Codes of a failure that is of the route, and may pass.
# A person has to correct our key, or the rights of our account.
ACCESS_REFUSED = "access_refused"
CREDENTIALS_REFUSED = "credentials_refused"
BANK_UNAVAILABLE = "bank_unavailable"
INSUFFICIENT_BALANCE = "insufficient_balance"
LIMIT_EXCEEDED = "limit_exceeded"
PAYOUTS_UNAVAILABLE = "payouts_unavailable"
PASSING_FAILURES = frozenset(
    {
        ACCESS_REFUSED,
        BANK_UNAVAILABLE,
        CREDENTIALS_REFUSED,
        INSUFFICIENT_BALANCE,
        LIMIT_EXCEEDED,
        PAYOUTS_UNAVAILABLE,
    }
)
