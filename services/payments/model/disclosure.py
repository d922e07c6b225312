"""The terms of the disclosures of an offer, as its corridor's file had them then."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from services.shared.money import Money


class Rule(StrEnum):
    """The rules that ask for a disclosure; the words of the corridor files."""

    # 12 CFR 1005.31, of the United States.
    US_REMITTANCE = "us_remittance_rule"
    # Regulation (EU) 2021/1230, articles 4 and 5.
    EU_CROSS_BORDER = "eu_2021_1230"


@dataclass(frozen=True, kw_only=True)
class Contact:
    """How somebody is reached."""

    name: str
    phone: str
    website: str


@dataclass(frozen=True, kw_only=True)
class DisclosureTerms:
    """The rules that a corridor follows, and the facts beside the figures of a price."""

    rules: tuple[Rule, ...]
    # The Remittance Rule is about larger transfers alone.
    scope_above: Money
    # The recipient has the money so long after the payment was made, or before.
    available_within: timedelta
    provider: Contact
    # To whom the sender may complain.
    authorities: tuple[Contact, ...]
