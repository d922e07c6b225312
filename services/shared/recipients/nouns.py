"""The recipient of a payout, by kind. Its texts are in no repr, and so in no log; `masked` is the
form that answers, events and operators' views show. The fields that a corridor takes are in rules,
their forms in formats."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any, ClassVar


class RecipientKind(StrEnum):
    """The kinds of recipient: words of the public API, of corridor files and of the database."""

    BANK_ACCOUNT = "bank_account"
    MOBILE_MONEY = "mobile_money"
    WALLET = "wallet"


class AccountType(StrEnum):
    """The kind of a bank account, where its rail asks for it."""

    CHECKING = "CHECKING"
    SAVINGS = "SAVINGS"


class AccountCheck(StrEnum):
    """The answer to the question whose an account is."""

    # The name that was given is the holder's.
    MATCH = "MATCH"
    # It is nearly: a name is missing, an initial, a letter.
    CLOSE_MATCH = "CLOSE_MATCH"
    # It is another one's, or there is no such account.
    NO_MATCH = "NO_MATCH"
    # Nobody could say.
    UNAVAILABLE = "UNAVAILABLE"


@dataclass(frozen=True, kw_only=True)
class BankAccount:
    """An account at a bank. The fields that identify it depend on the country."""

    kind: ClassVar[RecipientKind] = RecipientKind.BANK_ACCOUNT

    holder_name: str = field(default="", repr=False)
    iban: str = field(default="", repr=False)
    account_number: str = field(default="", repr=False)
    bank_code: str = field(default="", repr=False)
    branch_code: str = field(default="", repr=False)
    ifsc: str = field(default="", repr=False)
    clabe: str = field(default="", repr=False)
    bic: str = field(default="", repr=False)
    sort_code: str = field(default="", repr=False)
    # A name of AccountType.
    account_type: str = field(default="", repr=False)
    tax_id: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True)
class MobileMoney:
    """An account at a mobile network, named by its phone number."""

    kind: ClassVar[RecipientKind] = RecipientKind.MOBILE_MONEY

    holder_name: str = field(default="", repr=False)
    # In E.164 form.
    phone_number: str = field(default="", repr=False)
    operator: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True)
class Wallet:
    """A wallet at the offramp itself."""

    kind: ClassVar[RecipientKind] = RecipientKind.WALLET

    holder_name: str = field(default="", repr=False)
    wallet_id: str = field(default="", repr=False)


Recipient = BankAccount | MobileMoney | Wallet

_CLASSES: Mapping[RecipientKind, type[Recipient]] = {
    one.kind: one for one in (BankAccount, MobileMoney, Wallet)
}
# The fields of each kind, in order.
FIELDS: Mapping[RecipientKind, tuple[str, ...]] = {
    kind: tuple(one.name for one in fields(noun)) for kind, noun in _CLASSES.items()
}
HOLDER_NAME = "holder_name"
# Of these only the end is shown; what remains names a bank or a network, and no person.
# The first ones find the account.
NUMBERS = ("iban", "account_number", "clabe", "phone_number", "wallet_id", "tax_id")
_HIDDEN = "****"
_SHOWN_DIGITS = 4
# So many at the end tell one number from another, also where a prefix was cut off.
_TELLING_DIGITS = 7


def recipient_of(kind: RecipientKind, given: Mapping[str, str]) -> Recipient:
    """The recipient with these fields. Raises ValueError for a field that the kind does not have,
    and for a value that is no text."""
    unknown = given.keys() - set(FIELDS[kind])
    if unknown or not all(isinstance(value, str) for value in given.values()):
        raise ValueError(f"no field of a recipient: {len(unknown)} are unknown")
    return _CLASSES[kind](**given)


def given_fields(recipient: Recipient) -> dict[str, str]:
    """The fields that are not empty, by name."""
    pairs = ((name, getattr(recipient, name)) for name in FIELDS[recipient.kind])
    return {name: value for name, value in pairs if value}


def as_row(recipient: Recipient) -> dict[str, str]:
    """The recipient as the database keeps it."""
    return {"kind": recipient.kind, **given_fields(recipient)}


def from_row(row: Mapping[str, Any]) -> Recipient:
    """The recipient of a row. Raises ValueError where it is none."""
    if not isinstance(row, Mapping) or "kind" not in row:
        raise ValueError("no kind of recipient")
    given = {name: value for name, value in row.items() if name != "kind"}
    return recipient_of(RecipientKind(row["kind"]), given)


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
            end = "[ ./-]?".join(map(re.escape, value[-_TELLING_DIGITS:]))
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
