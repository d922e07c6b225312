"""The recipient of a payout: its nouns, the forms of its fields, and the rules of a corridor."""

from services.shared.recipients.masking import hint, masked, without
from services.shared.recipients.nouns import (
    FIELDS,
    HOLDER_NAME,
    NO_RECIPIENT,
    AccountCheck,
    AccountType,
    BankAccount,
    MobileMoney,
    Recipient,
    RecipientKind,
    Wallet,
    as_row,
    from_row,
    given_fields,
    recipient_of,
)

__all__ = [
    "FIELDS",
    "HOLDER_NAME",
    "NO_RECIPIENT",
    "AccountCheck",
    "AccountType",
    "BankAccount",
    "MobileMoney",
    "Recipient",
    "RecipientKind",
    "Wallet",
    "as_row",
    "from_row",
    "given_fields",
    "hint",
    "masked",
    "recipient_of",
    "without",
]
