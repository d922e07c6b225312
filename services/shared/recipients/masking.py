"""A recipient as it is shown: in answers, events, operators' views, and in a provider's words."""

import re

from services.shared.recipients.nouns import HOLDER_NAME, Recipient, given_fields, recipient_of

# Of these only the end is shown; what remains names a bank or a network, and no person.
# The first ones find the account.
NUMBERS = ("iban", "account_number", "clabe", "phone_number", "wallet_id", "tax_id")
_HIDDEN = "****"
_SHOWN_DIGITS = 4
# So many at the end distinguish one number from another, also where a prefix was cut off.
_DISTINCT_DIGITS = 7


def masked(recipient: Recipient) -> Recipient:
    """The same recipient without what would identify a person: initials, and the last digits."""
    shown = {name: _masked(name, value) for name, value in given_fields(recipient).items()}
    return recipient_of(recipient.kind, shown)


def hint(recipient: Recipient) -> str:
    """Its kind and last digits, to distinguish recipients in a history; no name."""
    numbers = (getattr(masked(recipient), name, "") for name in NUMBERS)
    return f"{recipient.kind} {next(filter(None, numbers), _HIDDEN)}"


def without(words: str, recipient: Recipient) -> str:
    """A provider's words with the recipient's name and numbers in their masked form, however they
    are grouped and whatever stands before their last digits."""
    for name, value in given_fields(recipient).items():
        if name in NUMBERS:
            end = "[ ./-]?".join(map(re.escape, value[-_DISTINCT_DIGITS:]))
            number = rf"(?<!\w)\+?\w*?(?:\d[ ./-]?)*{end}(?!\w)"
            words = re.sub(number, _masked(name, value), words, flags=re.I)
        elif name == HOLDER_NAME:
            for word in value.split():
                named = rf"(?<!\w){re.escape(word)}(?!\w)"
                words = re.sub(
                    named, lambda found: _masked(HOLDER_NAME, found[0]), words, flags=re.I
                )
    return words


def _masked(name: str, value: str) -> str:
    if name == HOLDER_NAME:
        return " ".join(f"{word[0]}***" for word in value.split())
    if name not in NUMBERS:
        return value
    # Of a short number the end would be most of it.
    return _HIDDEN + (value[-_SHOWN_DIGITS:] if len(value) >= 2 * _SHOWN_DIGITS else "")
