"""The facts that a sender is shown about one price, by the rule that asks for them: from the quote
and the payment as they were stored, and from nothing else. In which words is wording's."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from enum import StrEnum

from services.payments.model.disclosure import Contact, DisclosureTerms, Rule
from services.payments.model.payment import UNCOLLECTED, Payment, State
from services.payments.model.quote import Quote, RateTrail, RefundFees, Terms
from services.shared.errors import NotAllowedNow
from services.shared.money import EXACT, Money, exponent
from services.shared.recipients import masked

# The institution whose rates the European Union's rule compares with.
ECB = "ecb"


class DisclosureNotKept(NotAllowedNow):
    """No terms of a disclosure were kept with this price: its corridor disclosed nothing, or it is
    from before they were kept."""

    reason = "DISCLOSURE_NOT_KEPT"


class ReceiptNotReady(NotAllowedNow):
    """The sender has not paid, so that there is no receipt."""

    reason = "RECEIPT_NOT_READY"


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
    """The facts that one rule asks for."""

    rule: Rule
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


@dataclass(frozen=True, kw_only=True)
class _Facts:
    """All that a document is made from."""

    terms: Terms
    trail: RateTrail
    disclosed: DisclosureTerms
    # None before the payment.
    payment: Payment | None = None


def disclosure_of(quote: Quote) -> Document:
    """The disclosure before a payment. Raises DisclosureNotKept."""
    facts = _Facts(terms=quote.terms, trail=quote.trail, disclosed=_kept(quote))
    return Document(
        kind=Kind.QUOTE,
        quote_id=quote.quote_id,
        transaction_id="",
        made_at=quote.created_at,
        sections=_sections(facts),
    )


def receipt_of(payment: Payment, quote: Quote) -> Document:
    """The receipt of a payment that was collected, by the quote that priced it last. Raises
    DisclosureNotKept, ReceiptNotReady."""
    if payment.state in UNCOLLECTED | {State.CREATED, State.COLLECTING}:
        raise ReceiptNotReady(transaction_id=payment.transaction_id)
    facts = _Facts(terms=payment.terms, trail=quote.trail, disclosed=_kept(quote), payment=payment)
    return Document(
        kind=Kind.RECEIPT,
        quote_id=quote.quote_id,
        transaction_id=payment.transaction_id,
        made_at=payment.created_at,
        sections=_sections(facts),
    )


def _kept(quote: Quote) -> DisclosureTerms:
    kept = quote.conditions.disclosure if quote.conditions else None
    if kept is None:
        raise DisclosureNotKept(quote_id=quote.quote_id)
    return kept


def _sections(facts: _Facts) -> tuple[Section, ...]:
    make = {Rule.US_REMITTANCE: _us_section, Rule.EU_CROSS_BORDER: _eu_section}
    return tuple(make[rule](facts) for rule in facts.disclosed.rules)


def _us_section(facts: _Facts) -> Section:
    return Section(
        rule=Rule.US_REMITTANCE,
        items=(*_us_items(facts), *_us_items_of_receipt(facts)),
        statements=(*_us_statements(facts), *_us_statements_of_receipt(facts)),
    )


def _us_items(facts: _Facts) -> Iterator[Item]:
    terms, before = facts.terms, "12 CFR 1005.31(b)(1)"
    rate = Rate(terms.rate, terms.amount.currency, terms.payout.currency)
    yield Item("transfer_amount", f"{before}(i)", terms.net)
    yield Item("transfer_fees", f"{before}(ii)", terms.fee)
    yield Item("total", f"{before}(iii)", terms.amount)
    yield Item("exchange_rate", f"{before}(iv)", rate)
    # The payout is the amount that the offramp is asked to pay in full.
    yield Item("other_fees", f"{before}(vi)", Money(0, terms.payout.currency))
    yield Item("total_to_recipient", f"{before}(vii)", terms.payout)


def _us_items_of_receipt(facts: _Facts) -> Iterator[Item]:
    payment, disclosed, after = facts.payment, facts.disclosed, "12 CFR 1005.31(b)(2)"
    if payment is None:
        return
    available_on = (payment.created_at + disclosed.available_within).date()
    yield Item("date_available", f"{after}(ii)", available_on)
    yield Item("recipient", f"{after}(iii)", masked(payment.recipient).holder_name)
    yield Item("provider", f"{after}(v)", disclosed.provider)
    for authority in disclosed.authorities:
        yield Item("authority", f"{after}(vi)", authority)


def _us_statements(facts: _Facts) -> Iterator[Statement]:
    # Of a transfer amount that is no larger the rule is not about.
    if facts.terms.net <= facts.disclosed.scope_above:
        yield Statement("out_of_scope", {"amount": facts.disclosed.scope_above})
    yield Statement("may_receive_less")


def _us_statements_of_receipt(facts: _Facts) -> Iterator[Statement]:
    if facts.payment is not None:
        provider = facts.disclosed.provider
        reached = {"phone": provider.phone, "website": provider.website}
        yield Statement("error_resolution", reached)
        keeps = facts.payment.refund_fees is RefundFees.KEPT
        yield Statement("cancellation_less_fees" if keeps else "cancellation")
        yield Statement("complaints", {"provider": provider.name})


def _eu_section(facts: _Facts) -> Section:
    terms, article = facts.terms, "(EU) 2021/1230 art."
    items = [
        Item("total_amount", f"{article} 5(2)", terms.amount),
        Item("transaction_fee", f"{article} 5(2)", terms.fee),
        Item("amount_to_recipient", f"{article} 5(2)", terms.payout),
        Item("conversion_charge", f"{article} 5(1)", _conversion_charge(terms)),
    ]
    if not _has_ecb_reference(facts.trail):
        return _eu_made(items, Statement("no_ecb_reference"))
    middle = facts.trail.market_mid_rate
    margin = EXACT.divide(EXACT.subtract(middle, terms.rate), middle)
    items.append(Item("margin_over_ecb", f"{article} 4(1)", Percent(margin)))
    items.append(Item("ecb_reference_date", f"{article} 4(1)", facts.trail.observed_at.date()))
    return _eu_made(items)


def _eu_made(items: list[Item], *statements: Statement) -> Section:
    return Section(rule=Rule.EU_CROSS_BORDER, items=tuple(items), statements=statements)


def _has_ecb_reference(trail: RateTrail) -> bool:
    """Whether the market's middle that is stored is the European Central Bank's."""
    return trail.published_by.casefold() == ECB and not trail.synthetic


def _conversion_charge(terms: Terms) -> Money:
    """The worth of the converted amount at the mid rate less the payout."""
    worth = EXACT.multiply(terms.net.decimal, terms.mid_rate)
    lost = EXACT.subtract(worth, terms.payout.decimal)
    minor = lost.scaleb(exponent(terms.payout.currency), context=EXACT)
    # A rate that is better than the middle, as an override may be, charges nothing.
    whole = int(minor.to_integral_value(ROUND_HALF_EVEN, context=EXACT))
    return Money(max(whole, 0), terms.payout.currency)
