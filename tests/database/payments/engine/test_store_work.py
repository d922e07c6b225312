"""Claims are exclusive, writes are fenced, and one change is written whole or not at all."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.facts import Change, Work
from services.payments.engine.store.work import PostgresWork
from services.payments.mesh.ports import ProviderEvent
from services.payments.model.answer import Answer, Outcome
from services.payments.model.attempt import AttemptState, Step, intend
from services.payments.model.payment import Payment, PaymentNotFound, State
from services.payments.orders.store.payments import PostgresPayments
from services.payments.webhooks_in.ports import Arrival, Receipt
from services.payments.webhooks_in.store.inbox import PostgresInbox
from tests.makers import CAPABILITIES, make_new_payment, make_payment
from tests.polling import until

DECIDER = Decider(CAPABILITIES, spread=lambda: 0.5)
SUCCEEDED = Answer(outcome=Outcome.SUCCEEDED, provider_reference="x_1")
PENDING = Answer(outcome=Outcome.PENDING, provider_reference="x_1")


async def _create(engine: AsyncEngine, count: int = 1) -> list[Payment]:
    new = [make_new_payment() for _ in range(count)]
    await PostgresPayments(engine).create(new)
    return [item.payment for item in new]


async def _claim(engine: AsyncEngine, *, lease_seconds: float = 30, limit: int = 100) -> list[Work]:
    """Claims, and plans as the worker does; gives the work as it stands then."""
    async with PostgresWork(engine).begin() as transaction:
        claimed = await transaction.claim("test", limit=limit, lease_seconds=lease_seconds)
        plans = [DECIDER.plan(work) for work in claimed]
        await transaction.write([plan.change for plan in plans])
        await transaction.commit()
    return [plan.work for plan in plans]


async def _settle(engine: AsyncEngine, work: Sequence[Work], answer: Answer) -> set[UUID]:
    async with PostgresWork(engine).begin() as transaction:
        now, _ = await transaction.untouched([], lease_seconds=0)
        written = await transaction.write([DECIDER.settle(item, answer, now) for item in work])
        await transaction.commit()
    return set(written)


async def _mark_sent(engine: AsyncEngine, work: Sequence[Work]) -> Sequence[Work]:
    async with PostgresWork(engine).begin() as transaction:
        marked = await transaction.mark_sent(work)
        await transaction.commit()
    return marked


async def _scalar(engine: AsyncEngine, query: str) -> object:
    async with engine.connect() as connection:
        return (await connection.execute(text(query))).scalar_one()


async def test_a_payment_is_claimed_by_one_worker_only(engine: AsyncEngine) -> None:
    payments = await _create(engine, 40)

    claims = await asyncio.gather(*(_claim(engine, limit=10) for _ in range(6)))

    claimed = [work.payment.id for claim in claims for work in claim]
    assert sorted(claimed) == sorted(payment.id for payment in payments)


async def test_the_intent_is_recorded_with_the_claim(engine: AsyncEngine) -> None:
    await _create(engine)

    await _claim(engine)

    assert await _scalar(engine, "SELECT state FROM attempts") == "INTENDED"
    assert await _scalar(engine, "SELECT state FROM payments") == "COLLECTING"


async def test_a_claim_that_is_not_committed_leaves_nothing(engine: AsyncEngine) -> None:
    await _create(engine)

    async with PostgresWork(engine).begin() as transaction:
        claimed = await transaction.claim("test", limit=1, lease_seconds=30)
        await transaction.write([DECIDER.plan(work).change for work in claimed])

    assert await _scalar(engine, "SELECT count(*) FROM attempts") == 0
    assert len(await _claim(engine)) == 1


async def test_a_worker_whose_lease_ran_out_sends_nothing(engine: AsyncEngine) -> None:
    await _create(engine)
    slept = await _claim(engine, lease_seconds=-1)

    assert await _mark_sent(engine, slept) == []
    assert await _scalar(engine, "SELECT state FROM attempts") == "INTENDED"


async def test_a_worker_that_was_overtaken_changes_nothing(engine: AsyncEngine) -> None:
    await _create(engine)
    slept = await _claim(engine, lease_seconds=-1)
    (overtaker,) = await _mark_sent(engine, await _claim(engine))

    assert await _settle(engine, slept, SUCCEEDED) == set()
    assert await _scalar(engine, "SELECT count(*) FROM postings") == 0
    assert await _settle(engine, [overtaker], SUCCEEDED) == {overtaker.payment.id}


async def test_a_change_is_written_once_however_often_it_is_tried(engine: AsyncEngine) -> None:
    await _create(engine)
    work = await _mark_sent(engine, await _claim(engine))

    results = await asyncio.gather(*(_settle(engine, work, SUCCEEDED) for _ in range(5)))

    assert sorted(len(written) for written in results) == [0, 0, 0, 0, 1]
    assert await _scalar(engine, "SELECT count(*) FROM postings WHERE cause='funds_collected'") == 1


async def test_one_fenced_change_does_not_hold_up_the_others(engine: AsyncEngine) -> None:
    await _create(engine, 3)
    work = list(await _mark_sent(engine, await _claim(engine)))
    work[1] = replace(work[1], lease_token=work[1].lease_token - 1)

    written = await _settle(engine, work, SUCCEEDED)

    assert written == {work[0].payment.id, work[2].payment.id}


async def test_balances_are_what_the_postings_sum_to(engine: AsyncEngine) -> None:
    await _create(engine, 5)
    await _settle(engine, await _mark_sent(engine, await _claim(engine)), SUCCEEDED)
    payouts = await _mark_sent(engine, await _claim(engine))
    await _settle(engine, payouts[:3], SUCCEEDED)

    differences = await _scalar(
        engine,
        """
        SELECT count(*) FROM (
            SELECT account, currency, sum(amount) AS total FROM (
                SELECT debit AS account, currency, amount_minor AS amount FROM postings
                UNION ALL SELECT credit, currency, -amount_minor FROM postings
            ) AS sides GROUP BY account, currency
        ) AS summed FULL JOIN balances USING (account, currency)
         WHERE total IS DISTINCT FROM balance_minor
        """,
    )

    assert differences == 0
    assert await _scalar(engine, "SELECT count(*) FROM balances") == 8


async def test_a_completed_payment_has_nothing_left_on_its_account(engine: AsyncEngine) -> None:
    await _create(engine)
    for _ in range(2):
        await _settle(engine, await _mark_sent(engine, await _claim(engine)), SUCCEEDED)

    assert await _scalar(engine, "SELECT state FROM payments") == "COMPLETED"
    owed = "SELECT sum(balance_minor) FROM balances WHERE account LIKE 'payments:%'"
    assert await _scalar(engine, owed) == 0
    assert await _scalar(engine, "SELECT count(*) FROM payments WHERE due_at IS NOT NULL") == 0


async def test_a_second_live_attempt_of_a_step_cannot_exist(engine: AsyncEngine) -> None:
    await _create(engine)
    (work,) = await _claim(engine)
    second = intend(work.payment, Step.COLLECTION, 2)
    change = Change(
        payment=work.payment,
        before=work.payment,
        lease_token=work.lease_token,
        attempt=second,
    )

    async with PostgresWork(engine).begin() as transaction:
        with pytest.raises(IntegrityError, match="attempts_one_live_idx"):
            await transaction.write([change])


async def test_a_pending_operation_is_due_again_later(engine: AsyncEngine) -> None:
    await _create(engine)
    work = await _mark_sent(engine, await _claim(engine))
    await _settle(engine, work, PENDING)

    assert await _claim(engine) == []
    later = "SELECT due_at - now() BETWEEN '0.1 s' AND '1 s' FROM payments"
    assert await _scalar(engine, later) is True


def _event(payment: Payment, event_id: str = "evt_1") -> ProviderEvent:
    return ProviderEvent(
        provider="local_wallet",
        event_id=event_id,
        event_type="payment_completed",
        transaction_id=payment.transaction_id,
        step=Step.PAYOUT,
        answer=Answer(outcome=Outcome.SUCCEEDED, actor="provider:local_wallet", event_id=event_id),
    )


def _arrival(
    payment: Payment, event_id: str = "evt_1", *, keep_unmatched: bool = True, **event: Any
) -> Arrival:
    return Arrival(
        event=replace(_event(payment, event_id), **event),
        payment_id=payment.id,
        body=b"{}",
        keep_unmatched=keep_unmatched,
    )


async def _receive(engine: AsyncEngine, *arrivals: Arrival) -> Sequence[Receipt | PaymentNotFound]:
    return await PostgresInbox(engine).receive(arrivals)


async def _open_payout(engine: AsyncEngine) -> Payment:
    (payment,) = await _create(engine)
    await _settle(engine, await _mark_sent(engine, await _claim(engine)), SUCCEEDED)
    await _settle(engine, await _mark_sent(engine, await _claim(engine)), PENDING)
    return payment


async def test_an_event_wakes_its_payment_and_completes_it(engine: AsyncEngine) -> None:
    payment = await _open_payout(engine)

    receipts = await _receive(engine, _arrival(payment))
    await _claim(engine)

    assert receipts == [Receipt.ACCEPTED]
    assert (await PostgresPayments(engine).get("sandbox", payment.id)).state is State.COMPLETED
    assert await _scalar(engine, "SELECT state FROM webhook_inbox") == "APPLIED"


async def test_the_same_event_again_is_a_duplicate_that_changes_nothing(
    engine: AsyncEngine,
) -> None:
    payment = await _open_payout(engine)
    await _receive(engine, _arrival(payment))
    await _claim(engine)
    before = await PostgresPayments(engine).get("sandbox", payment.id)

    assert await _receive(engine, _arrival(payment)) == [Receipt.DUPLICATE]
    assert await _claim(engine) == []
    assert await PostgresPayments(engine).get("sandbox", payment.id) == before


async def test_the_same_fact_under_another_id_changes_nothing(engine: AsyncEngine) -> None:
    payment = await _open_payout(engine)
    for event_id in ("evt_1", "evt_2"):
        await _receive(engine, _arrival(payment, event_id))
        await _claim(engine)

    history = await PostgresPayments(engine).events("sandbox", payment.id)
    assert [e.event.to_state for e in history].count(State.COMPLETED) == 1
    assert await _scalar(engine, "SELECT count(*) FROM postings WHERE cause='paid_out'") == 1
    assert (
        await _scalar(engine, "SELECT string_agg(state, ',' ORDER BY event_id) FROM webhook_inbox")
        == "APPLIED,IGNORED"
    )


async def test_an_event_that_comes_while_a_worker_is_busy_is_seen_at_its_release(
    engine: AsyncEngine,
) -> None:
    (payment,) = await _create(engine)
    await _settle(engine, await _mark_sent(engine, await _claim(engine)), SUCCEEDED)
    busy = await _mark_sent(engine, await _claim(engine))
    await _receive(engine, _arrival(payment))
    assert await _claim(engine) == []

    await _settle(engine, busy, PENDING)
    await _claim(engine)

    assert (await PostgresPayments(engine).get("sandbox", payment.id)).state is State.COMPLETED


async def test_events_and_answers_about_the_same_payments_wait_and_never_deadlock(
    engine: AsyncEngine,
) -> None:
    first, second = sorted(await _create(engine, 2), key=lambda payment: payment.id)
    work = await _mark_sent(engine, await _claim(engine))
    touch = text("UPDATE payments SET nudged = nudged WHERE id = :id")
    async with engine.begin() as connection:
        # A scan of the table now meets the second before the first.
        await connection.execute(touch, {"id": first.id})

    async with engine.connect() as other:
        await other.execute(touch, {"id": first.id})
        receiving = asyncio.create_task(
            _receive(engine, _arrival(first), _arrival(second, "evt_2"))
        )
        await until(lambda: _waiting(engine), lambda number: number == 1)
        settling = asyncio.create_task(_settle(engine, work, SUCCEEDED))
        await until(lambda: _waiting(engine), lambda number: number == 2)
        await other.rollback()

    assert await receiving == [Receipt.ACCEPTED] * 2
    assert await settling == {first.id, second.id}


async def _waiting(engine: AsyncEngine) -> object:
    """How many sessions of this database wait for another's lock."""
    return await _scalar(
        engine,
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND wait_event_type = 'Lock'",
    )


async def test_an_event_about_a_payment_we_do_not_have_is_kept_and_ignored(
    engine: AsyncEngine,
) -> None:
    stranger = make_payment()

    assert await _receive(engine, _arrival(stranger)) == [Receipt.ORPHANED]
    assert await _scalar(engine, "SELECT state FROM webhook_inbox") == "UNMATCHED"


async def test_an_event_that_must_be_about_a_payment_of_ours_is_refused_and_not_kept(
    engine: AsyncEngine,
) -> None:
    stranger = make_payment()

    (refusal,) = await _receive(engine, _arrival(stranger, keep_unmatched=False))

    assert isinstance(refusal, PaymentNotFound)
    assert await _scalar(engine, "SELECT count(*) FROM webhook_inbox") == 0


async def test_events_that_come_together_are_kept_together_and_each_once(
    engine: AsyncEngine,
) -> None:
    payment, stranger = await _open_payout(engine), make_payment()

    receipts = await _receive(
        engine,
        _arrival(payment),
        _arrival(stranger, "evt_2"),
        _arrival(payment),
        _arrival(stranger, "evt_3", keep_unmatched=False),
        _arrival(payment, "evt_3"),
    )

    assert [receipt for receipt in receipts if isinstance(receipt, Receipt)] == [
        Receipt.ACCEPTED,
        Receipt.ORPHANED,
        Receipt.DUPLICATE,
        Receipt.ACCEPTED,
    ]
    assert isinstance(receipts[3], PaymentNotFound)
    assert (
        await _scalar(engine, "SELECT string_agg(state, ',' ORDER BY event_id) FROM webhook_inbox")
        == "PENDING,UNMATCHED,PENDING"
    )


@pytest.mark.parametrize(("mark", "state"), [("", "IGNORED"), ("-of-another", "PENDING")])
async def test_an_event_that_says_of_its_key_what_is_on_record_wakes_nobody(
    mark: str, state: str, engine: AsyncEngine
) -> None:
    (payment,) = await _create(engine)
    (sent,) = await _mark_sent(engine, await _claim(engine))
    await _settle(engine, [sent], SUCCEEDED)
    assert sent.attempt is not None
    busy = await _mark_sent(engine, await _claim(engine))
    answer = replace(SUCCEEDED, key=sent.attempt.key + mark)

    receipts = await _receive(
        engine,
        _arrival(payment, provider=sent.attempt.provider, step=Step.COLLECTION, answer=answer),
    )
    await _settle(engine, busy, PENDING)

    assert receipts == [Receipt.ACCEPTED]
    assert await _scalar(engine, "SELECT state FROM webhook_inbox") == state
    assert bool(await _claim(engine)) is (state == "PENDING")


async def test_an_attempt_keeps_the_time_it_was_first_sent(engine: AsyncEngine) -> None:
    await _create(engine)
    (first,) = await _mark_sent(engine, await _claim(engine))
    (again,) = await _mark_sent(engine, [first])

    assert first.attempt is not None
    assert again.attempt is not None
    assert again.attempt.state is AttemptState.SENT
    assert again.attempt.sent_at == first.attempt.sent_at
    assert again.claimed_at - again.attempt.sent_at < timedelta(seconds=5)
