"""An event for merchants is written with its change or not at all; claims are exclusive and fair
between endpoints, and a result is fenced by its lease token."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.facts import Work
from services.payments.engine.store.work import PostgresWork
from services.payments.model.answer import Answer, Outcome
from services.payments.model.payment import Payment
from services.payments.orders.store.payments import PostgresPayments
from services.payments.webhooks_out.convert import encode_event
from services.payments.webhooks_out.delivery import (
    Delivery,
    DeliveryState,
    Reply,
    TryResult,
    event_id,
    give_up,
    result_of,
)
from services.payments.webhooks_out.notification import of_payment
from services.payments.webhooks_out.store.endpoints import PostgresEndpoints
from services.payments.webhooks_out.store.outbox import PostgresOutbox
from services.shared.ids import new_id
from tests.makers import CAPABILITIES, make_new_payment
from tests.poison import run

DECIDER = Decider(CAPABILITIES, spread=lambda: 0.5)
SUCCEEDED = Answer(outcome=Outcome.SUCCEEDED, provider_reference="x_1")
DELIVERED = TryResult(state=DeliveryState.DELIVERED, failures=0)


async def _endpoint(engine: AsyncEngine) -> UUID:
    endpoint_id = new_id()
    await PostgresEndpoints(engine).add("sandbox", endpoint_id, "https://a.example", "whsec_AAAA")
    return endpoint_id


async def _create(engine: AsyncEngine, count: int = 1) -> list[Payment]:
    new = [make_new_payment() for _ in range(count)]
    await PostgresPayments(engine, encode_event).create(new)
    return [item.payment for item in new]


async def _of_an_event(engine: AsyncEngine, payment: Payment) -> Payment:
    """The payment as it is now, without the inputs of its price, which GetPayment alone shows."""
    now = await PostgresPayments(engine).get("sandbox", payment.id)
    return replace(now, pricing=None)


async def _work(engine: AsyncEngine) -> list[Work]:
    """Claims, plans and marks as sent, as the worker does."""
    async with PostgresWork(engine, encode_event).begin() as transaction:
        claimed = await transaction.claim("test", limit=100, lease_seconds=30)
        plans = [DECIDER.plan(work) for work in claimed]
        await transaction.write([plan.change for plan in plans])
        marked = await transaction.mark_sent([plan.work for plan in plans if plan.call])
        await transaction.commit()
    return list(marked)


async def _settle(
    engine: AsyncEngine, work: Sequence[Work], answer: Answer, *, commit: bool = True
) -> None:
    async with PostgresWork(engine, encode_event).begin() as transaction:
        now, _ = await transaction.untouched([], lease_seconds=0)
        await transaction.write([DECIDER.settle(item, answer, now) for item in work])
        if commit:
            await transaction.commit()


async def _rows(engine: AsyncEngine, query: str) -> list[Any]:
    async with engine.connect() as connection:
        return list(await connection.execute(text(query)))


async def _types(engine: AsyncEngine) -> list[str]:
    query = "SELECT event_type FROM outbox ORDER BY payment_id, sequence, endpoint_id"
    return [row.event_type for row in await _rows(engine, query)]


async def _claim(engine: AsyncEngine, **changes: Any) -> list[Delivery]:
    asked = {"each": 100, "limit": 100, "lease_seconds": 30, **changes}
    return list(await PostgresOutbox(engine).claim(asked.pop("busy", {}), **asked))


async def test_each_change_of_status_is_written_once_for_each_endpoint(engine: AsyncEngine) -> None:
    endpoints = {await _endpoint(engine), await _endpoint(engine)}
    (payment,) = await _create(engine)
    await _settle(engine, await _work(engine), SUCCEEDED)
    await _settle(engine, await _work(engine), SUCCEEDED)

    written = await _rows(engine, "SELECT * FROM outbox ORDER BY sequence, endpoint_id")
    expected = ["payment.pending", "payment.processing", "payment.completed"]
    assert [row.event_type for row in written] == [name for name in expected for _ in endpoints]
    assert {row.endpoint_id for row in written} == endpoints
    bodies = [json.loads(row.body) for row in written]
    for row, body in zip(written, bodies, strict=True):
        assert body["id"] == event_id(payment.id, row.sequence)
        assert body["type"] == row.event_type


async def test_an_event_shows_what_the_api_shows_from_then_on(engine: AsyncEngine) -> None:
    await _endpoint(engine)
    (payment,) = await _create(engine)
    shown = [encode_event(of_payment(await _of_an_event(engine, payment)))]
    for _ in range(2):
        await _settle(engine, await _work(engine), SUCCEEDED)
        shown.append(encode_event(of_payment(await _of_an_event(engine, payment))))

    written = await _rows(engine, "SELECT body FROM outbox ORDER BY sequence")
    assert [row.body for row in written] == shown


async def test_a_cancel_request_that_came_meanwhile_is_in_the_event(engine: AsyncEngine) -> None:
    await _endpoint(engine)
    (payment,) = await _create(engine)
    work = await _work(engine)
    async with PostgresWork(engine, encode_event).begin() as transaction:
        await transaction.request_cancel(payment)
        await transaction.commit()
    await _settle(engine, work, SUCCEEDED)

    shown = encode_event(of_payment(await _of_an_event(engine, payment)))
    (written,) = await _rows(
        engine, "SELECT body FROM outbox WHERE event_type = 'payment.processing'"
    )
    assert json.loads(written.body)["data"]["cancel_requested"] is True
    assert written.body == shown


async def test_a_change_that_is_undone_has_no_event(engine: AsyncEngine) -> None:
    await _endpoint(engine)
    await _create(engine)
    await _settle(engine, await _work(engine), SUCCEEDED, commit=False)

    assert await _types(engine) == ["payment.pending"]


async def test_a_change_that_was_fenced_out_has_no_event(engine: AsyncEngine) -> None:
    await _endpoint(engine)
    await _create(engine)
    late = [replace(work, lease_token=work.lease_token - 1) for work in await _work(engine)]
    await _settle(engine, late, SUCCEEDED)

    assert await _types(engine) == ["payment.pending"]


async def test_a_hold_has_an_event(engine: AsyncEngine) -> None:
    await _endpoint(engine)
    (payment,) = await _create(engine)
    wrong = replace(SUCCEEDED, amount=replace(payment.terms.amount, amount_minor=1))
    await _settle(engine, await _work(engine), wrong)

    assert await _types(engine) == ["payment.pending", "payment.on_hold"]
    held = await _of_an_event(engine, payment)
    (written,) = await _rows(engine, "SELECT body FROM outbox WHERE event_type = 'payment.on_hold'")
    assert written.body == encode_event(of_payment(held))


async def test_an_endpoint_gets_the_events_after_its_creation_alone(engine: AsyncEngine) -> None:
    await _create(engine)
    await _endpoint(engine)
    await _settle(engine, await _work(engine), SUCCEEDED)

    assert await _types(engine) == ["payment.processing"]


async def test_a_deleted_endpoint_and_another_merchants_get_no_event(
    engine: AsyncEngine,
) -> None:
    await PostgresEndpoints(engine).delete("sandbox", await _endpoint(engine))
    await run(engine, "INSERT INTO merchants VALUES ('other', 'Other')")
    await PostgresEndpoints(engine).add("other", new_id(), "https://b.example", "whsec_AAAA")
    await _create(engine)
    await _settle(engine, await _work(engine), SUCCEEDED)

    assert await _types(engine) == []


async def test_a_store_without_an_encoder_writes_nothing_that_has_an_event(
    engine: AsyncEngine,
) -> None:
    await _endpoint(engine)
    new = make_new_payment()

    with pytest.raises(RuntimeError, match="encode_event"):
        await PostgresPayments(engine).create([new])
    assert await _rows(engine, "SELECT 1 FROM payments") == []


async def test_a_replayed_creation_has_one_event(engine: AsyncEngine) -> None:
    await _endpoint(engine)
    new = make_new_payment()
    store = PostgresPayments(engine, encode_event)
    await store.create([new])
    await store.create([replace(new, payment=replace(new.payment, id=new_id()))])

    assert await _types(engine) == ["payment.pending"]


async def test_a_claimed_delivery_is_nobody_elses_until_its_lease_runs_out(
    engine: AsyncEngine,
) -> None:
    endpoint_id = await _endpoint(engine)
    (payment,) = await _create(engine)

    (first,) = await _claim(engine, lease_seconds=0)
    (second,) = await _claim(engine)
    assert await _claim(engine) == []

    assert (first.payment_id, first.endpoint_id) == (payment.id, endpoint_id)
    assert (second.event_id, second.body) == (first.event_id, first.body)
    assert second.lease_token == first.lease_token + 1


async def test_a_result_under_an_old_token_changes_nothing(engine: AsyncEngine) -> None:
    await _endpoint(engine)
    await _create(engine)
    (late,) = await _claim(engine, lease_seconds=0)
    (owner,) = await _claim(engine)
    outbox = PostgresOutbox(engine)

    assert await outbox.settle([(late, give_up(late))]) == [False]
    assert await outbox.settle([(owner, DELIVERED)]) == [True]
    assert await outbox.settle([(owner, give_up(owner))]) == [False]

    (row,) = await _rows(engine, "SELECT state, delivered_at, last_error FROM outbox")
    assert (row.state, row.last_error) == ("DELIVERED", None)
    assert row.delivered_at is not None
    assert await _claim(engine) == []


async def test_a_failed_try_waits_for_its_turn_and_keeps_its_bytes(engine: AsyncEngine) -> None:
    await _endpoint(engine)
    await _create(engine)
    outbox = PostgresOutbox(engine)
    (first,) = await _claim(engine)
    failed = result_of(first, Reply(status=500), lambda: 0.0)
    await outbox.settle([(first, failed)])

    (again,) = await _claim(engine)
    assert (again.failures, again.body) == (1, first.body)
    await outbox.settle([(again, replace(failed, failures=2, due_in=timedelta(hours=1)))])

    assert await _claim(engine) == []
    (row,) = await _rows(engine, "SELECT state, failures, last_error FROM outbox")
    assert tuple(row) == ("PENDING", 2, "the endpoint answered 500")


async def test_an_endpoint_that_is_gone_is_disabled_and_its_other_events_are_not_sent(
    engine: AsyncEngine,
) -> None:
    endpoint_id = await _endpoint(engine)
    await _create(engine, 2)
    outbox = PostgresOutbox(engine)
    (first,) = await _claim(engine, limit=1)
    await outbox.settle([(first, result_of(first, Reply(status=410), lambda: 0.0))])

    (other,) = await _claim(engine)
    assert other.endpoint_disabled
    (endpoint,) = await PostgresEndpoints(engine).list("sandbox")
    assert endpoint.id == endpoint_id
    assert endpoint.disabled_at is not None
    await _create(engine)
    assert len(await _types(engine)) == 2


async def test_an_event_of_a_deleted_endpoint_comes_marked_as_such(
    engine: AsyncEngine,
) -> None:
    endpoint_id = await _endpoint(engine)
    await _create(engine)
    await PostgresEndpoints(engine).delete("sandbox", endpoint_id)

    (delivery,) = await _claim(engine)
    assert delivery.endpoint_disabled


async def test_a_claim_takes_no_more_of_an_endpoint_than_it_may(engine: AsyncEngine) -> None:
    busy, free = await _endpoint(engine), await _endpoint(engine)
    await _create(engine, 10)

    claimed = await _claim(engine, busy={busy: 3}, each=4)
    ids = [delivery.endpoint_id for delivery in claimed]
    assert (ids.count(busy), ids.count(free)) == (1, 4)
    assert {d.endpoint_id for d in await _claim(engine, busy={busy: 4}, each=4)} == {free}
    assert len(await _claim(engine, limit=2)) == 2


async def test_the_events_that_wait_are_known_by_endpoint(engine: AsyncEngine) -> None:
    await _endpoint(engine)
    outbox = PostgresOutbox(engine)
    assert await outbox.waiting(limit=1) == (0, [])

    await _create(engine, 2)
    await run(
        engine, "UPDATE outbox SET created_at = created_at - interval '1 hour' WHERE sequence = 1"
    )
    events, (endpoint,) = await outbox.waiting(limit=1)

    assert events == endpoint.events == 2
    assert endpoint.merchant_id == "sandbox"
    assert 3600 <= endpoint.oldest_seconds < 3700


async def test_a_disabled_merchant_gets_the_events_of_its_payments(engine: AsyncEngine) -> None:
    await _endpoint(engine)
    await _create(engine)
    await run(engine, "UPDATE merchants SET disabled_at = now() WHERE id = 'sandbox'")
    for _ in range(2):
        await _settle(engine, await _work(engine), SUCCEEDED)

    types = {json.loads(delivery.body)["type"] for delivery in await _claim(engine)}

    assert types == {"payment.pending", "payment.processing", "payment.completed"}
