"""A corrected recipient on a real database: once for a key, never against a worker, and audited."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.audit.checks import PostgresAudit
from services.payments.base.convert import encode_payment
from services.payments.base.idempotency import Created, IdempotencyKeyReused
from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.facts import Call, Plan
from services.payments.engine.store.work import PostgresWork
from services.payments.mesh.ports import ProviderEvent
from services.payments.model.answer import Answer, Outcome
from services.payments.model.attempt import Attempt, Step
from services.payments.model.operator import Operator
from services.payments.model.payment import (
    Failure,
    Payment,
    PaymentBusy,
    PaymentNotCorrectable,
    PaymentOnHold,
    State,
)
from services.payments.model.timing import DEADLINES, Waiting
from services.payments.operators.decisions import end_hold
from services.payments.orders.cancelling import Cancelling
from services.payments.orders.checking import Checking
from services.payments.orders.correcting import Correcting, CorrectionOrder
from services.payments.orders.payees import Payees
from services.payments.orders.store.payments import PostgresPayments
from services.payments.webhooks_in.ports import Arrival
from services.payments.webhooks_in.store.inbox import PostgresInbox
from services.shared.corridors import load_corridors
from services.shared.deployment import Deployment
from services.shared.recipients import Recipient, Wallet, as_row
from tests.conftest import ROOT
from tests.fakes import ScriptedProviders
from tests.makers import CAPABILITIES, make_new_payment
from tests.poison import rows, run
from tests.pricing import make_routes
from tests.rails import declared_rails

DECIDER = Decider(CAPABILITIES, spread=lambda: 0.0)
SUCCEEDED = Answer(outcome=Outcome.SUCCEEDED, provider_reference="x_1")
REFUSED = Answer(outcome=Outcome.FAILED, failure=Failure(code="recipient_invalid", message="no"))
RETURNED = Answer(outcome=Outcome.FAILED, failure=Failure(code="payout_blocked", message="back"))
CORRIDORS = load_corridors(ROOT / "deploy" / "corridors", live=False)
PAYEES = Payees(CORRIDORS, deployment=Deployment.LIVE)
OLD = Wallet(holder_name="Asha Refused", wallet_id="wallet-7890")
NEW = Wallet(holder_name="Asha Example", wallet_id="wallet-3210")
Key = tuple[Step, int]
FIRST, SECOND = (Step.PAYOUT, 1), (Step.PAYOUT, 2)


@pytest.fixture
def correcting(engine: AsyncEngine) -> Correcting:
    checking, routes = Checking(ScriptedProviders()), make_routes(CORRIDORS, declared_rails())
    return Correcting(PostgresWork(engine), PAYEES, checking, routes, encode_payment)


async def _created(engine: AsyncEngine) -> Payment:
    new = make_new_payment(recipient=OLD)
    await PostgresPayments(engine).create([new])
    return new.payment


async def _carry(engine: AsyncEngine, answers: Mapping[Key, Answer]) -> list[tuple[Call, Attempt]]:
    """Takes what is due as far as it goes; gives what was asked of the providers."""
    asked: list[tuple[Call, Attempt]] = []
    while True:
        async with PostgresWork(engine).begin() as transaction:
            claimed = await transaction.claim("test", limit=10, lease_seconds=30)
            plans = [DECIDER.plan(work) for work in claimed]
            await transaction.write([p.change for p in plans if not p.change.is_nothing])
            await transaction.commit()
        if not plans:
            return asked
        for plan in plans:
            following: Plan | None = plan
            while following is not None and following.call and following.work.attempt:
                attempt = following.work.attempt
                asked.append((following.call, attempt))
                answer = answers.get((attempt.step, attempt.number), SUCCEEDED)
                following = await _answered(engine, following, answer)


async def _answered(engine: AsyncEngine, plan: Plan, answer: Answer) -> Plan | None:
    """The plan that follows the answer without a claim; None where it was recorded."""
    async with PostgresWork(engine).begin() as transaction:
        work, following = plan.work, None
        if plan.call is Call.SEND:
            (work,) = await transaction.mark_sent([work])
        else:
            following = DECIDER.after_look_up(work, answer)
        now, _ = await transaction.untouched([], lease_seconds=0)
        if following is None:
            await transaction.write([DECIDER.settle(work, answer, now)])
        await transaction.commit()
    return following


async def _refused(engine: AsyncEngine) -> Payment:
    payment = await _created(engine)
    await _carry(engine, {FIRST: REFUSED})
    return await _now(engine, payment)


async def _returned(engine: AsyncEngine) -> Payment:
    payment = await _created(engine)
    await _carry(engine, {})
    async with PostgresWork(engine).begin() as transaction:
        work = await transaction.claim_one(payment.merchant_id, payment.id)
        await transaction.write([DECIDER.settle(work, RETURNED, work.claimed_at)])
        await transaction.commit()
    return await _now(engine, payment)


MAKES = {State.ACTION_REQUIRED: _refused, State.RETURNED: _returned}


async def _now(engine: AsyncEngine, payment: Payment) -> Payment:
    return await PostgresPayments(engine).get(payment.merchant_id, payment.id)


def _order(payment: Payment, key: str = "", recipient: Recipient = NEW) -> CorrectionOrder:
    return CorrectionOrder(
        merchant_id=payment.merchant_id,
        transaction_id=payment.transaction_id,
        idempotency_key=key or uuid4().hex,
        fingerprint=str(as_row(recipient)).encode(),
        recipient=recipient,
    )


async def _holds(engine: AsyncEngine) -> None:
    report = await PostgresAudit(engine, overdue_seconds=600).report()
    assert [(f.invariant, f.examples) for f in report.broken] == []


async def _recipients(engine: AsyncEngine) -> list[tuple[int, str | None]]:
    return [
        (number, account)
        for number, account in await rows(
            engine,
            "SELECT number, recipient->>'wallet_id' FROM attempts WHERE step = 'payout' ORDER BY 1",
        )
    ]


async def test_a_refused_recipient_waits_with_a_deadline_and_is_then_refunded(
    engine: AsyncEngine,
) -> None:
    payment = await _refused(engine)

    assert payment.state is State.ACTION_REQUIRED
    found = await rows(
        engine,
        "SELECT extract(epoch FROM deadline_at - waiting_since)::int, due_at = deadline_at "
        "FROM payments",
    )
    assert found == [(int(DEADLINES[Waiting.ACTION_REQUIRED].total_seconds()), True)]
    await _holds(engine)

    await run(engine, "UPDATE payments SET deadline_at = now(), due_at = now()")
    asked = await _carry(engine, {FIRST: REFUSED})

    assert (await _now(engine, payment)).state is State.REFUNDED
    assert [(call, a.step, a.number) for call, a in asked] == [
        (Call.LOOK_UP, Step.PAYOUT, 1),
        (Call.SEND, Step.REFUND, 1),
    ]
    await _holds(engine)


@pytest.mark.parametrize("state", MAKES)
async def test_a_corrected_payment_is_paid_out_again_to_the_new_recipient(
    engine: AsyncEngine, correcting: Correcting, state: State
) -> None:
    payment = await MAKES[state](engine)

    created = await correcting.correct(_order(payment))

    corrected = await _now(engine, payment)
    assert not created.replayed
    assert (corrected.state, corrected.recipient) == (State.PAYING_OUT, NEW)
    assert created.response == encode_payment(replace(corrected, pricing=None))
    assert await _recipients(engine) == [(1, OLD.wallet_id)]
    await _holds(engine)

    asked = await _carry(engine, {FIRST: REFUSED if state is State.ACTION_REQUIRED else RETURNED})

    # The first payout is asked about with its own recipient, and the second goes to the new one.
    assert [(call, a.number, a.recipient) for call, a in asked] == [
        (Call.LOOK_UP, 1, OLD),
        (Call.SEND, 2, None),
    ]
    done = await _now(engine, payment)
    assert (done.state, done.terms, done.hold_reason) == (State.COMPLETED, payment.terms, None)
    await _holds(engine)


@pytest.mark.parametrize("state", MAKES)
async def test_a_payout_that_was_paid_after_all_is_not_paid_to_another(
    engine: AsyncEngine, correcting: Correcting, state: State
) -> None:
    payment = await MAKES[state](engine)
    await correcting.correct(_order(payment))

    asked = await _carry(engine, {FIRST: SUCCEEDED})

    assert [(call, a.number) for call, a in asked] == [(Call.LOOK_UP, 1)]
    held = await _now(engine, payment)
    assert (held.state, held.hold_reason) == (State.PAYING_OUT, "late_success")
    await _holds(engine)
    await _release(engine, payment)
    asked = await _carry(engine, {FIRST: SUCCEEDED})

    assert [(call, a.number) for call, a in asked] == [(Call.LOOK_UP, 1)]
    done = await _now(engine, payment)
    assert (done.state, done.recipient) == (State.COMPLETED, OLD)
    await _holds(engine)


async def _release(engine: AsyncEngine, payment: Payment) -> None:
    async with PostgresWork(engine).begin() as transaction:
        work = await transaction.claim_one(payment.merchant_id, payment.id)
        await transaction.write([end_hold(work, Operator(name="ada"))])
        await transaction.commit()


async def _receive_success(engine: AsyncEngine, payment: Payment) -> None:
    key = f"{payment.transaction_id}-payout-1"
    answer = Answer(outcome=Outcome.SUCCEEDED, event_id="evt_late", key=key, signed=True)
    event = ProviderEvent(
        provider="local_wallet",
        event_id="evt_late",
        event_type="payment_completed",
        transaction_id=payment.transaction_id,
        step=Step.PAYOUT,
        answer=answer,
    )
    arrival = Arrival(event=event, payment_id=payment.id, body=b"{}", keep_unmatched=True)
    await PostgresInbox(engine).receive([arrival])


async def test_a_late_success_before_any_correction_completes_the_payment_after_its_release(
    engine: AsyncEngine, correcting: Correcting
) -> None:
    payment = await _refused(engine)
    await _receive_success(engine, payment)
    await _carry(engine, {FIRST: SUCCEEDED})
    held = await _now(engine, payment)
    assert (held.state, held.hold_reason) == (State.ACTION_REQUIRED, "late_success")
    with pytest.raises(PaymentOnHold):
        await correcting.correct(_order(payment))
    await _holds(engine)

    await _release(engine, payment)
    await _carry(engine, {FIRST: SUCCEEDED})

    assert (await _now(engine, payment)).state is State.COMPLETED
    await _holds(engine)


async def test_a_late_success_after_the_second_payout_is_held_and_stays_on_suspense(
    engine: AsyncEngine, correcting: Correcting
) -> None:
    payment = await _refused(engine)
    await correcting.correct(_order(payment))
    await _carry(engine, {FIRST: REFUSED})
    await _receive_success(engine, payment)

    await _carry(engine, {FIRST: SUCCEEDED})

    held = await _now(engine, payment)
    assert (held.state, held.hold_reason) == (State.COMPLETED, "late_success")
    suspended = await rows(
        engine, "SELECT balance_minor FROM balances WHERE account LIKE 'suspense:%'"
    )
    assert suspended == [(payment.terms.payout.amount_minor,)]
    await _holds(engine)


async def test_a_correction_counts_once_for_its_key(
    engine: AsyncEngine, correcting: Correcting
) -> None:
    payment = await _refused(engine)
    order = _order(payment, key="correction-1")

    answers = await asyncio.gather(*(correcting.correct(order) for _ in range(5)))

    assert sorted(answer.replayed for answer in answers) == [False, True, True, True, True]
    assert len({answer.response for answer in answers}) == 1
    other = replace(_order(payment, key="correction-1", recipient=OLD))
    with pytest.raises(IdempotencyKeyReused):
        await correcting.correct(other)
    found = await rows(
        engine, "SELECT count(*) FROM payment_events WHERE cause = 'recipient_corrected'"
    )
    assert found == [(1,)]


async def test_of_two_corrections_at_once_one_counts(
    engine: AsyncEngine, correcting: Correcting
) -> None:
    payment = await _refused(engine)
    orders = [_order(payment, recipient=replace(NEW, wallet_id=f"{n}" * 10)) for n in range(4)]

    answers = await asyncio.gather(
        *(correcting.correct(order) for order in orders), return_exceptions=True
    )

    assert sum(isinstance(answer, Created) for answer in answers) == 1
    refusals = [type(answer) for answer in answers if not isinstance(answer, Created)]
    assert set(refusals) == {PaymentNotCorrectable}
    await _holds(engine)


async def test_a_second_correction_follows_a_second_refusal(
    engine: AsyncEngine, correcting: Correcting
) -> None:
    payment = await _refused(engine)
    await correcting.correct(_order(payment))
    await _carry(engine, {FIRST: REFUSED, SECOND: REFUSED})
    assert (await _now(engine, payment)).state is State.ACTION_REQUIRED

    third = Wallet(holder_name="Asha Third", wallet_id="wallet-5555")
    await correcting.correct(_order(payment, recipient=third))
    asked = await _carry(engine, {FIRST: REFUSED, SECOND: REFUSED})

    assert [(call, a.number, a.recipient) for call, a in asked] == [
        (Call.LOOK_UP, 1, OLD),
        (Call.LOOK_UP, 2, NEW),
        (Call.SEND, 3, None),
    ]
    assert (await _now(engine, payment)).state is State.COMPLETED
    assert await _recipients(engine) == [(1, OLD.wallet_id), (2, NEW.wallet_id), (3, None)]
    await _holds(engine)


async def test_a_payment_that_a_worker_has_is_busy(
    engine: AsyncEngine, correcting: Correcting
) -> None:
    payment = await _refused(engine)
    await run(engine, "UPDATE payments SET lease_until = now() + interval '20 seconds'")

    with pytest.raises(PaymentBusy):
        await correcting.correct(_order(payment))


async def test_a_refused_correction_changes_nothing(
    engine: AsyncEngine, correcting: Correcting
) -> None:
    payment = await _created(engine)
    before = await rows(engine, "SELECT version, state, recipient, lease_until FROM payments")

    with pytest.raises(PaymentNotCorrectable):
        await correcting.correct(_order(payment, key="correction-1"))

    after = await rows(engine, "SELECT version, state, recipient, lease_until FROM payments")
    assert after == before
    assert await rows(engine, "SELECT count(*) FROM idempotency_keys") == [(1,)]


async def test_a_payment_that_waits_for_a_correction_may_be_cancelled_in_place_of_it(
    engine: AsyncEngine, correcting: Correcting
) -> None:
    payment = await _refused(engine)

    cancelled = await Cancelling(PostgresWork(engine)).cancel(
        payment.merchant_id, payment.transaction_id
    )
    assert cancelled.state is State.REFUNDING
    with pytest.raises(PaymentNotCorrectable):
        await correcting.correct(_order(payment))
    await _carry(engine, {FIRST: REFUSED})

    assert (await _now(engine, payment)).state is State.REFUNDED
    await _holds(engine)


async def test_a_cancel_while_a_worker_has_the_payment_is_done_by_the_worker(
    engine: AsyncEngine,
) -> None:
    payment = await _refused(engine)
    await run(engine, "UPDATE payments SET lease_until = now() + interval '20 seconds'")

    asked = await Cancelling(PostgresWork(engine)).cancel(
        payment.merchant_id, payment.transaction_id
    )
    assert asked.state is State.ACTION_REQUIRED
    await run(engine, "UPDATE payments SET lease_until = NULL")
    await _carry(engine, {FIRST: REFUSED})

    assert (await _now(engine, payment)).state is State.REFUNDED
