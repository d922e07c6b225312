"""Money that came after quote and grace, on a real database: the payment is priced again by a quote
of its own, its merchant gets the old and the new figures, and the books hold."""

import json
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.audit.checks import PostgresAudit
from services.payments.engine.decisions.decider import Decider
from services.payments.engine.store.work import PostgresWork
from services.payments.model.answer import Answer, Outcome
from services.payments.model.fixed_payout import agree_payout, smallest_net_minor
from services.payments.model.payment import Payment, State
from services.payments.model.quote import (
    FixedSide,
    RateTrail,
    Terms,
)
from services.payments.orders.store.payments import PostgresPayments
from services.payments.webhooks_out.convert import encode_event
from services.payments.webhooks_out.store.endpoints import PostgresEndpoints
from services.shared.ids import encode_id, new_id
from services.shared.money import Money
from tests.makers import CAPABILITIES, FEES, make_new_payment, make_quote, make_terms, make_trail
from tests.poison import rows, run

DECIDER = Decider(CAPABILITIES, spread=lambda: 0.5)
COLLECTED = Answer(outcome=Outcome.SUCCEEDED, provider_reference="pi_1")
FIXED = agree_payout(Money(9_751, "USD"), Money(14_845_339, "NGN"), FEES, make_trail())


async def _late(engine: AsyncEngine, **terms: Any) -> Payment:
    """A payment whose money was taken after quote and grace."""
    new = make_new_payment(quote=make_quote(**terms))
    await PostgresPayments(engine, encode_event).create([new])
    store = PostgresWork(engine, encode_event)
    async with store.begin() as transaction:
        claimed = await transaction.claim("test", limit=1, lease_seconds=30)
        plans = [DECIDER.plan(work) for work in claimed]
        await transaction.write([plan.change for plan in plans])
        (sent,) = await transaction.mark_sent([plan.work for plan in plans])
        await transaction.commit()
    await run(engine, "UPDATE payments SET quote_expires_at = now() - interval '1 day'")
    async with store.begin() as transaction:
        now, _ = await transaction.untouched([], lease_seconds=0)
        late = replace(sent, payment=replace(sent.payment, quote_expires_at=now.replace(year=2020)))
        await transaction.write([DECIDER.settle(late, COLLECTED, now)])
        await transaction.commit()
    return new.payment


async def _price(engine: AsyncEngine, mid: str) -> Payment:
    return await _price_by(engine, make_trail(mid))


async def _price_by(engine: AsyncEngine, trail: RateTrail) -> Payment:
    async with PostgresWork(engine, encode_event).begin() as transaction:
        (work,) = await transaction.claim("test", limit=1, lease_seconds=30)
        assert DECIDER.plan(work).call is not None
        now, _ = await transaction.untouched([], lease_seconds=0)
        change = DECIDER.price(work, trail, now)
        await transaction.write([change])
        await transaction.commit()
    return change.payment


async def _events(engine: AsyncEngine) -> list[Any]:
    found = await rows(engine, "SELECT event_type, body FROM outbox ORDER BY sequence")
    return [json.loads(body) for kind, body in found if kind == "payment.repriced"]


async def _broken(engine: AsyncEngine) -> list[str]:
    report = await PostgresAudit(engine, overdue_seconds=60).report()
    return [finding.invariant for finding in report.broken]


@pytest.mark.parametrize(
    ("terms", "mid", "expected"),
    [
        (make_terms(), "1520.00", (Money(14_745_900, "NGN"), FixedSide.SOURCE)),
        (FIXED, "1520.00", (Money(14_747_412, "NGN"), FixedSide.SOURCE)),
        # The same cents are still the fewest that come to it.
        (FIXED, "1530.20", (FIXED.payout, FixedSide.DESTINATION)),
    ],
    ids=["source", "destination", "destination that stays"],
)
async def test_a_payment_that_is_priced_again_has_a_quote_of_its_own_and_says_both_prices(
    engine: AsyncEngine, terms: Terms, mid: str, expected: tuple[Money, FixedSide]
) -> None:
    payout = expected[0]
    await PostgresEndpoints(engine).add("sandbox", new_id(), "https://a.example", "whsec_AAAA")
    before = await _late(engine, terms=terms)

    priced = await _price(engine, mid)

    stored = await PostgresPayments(engine).get(before.merchant_id, before.id)
    assert (stored.state, stored.quote_id) == (State.CONVERTED, priced.quote_id)
    assert stored.quote_id != before.quote_id
    assert (stored.terms.payout, stored.terms.fixed_side) == expected
    (event,) = await _events(engine)
    assert event["data"]["payout_amount"] == str(payout)
    assert event["repricing"] == {
        "from_quote_id": encode_id("quo", before.quote_id),
        "from_fx_rate": "1522.59875",
        "from_payout_amount": str(terms.payout),
        "to_quote_id": encode_id("quo", stored.quote_id),
        "to_fx_rate": event["data"]["fx_rate"],
        "to_payout_amount": str(payout),
        "destination_currency": "NGN",
    }
    history = await PostgresPayments(engine).events(before.merchant_id, before.id)
    evidence = history[-1].event.evidence  # type: ignore[union-attr]
    assert evidence["locked_payout"] == f"{terms.payout} NGN"
    assert evidence["payout"] == f"{payout} NGN"
    assert await _broken(engine) == []


async def test_a_fixed_payout_that_stays_while_the_market_is_closed_keeps_the_whole_margin(
    engine: AsyncEngine,
) -> None:
    dearer = replace(make_trail("1530.25", 150), markup_basis_points=50)
    trail = replace(dearer, closed_market_basis_points=100)
    net = Money(smallest_net_minor(FIXED.payout, trail.rate, 2), "USD")
    terms = agree_payout(net, FIXED.payout, FEES, trail)
    before = await _late(engine, terms=terms, trail=trail)

    await _price_by(engine, trail)

    stored = await PostgresPayments(engine).get(before.merchant_id, before.id)
    assert stored.terms.payout == FIXED.payout
    assert (stored.terms.fixed_side, stored.terms.markup_basis_points) == (
        FixedSide.DESTINATION,
        150,
    )
    assert await _broken(engine) == []


async def test_a_payment_at_the_same_rate_again_says_nothing_about_its_price(
    engine: AsyncEngine,
) -> None:
    await PostgresEndpoints(engine).add("sandbox", new_id(), "https://a.example", "whsec_AAAA")
    before = await _late(engine)

    await _price(engine, "1530.25")

    stored = await PostgresPayments(engine).get(before.merchant_id, before.id)
    assert stored.state is State.CONVERTED
    assert await _events(engine) == []
    assert await _broken(engine) == []
