"""A late success on a real database, from its event over the hold and its release to the end: no
order of two attempts takes or pays twice, and the audit finds nothing at any of the stations."""

from collections.abc import Mapping
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.audit.checks import PostgresAudit
from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.facts import Call, Work
from services.payments.engine.decisions.moves import retire
from services.payments.engine.decisions.returns_and_refunds import cancel_or_expire
from services.payments.engine.store.work import PostgresWork
from services.payments.mesh.ports import ProviderEvent
from services.payments.model.answer import Answer, Outcome
from services.payments.model.attempt import AttemptState, Step
from services.payments.model.operator import Operator
from services.payments.model.payment import Failure, Payment, State
from services.payments.operators.decisions import end_hold
from services.payments.orders.store.payments import PostgresPayments
from services.payments.webhooks_in.ports import Arrival, Receipt
from services.payments.webhooks_in.store.inbox import PostgresInbox
from tests.makers import CAPABILITIES, make_case, make_new_payment
from tests.questions import past_questions

DECIDER = Decider(CAPABILITIES, spread=lambda: 0.0)
SUCCEEDED = Answer(outcome=Outcome.SUCCEEDED, provider_reference="x_1")
REFUSED = Answer(outcome=Outcome.FAILED, failure=Failure(code="payout_blocked", message="no"))
ABSENT = Answer(outcome=Outcome.ABSENT)
PROVIDERS = {Step.COLLECTION: "stripe", Step.PAYOUT: "local_wallet"}
# As if the worker that had the payment were gone, and some minutes with it.
_LATER = (
    "UPDATE payments SET due_at = now(), lease_until = NULL, lease_owner = NULL",
    "UPDATE attempts SET sent_at = now() - interval '5 min', "
    "last_sent_at = now() - interval '5 min', leaves_until = now() - interval '4 min' "
    "WHERE sent_at IS NOT NULL",
)
Key = tuple[Step, int]


async def _later(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        for statement in _LATER:
            await connection.execute(text(statement))


async def _holds(engine: AsyncEngine) -> None:
    report = await PostgresAudit(engine, overdue_seconds=600).report()
    assert [finding.invariant for finding in report.broken] == []


async def _claim(engine: AsyncEngine) -> tuple[Work, Call | None]:
    """Claims and plans the due payment, and asks nothing yet."""
    async with PostgresWork(engine).begin() as transaction:
        (work,) = await transaction.claim("test", limit=10, lease_seconds=30)
        plan = DECIDER.plan(work)
        if not plan.change.is_nothing:
            await transaction.write([plan.change])
        await transaction.commit()
    plan = past_questions(DECIDER, plan)
    return plan.work, plan.call


async def _send(engine: AsyncEngine, work: Work) -> Work:
    async with PostgresWork(engine).begin() as transaction:
        (sent,) = await transaction.mark_sent([work])
        await transaction.commit()
    return sent


async def _turn(engine: AsyncEngine, answers: Mapping[Key, Answer]) -> list[Key]:
    """Takes the payment as far as it goes; gives the attempts that were sent."""
    sent: list[Key] = []
    while await _is_due(engine):
        work, call = await _claim(engine)
        if call is None or work.attempt is None:
            continue
        name = (work.attempt.step, work.attempt.number)
        if call is Call.SEND:
            work = await _send(engine, work)
            sent.append(name)
        async with PostgresWork(engine).begin() as transaction:
            now, _ = await transaction.untouched([], lease_seconds=0)
            answer = answers.get(name, SUCCEEDED)
            await transaction.write([DECIDER.settle(work, answer, now)])
            await transaction.commit()
    return sent


async def _is_due(engine: AsyncEngine) -> bool:
    async with engine.connect() as connection:
        due = "SELECT count(*) FROM payments WHERE due_at <= now() AND lease_until IS NULL"
        return bool((await connection.execute(text(due))).scalar_one())


async def _now(engine: AsyncEngine, payment: Payment) -> Payment:
    return await PostgresPayments(engine).get(payment.merchant_id, payment.id)


async def _report(
    engine: AsyncEngine,
    payment: Payment,
    step: Step,
    number: int,
    *,
    event_id: str = "",
    outcome: Outcome = Outcome.SUCCEEDED,
) -> Receipt:
    """A signed event says that this attempt has succeeded, or how else it has ended."""
    key = f"{payment.transaction_id}-{step}-{number}"
    provider, event_id = PROVIDERS[step], event_id or uuid4().hex
    answer = Answer(outcome=outcome, event_id=event_id, key=key, signed=True)
    event = ProviderEvent(
        provider=provider,
        event_id=event_id,
        event_type=outcome,
        transaction_id=payment.transaction_id,
        step=step,
        answer=answer,
    )
    arrival = Arrival(event=event, payment_id=payment.id, body=b"{}", keep_unmatched=True)
    (receipt,) = await PostgresInbox(engine).receive([arrival])
    assert isinstance(receipt, Receipt)
    return receipt


async def _release(engine: AsyncEngine, payment: Payment) -> None:
    async with PostgresWork(engine).begin() as transaction:
        work = await transaction.claim_one(payment.merchant_id, payment.id)
        await transaction.write([end_hold(work, Operator(name="ada"))])
        await transaction.commit()


async def _retired(engine: AsyncEngine, step: Step) -> Payment:
    """A payment whose first attempt at this step was sent, and is over by our record."""
    new = make_new_payment()
    await PostgresPayments(engine).create([new])
    work, _ = await _claim(engine)
    if step is Step.PAYOUT:
        work = await _send(engine, work)
        async with PostgresWork(engine).begin() as transaction:
            await transaction.write([DECIDER.settle(work, SUCCEEDED, work.claimed_at)])
            await transaction.commit()
        work, _ = await _claim(engine)
    work = await _send(engine, work)
    assert work.attempt is not None
    async with PostgresWork(engine).begin() as transaction:
        await transaction.write([retire(make_case(work, ABSENT, work.claimed_at))])
        await transaction.commit()
    await _later(engine)
    return new.payment


async def _states(engine: AsyncEngine, step: Step) -> list[AttemptState]:
    async with engine.connect() as connection:
        found = await connection.execute(
            text("SELECT state FROM attempts WHERE step = :step ORDER BY number"), {"step": step}
        )
        return [AttemptState(row.state) for row in found]


@pytest.mark.parametrize("step", PROVIDERS)
@pytest.mark.parametrize(
    ("second", "answer", "states"),
    [
        (None, SUCCEEDED, ["SUCCEEDED"]),
        (AttemptState.INTENDED, SUCCEEDED, ["SUCCEEDED", "FAILED"]),
        (AttemptState.SENT, ABSENT, ["SUCCEEDED", "FAILED"]),
        (AttemptState.SENT, REFUSED, ["SUCCEEDED", "FAILED"]),
        (AttemptState.SENT, SUCCEEDED, ["FAILED", "SUCCEEDED"]),
    ],
)
async def test_a_released_late_success_is_the_only_one_whatever_came_after_it(
    engine: AsyncEngine,
    step: Step,
    second: AttemptState | None,
    answer: Answer,
    states: list[str],
) -> None:
    payment = await _retired(engine, step)
    if second is not None:
        work, _ = await _claim(engine)
        if second is AttemptState.SENT:
            await _send(engine, work)
        await _later(engine)
    await _report(engine, payment, step, 1)
    answers = {(step, 2): answer}
    await _turn(engine, answers)
    assert (await _now(engine, payment)).hold_reason == "late_success"
    await _holds(engine)

    await _release(engine, payment)
    sent = await _turn(engine, answers)

    doubled = states == ["FAILED", "SUCCEEDED"]
    assert (await _now(engine, payment)).hold_reason == ("late_success" if doubled else None)
    await _holds(engine)
    if doubled:
        await _release(engine, payment)
        sent += await _turn(engine, answers)
    assert [name for name in sent if name[0] is step] == []
    assert (await _now(engine, payment)).state is State.COMPLETED
    assert await _states(engine, step) == states
    await _holds(engine)


async def test_a_payout_that_was_taken_late_is_watched_although_another_was_tried(
    engine: AsyncEngine,
) -> None:
    payment = await _retired(engine, Step.PAYOUT)
    await _claim(engine)
    await _later(engine)
    await _report(engine, payment, Step.PAYOUT, 1)
    await _turn(engine, {})
    await _release(engine, payment)
    await _turn(engine, {})

    async with PostgresWork(engine).begin() as transaction:
        work = await transaction.claim_one(payment.merchant_id, payment.id)
        assert work.attempt is not None
        assert work.attempt.number == 1
        await transaction.write([DECIDER.settle(work, REFUSED, work.claimed_at)])
        await transaction.commit()

    assert (await _now(engine, payment)).state is State.RETURNED
    await _holds(engine)


async def _returned(engine: AsyncEngine) -> Payment:
    """A payment whose payout was paid, as an event said as well, and has come back."""
    new = make_new_payment()
    payment = new.payment
    await PostgresPayments(engine).create([new])
    await _turn(engine, {})
    assert await _report(engine, payment, Step.PAYOUT, 1, event_id="paid") is Receipt.ACCEPTED
    assert await _report(engine, payment, Step.PAYOUT, 1, event_id="paid") is Receipt.DUPLICATE
    async with PostgresWork(engine).begin() as transaction:
        work = await transaction.claim_one(payment.merchant_id, payment.id)
        await transaction.write([DECIDER.settle(work, REFUSED, work.claimed_at)])
        await transaction.commit()
    assert (await _now(engine, payment)).state is State.RETURNED
    return payment


async def test_a_success_of_the_same_name_after_a_return_is_asked_about_and_held_once(
    engine: AsyncEngine,
) -> None:
    """Some providers name an event by what it says, so that the second success is no other one."""
    payment = await _returned(engine)

    # It repeats what was true before the return: the provider says so, and nothing changes.
    assert await _report(engine, payment, Step.PAYOUT, 1, event_id="paid") is Receipt.ACCEPTED
    assert await _report(engine, payment, Step.PAYOUT, 1, event_id="paid") is Receipt.DUPLICATE
    await _turn(engine, {(Step.PAYOUT, 1): REFUSED})
    assert (await _now(engine, payment)).hold_reason is None
    assert await _report(engine, payment, Step.PAYOUT, 1, event_id="paid") is Receipt.DUPLICATE
    await _holds(engine)


async def test_a_payout_that_is_paid_again_after_its_return_is_held_and_on_suspense(
    engine: AsyncEngine,
) -> None:
    payment = await _returned(engine)

    assert await _report(engine, payment, Step.PAYOUT, 1, event_id="paid") is Receipt.ACCEPTED
    await _turn(engine, {(Step.PAYOUT, 1): SUCCEEDED})

    held = await _now(engine, payment)
    assert (held.state, held.hold_reason) == (State.RETURNED, "late_success")
    assert await _report(engine, payment, Step.PAYOUT, 1, event_id="paid") is Receipt.DUPLICATE
    await _holds(engine)


@pytest.mark.parametrize("event_id", ["paid", "paid-again"])
async def test_a_success_that_comes_while_a_return_is_looked_into_is_not_lost(
    engine: AsyncEngine, event_id: str
) -> None:
    """The look-up saw the return and not yet the second success."""
    new = make_new_payment()
    payment = new.payment
    await PostgresPayments(engine).create([new])
    await _turn(engine, {})
    await _report(engine, payment, Step.PAYOUT, 1, event_id="paid")
    await _report(engine, payment, Step.PAYOUT, 1, event_id="returned", outcome=Outcome.FAILED)
    work, call = await _claim(engine)
    assert call is Call.LOOK_UP

    assert await _report(engine, payment, Step.PAYOUT, 1, event_id=event_id) is Receipt.ACCEPTED
    async with PostgresWork(engine).begin() as transaction:
        await transaction.write([DECIDER.settle(work, REFUSED, work.claimed_at)])
        await transaction.commit()
    assert (await _now(engine, payment)).state is State.RETURNED

    await _turn(engine, {(Step.PAYOUT, 1): SUCCEEDED})
    assert (await _now(engine, payment)).hold_reason == "late_success"
    await _holds(engine)


async def _over(engine: AsyncEngine, *, sent: bool) -> Payment:
    """A cancelled payment, before or after a request has left."""
    if sent:
        payment = await _retired(engine, Step.COLLECTION)
    else:
        new = make_new_payment()
        await PostgresPayments(engine).create([new])
        payment = new.payment
    async with PostgresWork(engine).begin() as transaction:
        work = await transaction.claim_one(payment.merchant_id, payment.id)
        await transaction.write([cancel_or_expire(work)])
        await transaction.commit()
    return payment


@pytest.mark.parametrize("sent", [True, False], ids=["sent", "never sent"])
async def test_money_that_was_taken_after_the_end_is_on_suspense_and_goes_back_once_released(
    engine: AsyncEngine, *, sent: bool
) -> None:
    payment = await _over(engine, sent=sent)
    assert (await _now(engine, payment)).state is State.EXPIRED
    await _report(engine, payment, Step.COLLECTION, 1)
    await _turn(engine, {})
    assert (await _now(engine, payment)).hold_reason == "late_success"
    assert await _balance(engine, "suspense:stripe:USD") == -10_000
    await _holds(engine)

    await _release(engine, payment)
    again = await _turn(engine, {})

    assert again == [(Step.REFUND, 1)]
    refunded = await _now(engine, payment)
    assert (refunded.state, refunded.hold_reason) == (State.REFUNDED, None)
    for account in ("suspense:stripe:USD", "onramp:stripe:USD", "payments:USD"):
        assert await _balance(engine, account) == 0
    await _holds(engine)


async def test_a_payout_that_was_never_ours_is_on_suspense(engine: AsyncEngine) -> None:
    new = make_new_payment()
    await PostgresPayments(engine).create([new])
    await _turn(engine, {})
    assert (await _now(engine, new.payment)).state is State.COMPLETED

    await _report(engine, new.payment, Step.PAYOUT, 7)
    await _turn(engine, {})

    assert (await _now(engine, new.payment)).hold_reason == "late_success"
    paid = new.payment.terms.payout.amount_minor
    assert await _balance(engine, "suspense:local_wallet:NGN") == paid
    await _holds(engine)
    await _release(engine, new.payment)
    assert await _turn(engine, {}) == []
    await _holds(engine)


async def _balance(engine: AsyncEngine, account: str) -> int:
    async with engine.connect() as connection:
        found = await connection.execute(
            text("SELECT coalesce(sum(balance_minor), 0) FROM balances WHERE account = :account"),
            {"account": account},
        )
        return int(found.scalar_one())


@pytest.mark.parametrize(("moved_minor", "state"), [(None, "IGNORED"), (0, "PENDING")])
async def test_a_success_of_what_counts_is_kept_where_its_money_had_come_back(
    engine: AsyncEngine, moved_minor: int | None, state: str
) -> None:
    new = make_new_payment()
    await PostgresPayments(engine).create([new])
    await _turn(engine, {})
    moved = text(
        "UPDATE attempts SET moved_minor = :moved, moved_currency = "
        "CASE WHEN CAST(:moved AS bigint) = 0 THEN currency END WHERE step = 'payout'"
    )
    async with engine.begin() as connection:
        await connection.execute(moved, {"moved": moved_minor})

    await _report(engine, new.payment, Step.PAYOUT, 1, event_id="again")

    async with engine.connect() as connection:
        kept = text("SELECT state FROM webhook_inbox WHERE event_id = 'again'")
        assert (await connection.execute(kept)).scalar_one() == state
