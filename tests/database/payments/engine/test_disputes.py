"""Claims against a collection in the database: found by the collection that they name, kept beside
the payment, posted, sent to the merchant, and in the way of whatever has not been sent."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.audit.checks import PostgresAudit
from services.payments.engine.decisions.facts import Call
from services.payments.engine.store.work import PostgresWork
from services.payments.mesh.ports import ProviderEvent
from services.payments.model.answer import Answer, Outcome
from services.payments.model.attempt import Step
from services.payments.model.dispute import (
    DisputeKind,
    DisputeReport,
    DisputeStatus,
    PaymentDisputed,
)
from services.payments.model.operator import Operator
from services.payments.model.payment import Failure, Payment
from services.payments.operators.decisions import end_hold
from services.payments.operators.store.operations import PostgresOperations
from services.payments.orders.store.payments import PostgresPayments
from services.payments.webhooks_in.ports import Arrival, Receipt
from services.payments.webhooks_in.store.inbox import PostgresInbox
from services.shared.money import Money
from tests.database.payments.engine.carried import DECIDER, carry, create, refund, settle
from tests.poison import rows, run

COLLECTED = "x_1"
REFUSED = Answer(outcome=Outcome.FAILED, failure=Failure(code="payout_blocked", message="blocked"))
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
_numbers = itertools.count()
_FOUND = "SELECT kind, status, withdrawn_minor, stops FROM disputes ORDER BY number"
_LOST = "SELECT sum(balance_minor)::int FROM balances WHERE account = 'chargebacks:USD'"


async def _says(
    engine: AsyncEngine,
    status: DisputeStatus,
    *,
    kind: DisputeKind = DisputeKind.DISPUTE,
    taken: Money | None = None,
    reference: str = "du_1",
    collection: str = COLLECTED,
    event_id: str = "",
) -> Receipt:
    number = next(_numbers)
    report = DisputeReport(
        kind=kind,
        provider_reference=reference,
        status=status,
        reason="fraudulent",
        amount=Money(10_000, "USD"),
        withdrawn=taken,
        respond_by=NOW + timedelta(days=7),
    )
    event = ProviderEvent(
        provider="stripe",
        event_id=event_id or f"evt_{number}",
        event_type="charge.dispute.updated",
        transaction_id="",
        step=None,
        answer=Answer(
            outcome=Outcome.UNKNOWN,
            actor="provider:stripe",
            occurred_at=NOW + timedelta(seconds=number),
            signed=True,
        ),
        collection_reference=collection,
        dispute=report,
    )
    arrival = Arrival(event=event, payment_id=None, body=b"{}", keep_unmatched=True)
    (receipt,) = await PostgresInbox(engine).receive([arrival])
    assert isinstance(receipt, Receipt)
    return receipt


async def _step(engine: AsyncEngine, answer: Answer) -> None:
    """One turn of the worker, which commits the collection and stops before the payout."""
    async with PostgresWork(engine).begin() as transaction:
        (work,) = await transaction.claim("test", limit=1, lease_seconds=30)
        plan = DECIDER.plan(work)
        await transaction.write([plan.change])
        await transaction.commit()
    async with PostgresWork(engine).begin() as transaction:
        sent = await transaction.mark_sent([plan.work])
        now, _ = await transaction.untouched([], lease_seconds=0)
        await transaction.write([DECIDER.settle(sent[0], answer, now)])
        await transaction.commit()


async def _collected(engine: AsyncEngine, **changes: Any) -> Payment:
    payment = await create(engine, **changes)
    await _step(engine, Answer(outcome=Outcome.SUCCEEDED, provider_reference=COLLECTED))
    return payment


async def _release(engine: AsyncEngine, payment: Payment) -> None:
    async with PostgresWork(engine).begin() as transaction:
        work = await transaction.claim_one(payment.merchant_id, payment.id)
        await transaction.write([end_hold(work, Operator(name="ann", note="known customer"))])
        await transaction.commit()


async def _stands(engine: AsyncEngine) -> list[Any]:
    return await rows(engine, "SELECT state, hold_reason FROM payments")


async def _broken(engine: AsyncEngine) -> list[Any]:
    return [*(await PostgresAudit(engine, overdue_seconds=60).report()).broken]


async def test_a_dispute_before_the_payout_stops_it_until_it_is_won(engine: AsyncEngine) -> None:
    payment = await _collected(engine)
    taken = payment.terms.amount
    receipt = await _says(engine, DisputeStatus.NEEDS_RESPONSE, taken=taken)
    assert receipt is Receipt.ACCEPTED
    await carry(engine)

    assert await _stands(engine) == [("CONVERTED", "disputed")]
    assert await rows(engine, _FOUND) == [("DISPUTE", "NEEDS_RESPONSE", taken.amount_minor, True)]
    assert await rows(engine, _LOST) == [(taken.amount_minor,)]
    assert await _broken(engine) == []
    with pytest.raises(PaymentDisputed):
        await refund(engine, payment, None, key="while it is claimed")

    await _says(engine, DisputeStatus.WON, taken=Money(0, "USD"))
    await carry(engine)

    assert await _stands(engine) == [("COMPLETED", None)]
    assert await rows(engine, _LOST) == [(0,)]
    assert await _broken(engine) == []


async def test_a_person_may_pay_out_in_spite_of_a_warning(engine: AsyncEngine) -> None:
    payment = await _collected(engine)
    kind = DisputeKind.FRAUD_WARNING
    await _says(engine, DisputeStatus.NEEDS_RESPONSE, kind=kind, taken=None)
    await carry(engine)
    assert await _stands(engine) == [("CONVERTED", "disputed")]

    await _release(engine, payment)
    await carry(engine)

    assert await _stands(engine) == [("COMPLETED", None)]
    assert await rows(engine, _FOUND) == [("FRAUD_WARNING", "NEEDS_RESPONSE", 0, False)]
    assert await _broken(engine) == []


async def test_a_warning_before_the_payout_is_answered_by_a_refund(engine: AsyncEngine) -> None:
    payment = await _collected(engine)
    await _says(engine, DisputeStatus.NEEDS_RESPONSE, kind=DisputeKind.FRAUD_WARNING)
    await carry(engine)

    await refund(engine, payment, None, key="rather not")
    await carry(engine)

    assert await _stands(engine) == [("REFUNDED", None)]
    assert await _broken(engine) == []


async def test_a_dispute_after_the_payout_is_a_loss_and_no_hold(engine: AsyncEngine) -> None:
    payment = await create(engine)
    await carry(engine)
    taken = payment.terms.amount
    await _says(engine, DisputeStatus.NEEDS_RESPONSE, taken=taken)
    await carry(engine)
    await _says(engine, DisputeStatus.LOST, taken=taken)
    await carry(engine)

    assert await _stands(engine) == [("COMPLETED", None)]
    assert await rows(engine, _FOUND) == [("DISPUTE", "LOST", taken.amount_minor, True)]
    assert await rows(engine, _LOST) == [(taken.amount_minor,)]
    causes = await rows(engine, "SELECT cause FROM payment_events WHERE cause ~ '^dispute'")
    assert causes == [("dispute_opened",), ("dispute_closed",)]
    assert await _broken(engine) == []


async def test_claimed_money_is_not_refunded_at_the_deadline_but_held(
    engine: AsyncEngine,
) -> None:
    payment = await create(engine)
    await carry(engine)
    await settle(engine, payment, REFUSED)
    await _says(engine, DisputeStatus.NEEDS_RESPONSE, taken=payment.terms.amount)
    await carry(engine)
    assert await _stands(engine) == [("RETURNED", None)]
    await run(engine, "UPDATE payments SET deadline_at = now(), due_at = now()")
    await carry(engine)

    assert await _stands(engine) == [("RETURNED", "disputed")]
    await _says(engine, DisputeStatus.WON, taken=Money(0, "USD"))
    await carry(engine)
    assert (await _stands(engine))[0][1] is None
    assert await _broken(engine) == []


async def test_events_come_twice_late_and_in_any_order(engine: AsyncEngine) -> None:
    payment = await create(engine)
    await carry(engine)
    taken = payment.terms.amount
    await _says(engine, DisputeStatus.LOST, taken=taken, event_id="evt_last")
    await _says(engine, DisputeStatus.LOST, taken=taken, event_id="evt_last")
    await carry(engine)
    assert await rows(engine, _LOST) == [(taken.amount_minor,)]
    read = await PostgresPayments(engine).get(payment.merchant_id, payment.id)
    (dispute,) = read.disputes
    older = dispute.after(
        DisputeReport(
            kind=DisputeKind.DISPUTE,
            provider_reference="du_1",
            status=DisputeStatus.NEEDS_RESPONSE,
            reason="",
            amount=None,
            withdrawn=Money(0, "USD"),
            respond_by=None,
        ),
        dispute.stated_at - timedelta(seconds=1),
    )
    assert older == dispute


async def test_a_claim_against_an_unknown_collection_is_kept_as_unmatched(
    engine: AsyncEngine,
) -> None:
    await create(engine)

    receipt = await _says(engine, DisputeStatus.NEEDS_RESPONSE, collection="pi_of_others")

    assert receipt is Receipt.ORPHANED
    assert await rows(engine, "SELECT state FROM webhook_inbox") == [("UNMATCHED",)]


async def _refunded_elsewhere(engine: AsyncEngine, amount: Money) -> None:
    """Somebody refunds in the onramp's dashboard, which reports it and confirms it."""
    event = ProviderEvent(
        provider="stripe",
        event_id="evt_refund",
        event_type="refund.created",
        transaction_id="",
        step=Step.REFUND,
        answer=Answer(
            outcome=Outcome.SUCCEEDED,
            provider_reference="re_1",
            amount=amount,
            actor="provider:stripe",
            event_id="evt_refund",
            key="re_1",
            signed=True,
        ),
        collection_reference=COLLECTED,
    )
    arrival = Arrival(event=event, payment_id=None, body=b"{}", keep_unmatched=True)
    assert await PostgresInbox(engine).receive([arrival]) == [Receipt.ACCEPTED]
    await _answers(engine, amount)


async def _answers(engine: AsyncEngine, amount: Money) -> None:
    """The worker's turns, with the provider's confirmation for each question."""
    confirmed = Answer(outcome=Outcome.SUCCEEDED, provider_reference="re_1", amount=amount)
    while True:
        async with PostgresWork(engine).begin() as transaction:
            claimed = await transaction.claim("test", limit=1, lease_seconds=30)
            if not claimed:
                return
            plan = DECIDER.plan(claimed[0])
            await transaction.write([plan.change])
            await transaction.commit()
        if plan.call is None:
            continue
        assert plan.call is Call.LOOK_UP
        async with PostgresWork(engine).begin() as transaction:
            now, _ = await transaction.untouched([], lease_seconds=0)
            await transaction.write([DECIDER.settle(plan.work, confirmed, now)])
            await transaction.commit()


@pytest.mark.parametrize(("cents", "state"), [(4_000, "PARTLY_REFUNDED"), (10_000, "REFUNDED")])
async def test_a_refund_in_the_dashboard_before_the_payout_is_held_and_then_counted(
    engine: AsyncEngine, cents: int, state: str
) -> None:
    payment = await _collected(engine)
    amount = Money(cents, "USD")
    await _refunded_elsewhere(engine, amount)
    assert await _stands(engine) == [("CONVERTED", "late_success")]
    assert await _broken(engine) == []

    await _release(engine, payment)
    await _answers(engine, amount)

    found = await rows(engine, "SELECT state, hold_reason, refunded_minor FROM payments")
    assert found == [(state, None, cents)]
    asked = await rows(engine, "SELECT amount_minor, status, requested_by FROM refunds")
    assert asked == [(cents, "SUCCEEDED", "provider:stripe")]
    assert await _broken(engine) == []


async def test_a_refund_in_the_dashboard_after_the_payout_stays_on_suspense(
    engine: AsyncEngine,
) -> None:
    payment = await create(engine)
    await carry(engine)
    amount = Money(4_000, "USD")
    await _refunded_elsewhere(engine, amount)
    assert await _stands(engine) == [("COMPLETED", "late_success")]

    await _release(engine, payment)
    await _answers(engine, amount)

    assert await _stands(engine) == [("COMPLETED", None)]
    lost = "SELECT balance_minor FROM balances WHERE account = 'suspense:stripe:USD'"
    assert await rows(engine, lost) == [(4_000,)]
    assert await _broken(engine) == []


async def test_open_disputes_are_listed_by_their_deadline(engine: AsyncEngine) -> None:
    payment = await create(engine)
    await carry(engine)
    for reference in ("du_1", "du_2", "du_3"):
        await _says(engine, DisputeStatus.NEEDS_RESPONSE, reference=reference)
    await _says(engine, DisputeStatus.LOST, reference="du_3")
    await carry(engine)
    await run(engine, "UPDATE disputes SET respond_by = NULL WHERE provider_reference = 'du_1'")
    operations = PostgresOperations(engine)

    first = await operations.disputes(merchant_id=payment.merchant_id, after=None, limit=1)
    rest = await operations.disputes(
        merchant_id=payment.merchant_id, after=(first[0].due, first[0].id), limit=9
    )

    listed = [one.dispute.provider_reference for one in (*first, *rest) if one.dispute]
    assert listed == ["du_2", "du_1"]
    assert await operations.disputes(merchant_id="other", after=None, limit=9) == []
