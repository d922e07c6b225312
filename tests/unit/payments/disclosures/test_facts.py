"""The facts that a sender is shown come from the stored quote and payment."""

from dataclasses import replace
from decimal import Decimal

import pytest

from services.payments.disclosures.document import Document, Percent, Value
from services.payments.disclosures.facts import DisclosureNotKept, disclosure_of, receipt_of
from services.payments.model.disclosure import Rule
from services.payments.model.quote import Quote
from services.shared.money import Money
from tests.golden import LARGE, PAID, SMALL, TERMS, payment_of
from tests.makers import CONDITIONS, make_override


def values(document: Document) -> dict[str, Value]:
    """The facts by their names."""
    return {item.name: item.value for section in document.sections for item in section.items}


def said(document: Document) -> set[str]:
    """The names of the sentences."""
    return {one.name for section in document.sections for one in section.statements}


def test_the_transfer_amount_and_the_fees_are_the_total() -> None:
    shown = values(disclosure_of(LARGE))

    assert shown["transfer_amount"] == LARGE.terms.net
    assert shown["transfer_fees"] == LARGE.terms.fee
    assert shown["total"] == LARGE.terms.amount
    assert shown["total_to_recipient"] == LARGE.terms.payout


def test_the_conversion_charge_is_the_margin_in_the_recipients_currency() -> None:
    # 12343.17 x 0.895099 is 11048.359...; the payout is 10993.12.
    assert values(disclosure_of(LARGE))["conversion_charge"] == Money(55_24, "EUR")


def test_the_conversion_charge_under_an_override_is_measured_against_the_market() -> None:
    terms = replace(LARGE.terms, replaced_mid_rate=Decimal("0.9"))

    # 12343.17 x 0.9 is 11108.853; the payout is 10993.12.
    charge = values(disclosure_of(replace(LARGE, terms=terms)))["conversion_charge"]

    assert charge == Money(115_73, "EUR")


def test_a_receipt_says_more_than_the_disclosure_before_the_payment() -> None:
    before, after = disclosure_of(LARGE), receipt_of(payment_of(LARGE), LARGE, PAID)

    more = set(values(after)) - set(values(before))
    assert more == {"date_available", "recipient", "provider", "authority"}
    of_the_rule = {"error_resolution", "cancellation", "complaints"}
    assert said(after) - said(before) == {"paid_out", *of_the_rule}


def test_a_small_transfer_is_said_to_be_out_of_scope() -> None:
    assert "out_of_scope" in said(disclosure_of(SMALL))
    assert "out_of_scope" not in said(disclosure_of(LARGE))
    at_the_bound = replace(TERMS, scope_above=LARGE.terms.net)
    conditions = replace(CONDITIONS, disclosure=at_the_bound)
    assert "out_of_scope" in said(disclosure_of(replace(LARGE, conditions=conditions)))


def _with_trail(**changes: object) -> Quote:
    return replace(LARGE, trail=replace(LARGE.trail, **changes))


@pytest.mark.parametrize(
    "quote",
    [
        _with_trail(source="frankfurter"),
        _with_trail(source="frankfurter:BOC"),
        _with_trail(source="json_ecb"),
        _with_trail(synthetic=True),
    ],
    ids=["another source", "another bank", "another name", "made up"],
)
def test_a_margin_is_stated_only_over_a_stored_rate_of_the_ecb(quote: Quote) -> None:
    assert "margin_over_ecb" in values(disclosure_of(LARGE))

    document = disclosure_of(quote)

    assert "margin_over_ecb" not in values(document)
    assert "no_ecb_reference" in said(document)


def test_a_rate_of_the_ecb_is_its_own_also_where_another_source_passes_it_on() -> None:
    shown = values(disclosure_of(_with_trail(source="frankfurter:ECB")))

    assert shown["margin_over_ecb"] == values(disclosure_of(LARGE))["margin_over_ecb"]
    assert shown["ecb_reference_date"] == LARGE.trail.observed_at.date()


def test_a_margin_is_over_the_rate_of_the_ecb_also_under_an_override() -> None:
    market = Decimal("0.9")
    override = make_override(rate=LARGE.trail.mid_rate, market_mid_rate=market)

    margin = values(disclosure_of(_with_trail(override=override)))["margin_over_ecb"]

    assert isinstance(margin, Percent)
    assert round(margin.value, 8) == round(1 - LARGE.terms.rate / market, 8)


def test_only_the_rules_that_were_kept_are_followed() -> None:
    us_alone = replace(CONDITIONS, disclosure=replace(TERMS, rules=(Rule.US_REMITTANCE,)))

    document = disclosure_of(replace(LARGE, conditions=us_alone))

    assert [section.rule for section in document.sections] == [Rule.US_REMITTANCE]


@pytest.mark.parametrize("conditions", [None, CONDITIONS])
def test_without_kept_terms_nothing_is_disclosed(conditions: object) -> None:
    with pytest.raises(DisclosureNotKept):
        disclosure_of(replace(LARGE, conditions=conditions))
