"""The facts that a sender is shown about one price, by the rule that asks for them: from the quote
and the payment as they were stored, and from nothing else. In which words is wording's."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_HALF_EVEN

from services.payments.disclosures.document import (
    Document,
    Item,
    Kind,
    Percent,
    Rate,
    Section,
    Statement,
)
from services.payments.disclosures.state import Standing, standing_of
from services.payments.model.disclosure import DisclosureTerms, Rule
from services.payments.model.payment import Payment, RecordedEvent
from services.payments.model.quote import Conditions, Quote, RateTrail, RefundFees, Terms
from services.shared.errors import NotAllowedNow
from services.shared.money import EXACT, Money, exponent
from services.shared.recipients import masked

# The institution whose rates the European Union's rule compares with.
ECB = "ecb"


class DisclosureNotKept(NotAllowedNow):
    """No terms of a disclosure were kept with this price: its corridor disclosed nothing, or it is
    from before they were kept."""

    reason = "DISCLOSURE_NOT_KEPT"


@dataclass(frozen=True, kw_only=True)
class _Facts:
    """All that a document is made from."""

    terms: Terms
    trail: RateTrail
    disclosed: DisclosureTerms
    # Zero where there is none.
    cancel_window: timedelta
    # None before the payment.
    payment: Payment | None = None
    standing: Standing | None = None

    @property
    def is_paid_out_to_nobody(self) -> bool:
        """Whether the recipient gets nothing, so that no figure of a payout is a fact."""
        return self.standing is not None and self.standing.is_paid_out_to_nobody


def disclosure_of(quote: Quote) -> Document:
    """The disclosure before a payment. Raises DisclosureNotKept."""
    conditions, disclosed = _kept(quote)
    facts = _Facts(
        terms=quote.terms,
        trail=quote.trail,
        disclosed=disclosed,
        cancel_window=conditions.route.cancel_window,
    )
    return Document(
        kind=Kind.QUOTE,
        quote_id=quote.quote_id,
        transaction_id="",
        made_at=quote.created_at,
        sections=_sections(facts),
    )


def receipt_of(payment: Payment, quote: Quote, history: Sequence[RecordedEvent]) -> Document:
    """The receipt of a payment that was collected, as it stands now, by the quote that priced it
    last. Raises DisclosureNotKept, ReceiptNotReady."""
    standing = standing_of(payment, history)
    facts = _Facts(
        terms=payment.terms,
        trail=quote.trail,
        disclosed=_kept(quote)[1],
        cancel_window=payment.route.cancel_window,
        payment=payment,
        standing=standing,
    )
    state = Section(rule=None, items=standing.items, statements=standing.statements)
    return Document(
        kind=Kind.RECEIPT,
        quote_id=quote.quote_id,
        transaction_id=payment.transaction_id,
        made_at=payment.created_at,
        sections=(state, *_sections(facts)),
    )


def _kept(quote: Quote) -> tuple[Conditions, DisclosureTerms]:
    conditions = quote.conditions
    if conditions is None or conditions.disclosure is None:
        raise DisclosureNotKept(quote_id=quote.quote_id)
    return conditions, conditions.disclosure


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
    if facts.is_paid_out_to_nobody:
        return
    yield Item("exchange_rate", f"{before}(iv)", rate)
    # The payout is the amount that the offramp is asked to pay in full.
    yield Item("other_fees", f"{before}(vi)", Money(0, terms.payout.currency))
    yield Item("total_to_recipient", f"{before}(vii)", terms.payout)


def _us_items_of_receipt(facts: _Facts) -> Iterator[Item]:
    payment, disclosed, after = facts.payment, facts.disclosed, "12 CFR 1005.31(b)(2)"
    if payment is None or facts.standing is None:
        return
    if available_on := facts.standing.available_on(disclosed.available_within):
        yield Item("date_available", f"{after}(ii)", available_on)
    yield Item("recipient", f"{after}(iii)", masked(payment.recipient).holder_name)
    yield Item("provider", f"{after}(v)", disclosed.provider)
    for authority in disclosed.authorities:
        yield Item("authority", f"{after}(vi)", authority)


def _us_statements(facts: _Facts) -> Iterator[Statement]:
    # Of a transfer amount that is no larger the rule is not about.
    if facts.terms.net <= facts.disclosed.scope_above:
        yield Statement("out_of_scope", {"amount": facts.disclosed.scope_above})
    if not facts.is_paid_out_to_nobody:
        yield Statement("may_receive_less")
    if facts.payment is None and facts.cancel_window:
        yield _full_refund_within(facts.cancel_window)


def _us_statements_of_receipt(facts: _Facts) -> Iterator[Statement]:
    if facts.payment is None or facts.standing is None:
        return
    provider = facts.disclosed.provider
    reached = {"phone": provider.phone, "website": provider.website}
    yield Statement("error_resolution", reached)
    if facts.standing.states_cancellation and facts.cancel_window:
        yield _full_refund_within(facts.cancel_window)
    elif facts.standing.states_cancellation:
        keeps = facts.payment.refund_fees is RefundFees.KEPT
        yield Statement("cancellation_less_fees" if keeps else "cancellation")
    yield Statement("complaints", {"provider": provider.name})


def _full_refund_within(window: timedelta) -> Statement:
    """The right of 12 CFR 1005.34."""
    return Statement("cancellation_within", {"minutes": str(window // timedelta(minutes=1))})


def _eu_section(facts: _Facts) -> Section:
    terms, article = facts.terms, "(EU) 2021/1230 art."
    items = [
        Item("total_amount", f"{article} 5(2)", terms.amount),
        Item("transaction_fee", f"{article} 5(2)", terms.fee),
    ]
    if facts.is_paid_out_to_nobody:
        return _eu_made(items)
    items += [
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
    """The worth of the converted amount at the market's middle less the payout."""
    worth = EXACT.multiply(terms.net.decimal, terms.market_mid_rate)
    lost = EXACT.subtract(worth, terms.payout.decimal)
    minor = lost.scaleb(exponent(terms.payout.currency), context=EXACT)
    # A rate that is better than the middle, as an override may be, charges nothing.
    whole = int(minor.to_integral_value(ROUND_HALF_EVEN, context=EXACT))
    return Money(max(whole, 0), terms.payout.currency)
