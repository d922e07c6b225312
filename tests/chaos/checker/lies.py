"""The false answers about a payment: by words in its reference, by its amount, or by what was on
for a whole provider. From the simulator's documents."""

import re

from tests.chaos.checker.evidence import Case, Facts

_WORD = re.compile(r"sim:([a-z0-9_]+(?:[+-]1)?)(?:@([a-z_]+))?(?:=([0-9]{1,7}))?", re.ASCII)
ONRAMP = "stripe"
AMOUNT_LIES = frozenset({"amount+1", "amount-1", "currency_swap", "net_of_fee"})
# The modes that never end by themselves, where the payment itself asks for them.
ENDLESS = frozenset({"hold", "unknown_status", "webhook_only", "cache_500"})
# The amounts in cents that ask the onramp for a mode.
MAGIC = {
    66_601: "accept_then_hang",
    66_602: "drop_before_accept",
    66_603: "500_before",
    66_604: "500_after",
    66_605: "cache_500",
    66_606: "lookup_lag",
    66_607: "unknown_status",
    66_608: "amount+1",
    66_609: "rate_limit",
    66_610: "brownout",
}


def asked_for(case: Case, provider: str) -> frozenset[str]:
    """The modes that the payment itself asks a provider for."""
    words = _modes(case.payment.reference, provider)
    magic = MAGIC.get(case.payment.amount_minor) if provider == ONRAMP else None
    return words | {magic} if magic else words


def read_by(case: Case, provider: str) -> frozenset[str]:
    """The modes in the references that the provider has on record: Wise's are cut off."""
    references = {line.reference for line in case.lines if line.provider == provider}
    return frozenset[str]().union(*(_modes(text, provider) for text in references))


def _modes(reference: str, provider: str) -> frozenset[str]:
    found = (_WORD.fullmatch(word) for word in reference.split())
    return frozenset(m[1] for m in found if m and m[2] in (None, provider))


def possible(facts: Facts, case: Case, provider: str, key: str) -> frozenset[str]:
    """The modes that may have struck one of the payment's operations."""
    struck = asked_for(case, provider) | facts.modes_that_struck(provider, key)
    # The simulator knows no key of an id that is not in its book: a transfer that was never funded.
    unfunded = (named for named in _ids(case, key) if (provider, named) not in facts.ids)
    return struck.union(*(facts.modes_that_struck(provider, named) for named in unfunded))


def _ids(case: Case, key: str) -> frozenset[str]:
    """The provider's ids of an operation; one that is said after its attempt has failed is in an
    event alone."""
    attempt = case.attempt(key)
    said = (e.evidence for e in case.events if e.evidence.get("key") == key)
    ids = [one.get("provider_reference", "") for one in said]
    return frozenset(filter(None, [attempt.provider_reference if attempt else "", *ids]))


def anywhere(facts: Facts, case: Case) -> frozenset[str]:
    """The modes that may have struck one of the payment's operations, wherever it has been."""
    at_onramp = asked_for(case, case.payment.onramp)
    struck = (possible(facts, case, one.provider, one.key) for one in case.attempts)
    return at_onramp.union(*struck)
