"""The recipient of a payout, by kind. Its texts are in no repr, and so in no log; masking has the
form that answers, events and operators' views show. The fields that a corridor takes are in rules,
their forms in formats."""

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

# In the place of a recipient that is not known any more; its kind says nothing.
NO_RECIPIENT: Recipient = BankAccount()

_CLASSES: Mapping[RecipientKind, type[Recipient]] = {
    one.kind: one for one in (BankAccount, MobileMoney, Wallet)
}
# The fields of each kind, in order.
FIELDS: Mapping[RecipientKind, tuple[str, ...]] = {
    kind: tuple(one.name for one in fields(noun)) for kind, noun in _CLASSES.items()
}
HOLDER_NAME = "holder_name"


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
