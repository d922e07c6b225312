"""How an adapter writes down its rails: by kind of recipient, a currency, and the smallest and the
largest payout as decimal text."""

from collections.abc import Collection, Iterator, Mapping
from types import MappingProxyType

from services.shared.money import Money, exponent, parse_amount
from services.shared.recipients import RecipientKind
from services.shared.recipients.rails import CutOff, Rail

Bounds = Mapping[str, tuple[str, str]]
# The mobile networks that are reached, by currency.
Operators = Mapping[str, Collection[str]]


def rails(
    kind: RecipientKind,
    bounds: Bounds,
    *,
    decimals: int | None = None,
    country: str = "",
    operators: Operators = MappingProxyType({}),
    cut_off: CutOff | None = None,
) -> Iterator[Rail]:
    """A rail for each currency. An amount has as many decimals as its currency, where no smaller
    number is given."""
    for currency, (minimum, maximum) in bounds.items():
        yield Rail(
            recipient_kind=kind,
            minimum=_amount(minimum, currency),
            maximum=_amount(maximum, currency),
            decimals=exponent(currency) if decimals is None else decimals,
            country=country,
            operators=frozenset(operators.get(currency, ())),
            cut_off=cut_off,
        )


def operators(networks: Collection[tuple[str, str]]) -> Operators:
    """The mobile networks by currency, of an adapter's pairs of a currency and a network."""
    found: dict[str, set[str]] = {}
    for currency, operator in networks:
        found.setdefault(currency, set()).add(operator)
    return found


def _amount(text: str, currency: str) -> Money:
    return parse_amount(text, currency, field="rail")
