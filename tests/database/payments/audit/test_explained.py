"""`./caravel explain`: one price from its stored inputs, whoever its merchant is."""

from dataclasses import replace
from decimal import Decimal

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.audit.explained import explain
from services.payments.audit.prices import Prices
from services.payments.engine.decisions.decider import Decider
from services.payments.engine.store.work import PostgresWork
from services.payments.model.payment import PaymentNotFound
from services.payments.model.quote import QuoteNotFound, RateLeg
from services.payments.orders.store.payments import PostgresPayments
from services.shared.ids import Prefix, encode_id, new_id
from tests.makers import (
    CAPABILITIES,
    NOW,
    make_new_payment,
    make_priced_quote,
    make_quote,
    make_trail,
)
from tests.poison import UNGUARDED, run

DECIDER = Decider(CAPABILITIES, spread=lambda: 0.5)


async def test_a_quote_and_its_payment_are_derived_step_by_step(engine: AsyncEngine) -> None:
    quote = make_priced_quote()
    new = make_new_payment(quote=quote)
    await PostgresPayments(engine).create([new])

    words, agrees = await explain(engine, quote.quote_id)

    assert agrees
    assert (
        "  ✓ payout_amount agrees\n    net_usd x fx_rate, rounded half_even to 2 decimals" in words
    )
    assert "    result 148453.38\n    stored 148453.38" in words
    assert words.endswith("\n12 figures agree.")
    words, agrees = await explain(engine, new.payment.transaction_id)
    assert agrees
    assert f"      quote = {quote.quote_id}" in words
    assert words.endswith("\n21 figures agree.")


async def test_a_figure_that_differs_is_named_and_ends_with_a_failure(engine: AsyncEngine) -> None:
    quote = make_priced_quote()
    await PostgresPayments(engine).add_quote(quote)
    await run(engine, UNGUARDED, "UPDATE quotes SET terms = terms || '{\"payout_minor\": 7}'")

    words, agrees = await explain(engine, quote.quote_id)

    assert not agrees
    assert "  ✗ payout_amount differs" in words
    assert "    result 148453.38\n    stored 0.07" in words
    assert words.endswith(" figures agree, 1 figure differs.")


async def test_a_quote_from_before_its_inputs_were_kept_says_what_is_unknown(
    engine: AsyncEngine,
) -> None:
    quote = make_quote()
    await PostgresPayments(engine).add_quote(quote)

    words, agrees = await explain(engine, quote.quote_id)

    assert agrees
    assert "  ? fees unknown\n    the terms of the schedule: unknown" in words
    assert words.endswith("\n7 figures agree, 4 figures are unknown.")


async def test_a_payment_that_was_priced_again_is_explained_by_the_new_price(
    engine: AsyncEngine,
) -> None:
    quote = make_priced_quote()
    new = make_new_payment(quote=quote)
    store = PostgresPayments(engine)
    await store.create([new])
    await run(engine, UNGUARDED, "UPDATE payments SET state = 'FUNDED'")
    rate = make_trail("1525.00")
    leg = RateLeg(base_currency="USD", quote_currency="NGN", rate=Decimal("1525.00"))
    async with PostgresWork(engine).begin() as transaction:
        (work,) = await transaction.claim("test", limit=10, lease_seconds=30)
        change = DECIDER.price(work, replace(rate, legs=(leg,)), NOW)
        await transaction.write([change])
        await transaction.commit()

    payment = await store.get("sandbox", new.payment.id)
    words, agrees = await explain(engine, payment.transaction_id)

    assert payment.quote_id != quote.id
    assert agrees
    assert "      USD/NGN = 1525\n    result 1525\n    stored 1525" in words
    # The fees stay as they were agreed, with all that they were computed from.
    assert "✓ fees agrees" in words
    assert payment.pricing is not None
    assert payment.pricing.schedule_terms == quote.schedule_terms
    assert payment.pricing.rounding == quote.rounding


async def test_a_row_that_cannot_be_read_explains_nothing(engine: AsyncEngine) -> None:
    new = make_new_payment()
    await PostgresPayments(engine).create([new])
    await run(engine, UNGUARDED, "UPDATE quotes SET trail = '{}'")

    assert (await explain(engine, new.quote.quote_id))[1] is False
    words, agrees = await explain(engine, new.payment.transaction_id)
    assert agrees
    assert "  ? fx_rate unknown" in words
    await run(engine, "UPDATE payments SET state = 'ELSEWHERE'")
    assert (await explain(engine, new.payment.transaction_id))[1] is False


@pytest.mark.parametrize(
    ("name", "error"),
    [
        (encode_id(Prefix.QUOTE, new_id()), QuoteNotFound),
        (encode_id(Prefix.PAYMENT, new_id()), PaymentNotFound),
        ("invoice 7", QuoteNotFound),
    ],
)
async def test_an_unknown_id_is_refused(
    engine: AsyncEngine, name: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await explain(engine, name)


def test_quotes_that_differ_are_counted_with_examples() -> None:
    prices = Prices({})
    other = make_quote(terms=make_quote().terms, trail=make_priced_quote().trail)
    for quote in (make_quote(), make_priced_quote(), other):
        prices.look(quote)

    assert prices.explained == 3
    assert prices.finding.violations == 0
