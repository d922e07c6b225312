"""A payment without progress is counted and listed with its last known outcome; one that waits for
its time, for a person, or for its merchant is not. Events about no payment of ours are listed, and
given to their payment once it exists."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.audit.checks import PostgresAudit
from services.payments.audit.watch import PostgresWatch
from services.payments.engine.decisions.decider import Decider
from services.payments.engine.overdue import OverduePayment
from services.payments.engine.store.work import PostgresWork
from services.payments.mesh.ports import ProviderEvent
from services.payments.model.answer import Answer, Outcome
from services.payments.model.attempt import Step
from services.payments.model.operator import Operator
from services.payments.model.payment import Failure, Payment, PaymentNotFound
from services.payments.model.progress import expected_times
from services.payments.model.timing import Waiting
from services.payments.operators.domain import (
    DeadLetter,
    DeadLetterNotFound,
    DeadLetterUnmatched,
    EventFacts,
    Kind,
    LetterFilter,
)
from services.payments.operators.store.operations import PostgresOperations
from services.payments.operators.usecases import Operating
from services.payments.orders.store.payments import PostgresPayments
from services.payments.webhooks_in.ports import Arrival, Receipt
from services.payments.webhooks_in.store.inbox import PostgresInbox
from services.shared.money import Money
from tests.fakes import ScriptedProviders
from tests.makers import CAPABILITIES, make_capabilities, make_new_payment, make_payment
from tests.poison import rows, run

DECIDER = Decider(CAPABILITIES, spread=lambda: 0.5)
EXPECTED = expected_times(CAPABILITIES)
REFUSED = Answer(
    outcome=Outcome.UNKNOWN, failure=Failure(code="request_refused", message="answered 400")
)


async def _create(engine: AsyncEngine, **changes: Any) -> Payment:
    new = make_new_payment(**changes)
    await PostgresPayments(engine).create([new])
    return new.payment


async def _unknown(engine: AsyncEngine) -> Payment:
    """A payment whose collection was sent, and answered with what nobody understands."""
    payment = await _create(engine)
    async with PostgresWork(engine).begin() as transaction:
        claimed = await transaction.claim("test", limit=10, lease_seconds=30)
        plans = [DECIDER.plan(work) for work in claimed]
        await transaction.write([plan.change for plan in plans])
        sent = await transaction.mark_sent([plan.work for plan in plans])
        now, _ = await transaction.untouched([], lease_seconds=0)
        await transaction.write([DECIDER.settle(work, REFUSED, now) for work in sent])
        await transaction.commit()
    return payment


async def _age(engine: AsyncEngine, seconds: int) -> None:
    """Everything has happened so much earlier; what is due stays due."""
    earlier = f"- interval '{seconds} seconds'"
    await run(engine, f"UPDATE payments SET created_at = created_at {earlier}")
    await run(engine, "ALTER TABLE payment_events DISABLE TRIGGER USER")
    await run(engine, f"UPDATE payment_events SET occurred_at = occurred_at {earlier}")


async def _listed(engine: AsyncEngine, **place: Any) -> Sequence[OverduePayment]:
    return await PostgresOperations(engine).overdue(
        EXPECTED,
        **{"merchant_id": "sandbox", "waiting": False, "after": None, "limit": 10, **place},
    )


async def _counted(engine: AsyncEngine) -> list[tuple[str, str, str, str, int]]:
    sight = await PostgresWatch(engine, EXPECTED).look()
    return [(o.state, o.provider, o.corridor_id, o.age, o.payments) for o in sight.overdue]


async def test_open_payments_are_counted_by_state_provider_corridor_and_age(
    engine: AsyncEngine,
) -> None:
    await _unknown(engine)
    await run(engine, "UPDATE payments SET created_at = now() - interval '31 minutes'")
    newer = await _create(engine)
    await run(engine, f"UPDATE payments SET created_at = now() WHERE id = '{newer.id}'")
    watch = PostgresWatch(engine, EXPECTED)

    assert (await watch.look()).open == {
        ("COLLECTING", "stripe", "us-ng", "10min"): 1,
        ("CREATED", "stripe", "us-ng", "0"): 1,
    }

    await run(engine, "UPDATE payments SET hold_reason = 'outcome_unknown' WHERE state = 'CREATED'")
    await run(engine, "UPDATE payments SET state = 'EXPIRED' WHERE state = 'COLLECTING'")
    assert (await watch.look()).open == {("ON_HOLD", "stripe", "us-ng", "0"): 1}


async def test_a_payment_without_progress_is_listed_with_the_last_that_is_known(
    engine: AsyncEngine,
) -> None:
    payment = await _unknown(engine)
    assert await _listed(engine) == []
    await _age(engine, 31 * 60)

    (late,) = await _listed(engine)

    assert late.transaction_id == payment.transaction_id
    assert (late.state, late.provider, late.corridor_id) == ("COLLECTING", "stripe", "us-ng")
    assert (late.key, late.attempts, late.sends) == (
        f"{payment.transaction_id}-collection-1",
        1,
        1,
    )
    assert (late.attempt_state, late.code) == ("UNKNOWN", "request_refused")
    assert late.last_at is not None
    assert late.next_at is not None
    assert late.within == timedelta(minutes=1)
    assert await _counted(engine) == [("COLLECTING", "stripe", "us-ng", "10min", 1)]


@pytest.mark.parametrize(
    ("change", "is_late"),
    [
        ("due_at = now() + interval '9 minutes'", True),
        ("hold_reason = 'outcome_unknown'", False),
        ("state = 'COMPLETED'", False),
        ("state = 'RETURNED', due_at = NULL", False),
        ("state = 'REFUNDING', due_at = now() + interval '29 days'", False),
        ("state = 'FUNDED'", True),
        ('route = route || \'{"expected_seconds": {"collection": 7200}}\'', False),
        ('route = route || \'{"expected_seconds": {"collection": 60}}\'', True),
    ],
)
async def test_only_what_the_engine_should_have_carried_on_is_overdue(
    engine: AsyncEngine, change: str, is_late: bool
) -> None:
    await _unknown(engine)
    await _age(engine, 31 * 60)

    await run(engine, f"UPDATE payments SET {change}")

    assert (len(await _listed(engine)) == 1) is is_late
    assert (len(await _counted(engine)) == 1) is is_late


async def test_a_hold_past_its_deadline_is_listed_and_one_within_it_is_not(
    engine: AsyncEngine,
) -> None:
    payment = await _create(engine)
    hold = "UPDATE payments SET hold_reason = 'amount_mismatch', due_at = NULL,"
    waits = "waiting_since = now() - interval '4 days', deadline_at = now()"

    await run(engine, f"{hold} {waits} + interval '1 hour'")
    assert await _listed(engine) == []

    await run(engine, f"{hold} {waits} - interval '1 day'")
    (listed,) = await _listed(engine)
    assert (listed.payment_id, listed.within) == (payment.id, timedelta(days=3))
    (count,) = (await PostgresWatch(engine, EXPECTED).look()).overdue
    assert count.payments == 1


WAITS = {
    Waiting.RETURNED: "state = 'RETURNED'",
    Waiting.ACTION_REQUIRED: "state = 'ACTION_REQUIRED'",
    Waiting.PARTLY_REFUNDED: "state = 'PARTLY_REFUNDED', refunded_minor = 1",
    Waiting.ON_HOLD: "hold_reason = 'amount_mismatch'",
}


@pytest.mark.parametrize("waiting", Waiting)
async def test_all_that_waits_for_a_person_is_listed_where_it_is_asked_for(
    engine: AsyncEngine, waiting: Waiting
) -> None:
    payment = await _create(engine)
    until = "now() + interval '1 day'"
    await run(
        engine,
        f"UPDATE payments SET {WAITS[waiting]}, due_at = {until}, deadline_at = {until}, "
        "waiting_since = now() - interval '2 days'",
    )

    assert await _listed(engine) == []
    (listed,) = await _listed(engine, waiting=True)

    assert (listed.payment_id, listed.waiting_for) == (payment.id, waiting)
    assert listed.within == timedelta(days=3)
    assert listed.deadline_at is not None
    for asked in Waiting:
        alone = await _listed(engine, waiting=True, waiting_for=[asked])
        assert [one.payment_id for one in alone] == ([payment.id] if asked is waiting else [])
    assert await _listed(engine, waiting=True, waiting_for=[*Waiting]) == [listed]
    # Once in the list, also where it is overdue by its state and past its deadline.
    await _age(engine, 7_200)
    await run(engine, "UPDATE payments SET due_at = now(), deadline_at = now()")
    assert len(await _listed(engine, waiting=True)) == len(await _listed(engine)) == 1


async def test_a_completed_payment_without_an_answer_to_its_last_look_up_is_listed(
    engine: AsyncEngine,
) -> None:
    bank = make_capabilities("local_wallet", success_final_after=timedelta(days=7))
    expected = expected_times({**CAPABILITIES, "local_wallet": bank})
    await _create(engine)
    await run(engine, "UPDATE payments SET state = 'COMPLETED', due_at = now()")

    async def listed() -> Sequence[OverduePayment]:
        return await PostgresOperations(engine).overdue(
            expected, merchant_id="sandbox", waiting=False, after=None, limit=10
        )

    await _age(engine, 7 * 86_400 + 29 * 60)
    assert await listed() == []
    await _age(engine, 120)
    (late,) = await listed()
    assert (late.state, late.provider, late.waiting_for) == ("COMPLETED", "local_wallet", None)


async def test_the_list_has_pages_and_shows_a_merchants_own(engine: AsyncEngine) -> None:
    for _ in range(3):
        await _create(engine)
    await _age(engine, 3_600)

    first = await _listed(engine, limit=2)
    rest = await _listed(engine, after=(first[-1].since, first[-1].payment_id))

    assert len(first) == 2
    assert len(rest) == 1
    assert len({late.payment_id for late in (*first, *rest)}) == 3
    others = await PostgresOperations(engine).overdue(
        EXPECTED, merchant_id="other", waiting=True, after=None, limit=10
    )
    assert others == []


@pytest.mark.parametrize("due_at", ["NULL", "now() + interval '11 minutes'"])
async def test_an_audit_finds_what_the_list_would_miss(engine: AsyncEngine, due_at: str) -> None:
    await _unknown(engine)
    invariant = "no open payment is where the list of the overdue does not look"

    async def violations() -> int:
        report = await PostgresAudit(engine, overdue_seconds=60).report()
        (found,) = [f for f in report.findings if f.invariant == invariant]
        return found.violations

    assert await violations() == 0
    await run(engine, f"UPDATE payments SET due_at = {due_at}")
    assert await violations() == 1


async def test_an_audit_counts_by_the_usual_times(engine: AsyncEngine) -> None:
    await _unknown(engine)
    await _age(engine, 2 * 86_400)

    report = await PostgresAudit(engine, overdue_seconds=60).report()

    assert [(late.state, late.age, late.payments) for late in report.overdue] == [
        ("COLLECTING", "1d", 1)
    ]


# Events about no payment of ours


def _arrival(payment: Payment, *, keep_unmatched: bool = True) -> Arrival:
    answer = Answer(
        outcome=Outcome.SUCCEEDED,
        provider_reference="pi_1",
        amount=Money(10_000, "USD"),
        event_id="evt_1",
        key=f"{payment.transaction_id}-collection-1",
        signed=True,
    )
    event = ProviderEvent(
        provider="stripe",
        event_id="evt_1",
        event_type="payment_intent.succeeded",
        transaction_id=payment.transaction_id,
        step=Step.COLLECTION,
        answer=answer,
    )
    return Arrival(event=event, payment_id=payment.id, body=b"{}", keep_unmatched=keep_unmatched)


async def _letters(engine: AsyncEngine, kind: Kind = Kind.ORPHAN) -> Sequence[DeadLetter]:
    return await PostgresOperations(engine).dead_letters(LetterFilter(kind=kind), limit=10)


async def _orphans(engine: AsyncEngine) -> Mapping[str, int]:
    return (await PostgresWatch(engine, EXPECTED).look()).orphans


def _operating(engine: AsyncEngine) -> Operating:
    return Operating(PostgresOperations(engine), ScriptedProviders(), lambda: 0.5)


async def test_an_event_about_no_payment_of_ours_is_kept_counted_and_listed(
    engine: AsyncEngine,
) -> None:
    stranger = make_payment()

    receipts = await PostgresInbox(engine).receive([_arrival(stranger)])

    assert receipts == [Receipt.ORPHANED]
    assert await _orphans(engine) == {"stripe": 1}
    (letter,) = await _letters(engine)
    assert letter.transaction_id == stranger.transaction_id
    assert letter.reason == "payment_unknown"
    assert letter.event == "payment_intent.succeeded: SUCCEEDED 100.00 USD"
    assert letter.facts == EventFacts(
        provider="stripe",
        event_id="evt_1",
        key=f"{stranger.transaction_id}-collection-1",
        provider_reference="pi_1",
        amount=Money(10_000, "USD"),
        payload_sha256=hashlib.sha256(b"{}").hexdigest(),
    )
    assert await _letters(engine, Kind.INBOX) == []


async def test_one_that_anybody_may_have_sent_is_refused_and_not_kept(engine: AsyncEngine) -> None:
    arrival = _arrival(make_payment(), keep_unmatched=False)

    (refused,) = await PostgresInbox(engine).receive([arrival])

    assert isinstance(refused, PaymentNotFound)
    assert await _orphans(engine) == {}


async def test_it_is_given_to_its_payment_once_that_exists(engine: AsyncEngine) -> None:
    watch = PostgresWatch(engine, EXPECTED)
    new = make_new_payment()
    await PostgresInbox(engine).receive([_arrival(new.payment)])
    assert await watch.match_orphans() == 0

    await PostgresPayments(engine).create([new])

    assert await watch.match_orphans() == 1
    assert await watch.match_orphans() == 0
    found = await rows(engine, "SELECT state, merchant_id FROM webhook_inbox")
    assert found == [("PENDING", "sandbox")]
    async with PostgresWork(engine).begin() as transaction:
        (work,) = await transaction.claim("test", limit=10, lease_seconds=30)
    assert [event.event_id for event in work.inbox] == ["evt_1"]


async def test_an_operator_gives_one_up_or_has_it_tried_again(engine: AsyncEngine) -> None:
    operating, ada = _operating(engine), Operator(name="ada")
    new = make_new_payment()
    await PostgresInbox(engine).receive([_arrival(new.payment)])
    (letter,) = await _letters(engine)
    name = letter.key.dead_letter_id

    assert letter.is_unmatched
    with pytest.raises(DeadLetterUnmatched):
        await operating.requeue(name, ada)
    await operating.discard(name, ada)

    assert await _letters(engine) == []
    with pytest.raises(DeadLetterNotFound):
        await operating.requeue(name, ada)
    report = await PostgresAudit(engine, overdue_seconds=60).report()
    assert report.broken == []
    await run(engine, "UPDATE webhook_inbox SET state = 'UNMATCHED'")
    await PostgresPayments(engine).create([new])
    assert [one.is_unmatched for one in await _letters(engine)] == [False]
    await operating.requeue(name, ada)
    assert await _letters(engine) == []
    assert await rows(engine, "SELECT state FROM webhook_inbox") == [("PENDING",)]


async def test_the_list_comes_also_while_providers_is_away(engine: AsyncEngine) -> None:
    await _unknown(engine)
    await _age(engine, 3_600)

    page, last = await _operating(engine).overdue(
        merchant_id="sandbox", waiting=False, after=None, limit=10
    )

    assert (len(page), last) == (1, None)
