"""A disclosure or a receipt as facts: names with values, which wording puts into words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from services.payments.model.disclosure import Contact, Rule
from services.shared.money import Money


class Kind(StrEnum):
    """The moment of a disclosure."""

    QUOTE = "quote"
    RECEIPT = "receipt"


@dataclass(frozen=True)
class Rate:
    """The price of one unit of base in quote."""

    value: Decimal
    base: str
    quote: str


@dataclass(frozen=True)
class Percent:
    """A share of a hundred."""

    value: Decimal


Value = Money | Rate | Percent | Contact | date | str


@dataclass(frozen=True)
class Item:
    """One fact, by its name, with the provision that asks for it."""

    name: str
    provision: str
    value: Value


@dataclass(frozen=True)
class Statement:
    """A sentence by its name, with the values in it."""

    name: str
    values: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Section:
    """The facts that one rule asks for; rule is None of where the payment stands."""

    rule: Rule | None
    items: tuple[Item, ...]
    statements: tuple[Statement, ...]


@dataclass(frozen=True, kw_only=True)
class Document:
    """A disclosure or a receipt."""

    kind: Kind
    quote_id: str
    # Empty of a quote.
    transaction_id: str
    # When the offer or the payment was made.
    made_at: datetime
    sections: tuple[Section, ...]
