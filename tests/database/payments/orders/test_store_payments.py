"""Creation is one commit for a batch: a key has one answer, a quote serves once, and what loses
changes nothing."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.base.idempotency import StoredAnswer
from services.payments.model.payment import Payment, PaymentNotFound, State
from services.payments.model.quote import Quote, QuoteAlreadyUsed, QuoteExpired, QuoteNotFound
from services.payments.orders.ports import NewPayment, PaymentFilter
from services.payments.orders.store.payments import PostgresPayments
from tests.makers import (
    make_new_payment,
    make_override,
    make_priced_quote,
    make_quote,
    make_terms,
    make_trail,
)
from tests.poison import UNGUARDED, run


async def _now_quote(store: PostgresPayments, **changes: timedelta) -> Quote:
    now, _ = await store.answers([])
    lifetime = changes.get("lifetime", timedelta(seconds=60))
    return make_quote(created_at=now, expires_at=now + lifetime)


async def _count(engine: AsyncEngine, table: str) -> int:
    async with engine.connect() as connection:
        return int((await connection.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one())


async def test_a_created_payment_reads_back_whole(engine: AsyncEngine) -> None:
    store = PostgresPayments(engine)
    new = make_new_payment()

    (answer,) = await store.create([new])

    assert answer == StoredAnswer(fingerprint=new.fingerprint, response=new.response)
    assert await store.get("sandbox", new.payment.id) == new.payment
    (first,) = await store.events("sandbox", new.payment.id)
    assert (first.event.cause, first.event.to_state) == ("payment_created", State.CREATED)
    assert first.trace_id == new.payment.trace_id


async def test_another_merchants_payment_is_not_found(engine: AsyncEngine) -> None:
    store = PostgresPayments(engine)
    new = make_new_payment()
    await store.create([new])

    with pytest.raises(PaymentNotFound):
        await store.get("somebody", new.payment.id)
    with pytest.raises(PaymentNotFound):
        await store.events("somebody", new.payment.id)
    assert await store.page("somebody", PaymentFilter(), before=None, limit=10) == []


async def test_payments_asked_for_together_are_each_answered_for_themselves(
    engine: AsyncEngine,
) -> None:
    store = PostgresPayments(engine)
    known = [make_new_payment(key=f"k-{number}") for number in range(3)]
    await store.create(known)
    wanted = [("sandbox", new.payment.id) for new in known]
    wanted += [("sandbox", uuid4()), ("somebody", known[0].payment.id), wanted[0]]

    found = await asyncio.gather(*(store.get(*key) for key in wanted), return_exceptions=True)

    assert found[:3] == [new.payment for new in known]
    assert [type(answer) for answer in found[3:5]] == [PaymentNotFound, PaymentNotFound]
    assert found[5] == known[0].payment


async def test_a_key_keeps_its_first_answer(engine: AsyncEngine) -> None:
    store = PostgresPayments(engine)
    first, second = make_new_payment(key="same"), make_new_payment(key="same")
    await store.create([first])

    (answer,) = await store.create([second])

    assert isinstance(answer, StoredAnswer)
    assert answer.response == first.response
    assert await _count(engine, "payments") == 1
    assert await _count(engine, "quotes") == 1


async def test_one_key_at_many_connections_makes_one_payment(engine: AsyncEngine) -> None:
    store = PostgresPayments(engine)

    answers = await asyncio.gather(
        *(store.create([make_new_payment(key="race"), make_new_payment()]) for _ in range(8))
    )

    assert len({answer[0].response for answer in answers}) == 1  # type: ignore[union-attr]
    assert await _count(engine, "payments") == 9


async def test_batches_with_the_same_keys_in_any_order_do_not_deadlock(
    engine: AsyncEngine,
) -> None:
    store = PostgresPayments(engine)
    keys = [f"key-{number}" for number in range(30)]

    def batch(*, backwards: bool) -> list[NewPayment]:
        return [make_new_payment(key=key) for key in sorted(keys, reverse=backwards)]

    await asyncio.gather(*(store.create(batch(backwards=n % 2 == 1)) for n in range(6)))

    assert await _count(engine, "payments") == 30


async def test_an_open_quote_is_consumed_by_one_payment_only(engine: AsyncEngine) -> None:
    store = PostgresPayments(engine)
    quote = await _now_quote(store)
    await store.add_quote(quote)

    results = await asyncio.gather(
        *(store.create([make_new_payment(quote=quote, quote_exists=True)]) for _ in range(5)),
        store.create(
            [
                make_new_payment(quote=quote, quote_exists=True),
                make_new_payment(quote=quote, quote_exists=True),
            ]
        ),
    )

    flat = [result for batch in results for result in batch]
    assert len([result for result in flat if isinstance(result, StoredAnswer)]) == 1
    assert len([r for r in flat if isinstance(r, QuoteAlreadyUsed | QuoteNotFound)]) == 6
    assert await _count(engine, "payments") == 1
    _, found = await store.quotes([("sandbox", quote.id)])
    assert found["sandbox", quote.id].payment_id is not None


async def test_a_quote_that_expired_meanwhile_is_refused_and_the_other_created(
    engine: AsyncEngine,
) -> None:
    store = PostgresPayments(engine)
    late = await _now_quote(store, lifetime=timedelta(microseconds=-1))
    await store.add_quote(late)

    refused, created = await store.create(
        [make_new_payment(quote=late, quote_exists=True), make_new_payment()]
    )

    assert isinstance(refused, QuoteExpired)
    assert isinstance(created, StoredAnswer)
    assert await _count(engine, "idempotency_keys") == 1


async def test_a_quote_reads_back_with_its_whole_trail(engine: AsyncEngine) -> None:
    store = PostgresPayments(engine)
    quote, earlier = make_priced_quote(), make_quote()
    await store.add_quote(quote)
    await store.add_quote(earlier)

    _, found = await store.quotes(
        [("sandbox", quote.id), ("sandbox", earlier.id), ("sandbox", uuid4())]
    )

    assert found == {("sandbox", quote.id): quote, ("sandbox", earlier.id): earlier}
    assert found["sandbox", quote.id].pricing == quote.pricing
    assert [line.formula for line in found["sandbox", quote.id].terms.fees] == [
        "1.00",
        "round_half_up(100.00 * 0.015, 2)",
    ]
    # It was made before these inputs were kept.
    unknown = found["sandbox", earlier.id].pricing
    assert (unknown.rounding, unknown.schedule_terms, unknown.trail.payload_sha256) == (
        None,
        "",
        "",
    )
    assert unknown.trail.closed_market_basis_points is None


async def test_a_payment_is_read_with_the_inputs_of_its_price(engine: AsyncEngine) -> None:
    store = PostgresPayments(engine)
    quote = make_priced_quote()
    new = make_new_payment(quote=quote)
    await store.create([new])

    found = await store.get("sandbox", new.payment.id)

    assert found.pricing == quote.pricing
    assert [line.formula for line in found.terms.fees] == [
        "1.00",
        "round_half_up(100.00 * 0.015, 2)",
    ]


async def test_a_payment_whose_quote_cannot_be_read_is_shown_without_its_trail(
    engine: AsyncEngine,
) -> None:
    store = PostgresPayments(engine)
    new = make_new_payment()
    await store.create([new])
    await run(engine, UNGUARDED, "UPDATE quotes SET trail = '{}'")

    found = await store.get("sandbox", new.payment.id)

    assert (found, found.pricing) == (new.payment, None)


@pytest.mark.parametrize(("rate", "margin"), [("1540.5", None), (None, 25)])
async def test_a_quote_reads_back_with_the_override_that_priced_it(
    rate: str | None, margin: int | None, engine: AsyncEngine
) -> None:
    store = PostgresPayments(engine)
    override = make_override(
        rate=None if rate is None else Decimal(rate),
        markup_basis_points=margin,
        market_mid_rate=Decimal("1530.25"),
    )
    trail = replace(make_trail(), override=override)
    quote = make_quote(trail=trail, terms=replace(make_terms(), **trail.agreed))
    await store.add_quote(quote)

    _, found = await store.quotes([("sandbox", quote.id)])

    assert found == {("sandbox", quote.id): quote}


async def test_a_payment_keeps_the_market_s_middle_that_an_override_replaced(
    engine: AsyncEngine,
) -> None:
    store = PostgresPayments(engine)
    terms = replace(make_terms(), replaced_mid_rate=Decimal("1600.5"))
    new = make_new_payment(quote=make_quote(terms=terms))
    await store.create([new])

    [listed] = await store.page("sandbox", PaymentFilter(), before=None, limit=1)

    assert isinstance(listed, Payment)
    assert listed.terms.replaced_mid_rate == Decimal("1600.5")
    assert listed.terms.cost == terms.cost


async def test_a_page_holds_nothing_of_merchants_before_or_after_this_one(
    engine: AsyncEngine,
) -> None:
    store = PostgresPayments(engine)
    made = [make_new_payment(merchant_id=name) for name in ("a", "b", "c") * 2]
    await store.create(made)
    newest, oldest = sorted(n.payment.id for n in made if n.payment.merchant_id == "b")[::-1]

    page = await store.page("b", PaymentFilter(), before=None, limit=9)
    rest = await store.page("b", PaymentFilter(), before=newest, limit=9)

    assert [payment.id for payment in page] == [newest, oldest]
    assert [payment.id for payment in rest] == [oldest]


async def test_pages_are_newest_first_and_filters_hold(engine: AsyncEngine) -> None:
    store = PostgresPayments(engine)
    made = [make_new_payment() for _ in range(5)]
    await store.create(made)
    newest_first = sorted((new.payment.id for new in made), reverse=True)

    page = await store.page("sandbox", PaymentFilter(), before=None, limit=2)
    rest = await store.page("sandbox", PaymentFilter(), before=page[-1].id, limit=10)
    none = await store.page("sandbox", PaymentFilter(user_id=uuid4()), before=None, limit=10)
    held = await store.page("sandbox", PaymentFilter(held=True), before=None, limit=10)

    assert [payment.id for payment in (*page, *rest)] == newest_first
    assert none == held == []
