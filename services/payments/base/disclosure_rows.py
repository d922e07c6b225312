"""The terms of disclosures as JSON beside the terms of a quote, and back."""

from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from typing import Any

from services.payments.base.values import all_text, listed, whole
from services.payments.model.disclosure import Contact, DisclosureTerms, Rule
from services.shared.money import SOURCE_CURRENCY, Money


# Quotes of a corridor have the same.
@lru_cache(maxsize=256)
def disclosure_row(terms: DisclosureTerms) -> Mapping[str, Any]:
    """The terms as JSON."""
    return {
        "rules": list(terms.rules),
        "scope_above_minor": terms.scope_above.amount_minor,
        "available_within_days": terms.available_within.days,
        "provider": _contact_row(terms.provider),
        "authorities": [_contact_row(one) for one in terms.authorities],
    }


def read_disclosure(row: Mapping[str, Any]) -> DisclosureTerms:
    """The terms of a row."""
    return DisclosureTerms(
        rules=tuple(Rule(rule) for rule in listed(row["rules"])),
        scope_above=Money(whole(row["scope_above_minor"]), SOURCE_CURRENCY),
        available_within=timedelta(days=whole(row["available_within_days"])),
        provider=_read_contact(row["provider"]),
        authorities=tuple(_read_contact(one) for one in listed(row["authorities"])),
    )


def _contact_row(contact: Contact) -> dict[str, str]:
    return {"name": contact.name, "phone": contact.phone, "website": contact.website}


def _read_contact(row: Mapping[str, Any]) -> Contact:
    kept = all_text(row)
    return Contact(name=kept["name"], phone=kept["phone"], website=kept["website"])
