"""Payments in one database that are over, or wait for their merchants, and providers that answer
about each of their operations as a test says."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.facts import Call, Plan, Work
from services.payments.engine.decisions.returns_and_refunds import cancel_or_expire
from services.payments.engine.store.work import PostgresWork
from services.payments.mesh.ports import ProviderEvent
from services.payments.model.answer import Answer, Outcome
from services.payments.model.attempt import Step
from services.payments.model.payment import Failure, Payment, State
from services.payments.webhooks_in.ports import Arrival, Receipt
from services.payments.webhooks_in.store.inbox import PostgresInbox
from services.shared.money import Money
from tests.database.payments.engine.carried import create, refund
from tests.makers import CAPABILITIES
from tests.poison import rows, run

DECIDER = Decider(CAPABILITIES, spread=lambda: 0.0)
Operation = tuple[UUID, Step, int]
PROVIDERS = {Step.COLLECTION: "stripe", Step.PAYOUT: "local_wallet", Step.REFUND: "stripe"}
PART = Money(4_000, "USD")
SUCCEEDED = Answer(outcome=Outcome.SUCCEEDED, provider_reference="x_1")
WENT_BACK = frozenset({State.RETURNED, State.REFUNDING, State.PARTLY_REFUNDED, State.REFUNDED})
# Until the last question about an event has been asked.
_ROUNDS = 24
# An hour or a day, with some of the questions that a worker asks in it.
_ASKED_ABOUT = (
    "p.hold_reason IS NULL AND (p.state = 'REFUNDING' OR EXISTS (SELECT 1 FROM webhook_inbox w "
    "WHERE w.payment_id = p.id AND w.state = 'PENDING'))"
)
_TIME_PASSES = (
    "UPDATE payments p SET due_at = now(), updated_at = updated_at - interval '1 hour' "
    f"WHERE {_ASKED_ABOUT}",
    "UPDATE webhook_inbox SET asked_since = asked_since - interval '1 hour', asked = asked + 5 "
    "WHERE asked > 0",
    "UPDATE attempts SET unknown_since = unknown_since - interval '1 day'",
    "UPDATE attempts SET inconclusive_count = inconclusive_count + 25 WHERE inconclusive_count > 0",
    "UPDATE attempts SET sent_at = sent_at - interval '1 hour', "
    "last_sent_at = last_sent_at - interval '1 hour', "
    "leaves_until = leaves_until - interval '1 hour'",
)


def failed(code: str) -> Answer:
    """A definitive failure."""
    return Answer(outcome=Outcome.FAILED, failure=Failure(code=code, message="no"))


REVERSED = failed("payout_blocked")
# The end of the step that leads to a state, where it did not succeed.
_LEADS_TO = {
    State.FAILED: (Step.COLLECTION, failed("card_declined")),
    State.ACTION_REQUIRED: (Step.PAYOUT, failed("recipient_invalid")),
}


@dataclass
class Desk:
    """The payments of one database, with their providers."""

    engine: AsyncEngine
    # How a provider answers about an operation; about any other, that it has succeeded.
    said: dict[Operation, Answer] = field(default_factory=dict)
    sent: set[Operation] = field(default_factory=set)

    async def open(self, state: State) -> Payment:
        """A new payment that the next turn takes to this state, or to COMPLETED on the way."""
        payment = await create(self.engine)
        if state in _LEADS_TO:
            step, answer = _LEADS_TO[state]
            self.said[payment.id, step, 1] = answer
        if state in (State.EXPIRED, State.CANCELLED):
            async with PostgresWork(self.engine).begin() as transaction:
                work = await transaction.claim_one(payment.merchant_id, payment.id)
                if state is State.CANCELLED:
                    cancelled = await transaction.request_cancel(work.payment)
                    work = replace(work, payment=cancelled)
                await transaction.write([cancel_or_expire(work)])
                await transaction.commit()
        return payment

    async def bring(self, payments: Mapping[State, Collection[Payment]]) -> None:
        """Takes payments that were opened to their states."""
        await self.carry()
        for payment in (one for state in WENT_BACK for one in payments.get(state, ())):
            self.said[payment.id, Step.PAYOUT, 1] = REVERSED
            await self.report(payment, Step.PAYOUT, 1, Outcome.FAILED)
        await self.carry()
        for payment in payments.get(State.PARTLY_REFUNDED, ()):
            await self.refund(payment, PART)
        for payment in payments.get(State.REFUNDED, ()):
            await self.refund(payment)
        await self.carry()
        for payment in payments.get(State.REFUNDING, ()):
            await self.refund(payment)
        self.sent.clear()

    async def refund(self, payment: Payment, amount: Money | None = None) -> None:
        """A refund is asked for. Raises what refund_on_request does."""
        await refund(self.engine, payment, amount, key=uuid4().hex)

    async def report(
        self, payment: Payment, step: Step, number: int, outcome: Outcome, **said: Money
    ) -> Receipt:
        """A signed event arrives."""
        key, event_id = f"{payment.transaction_id}-{step}-{number}", uuid4().hex
        failure = REVERSED.failure if outcome is Outcome.FAILED else None
        answer = Answer(
            outcome=outcome, event_id=event_id, key=key, signed=True, failure=failure, **said
        )
        event = ProviderEvent(
            provider=PROVIDERS[step],
            event_id=event_id,
            event_type=outcome,
            transaction_id=payment.transaction_id,
            step=step,
            answer=answer,
        )
        arrival = Arrival(event=event, payment_id=payment.id, body=b"{}", keep_unmatched=True)
        (receipt,) = await PostgresInbox(self.engine).receive([arrival])
        assert isinstance(receipt, Receipt)
        return receipt

    async def carry(self) -> None:
        """Takes every payment as far as it goes, and has time pass while its provider is asked."""
        for _ in range(_ROUNDS):
            while await self._turn():
                pass
            asked = await rows(self.engine, f"SELECT p.id FROM payments p WHERE {_ASKED_ABOUT}")
            if not asked:
                return
            await run(self.engine, *_TIME_PASSES)
        raise AssertionError(f"providers are asked for ever: {asked}")

    async def _turn(self) -> bool:
        async with PostgresWork(self.engine).begin() as transaction:
            claimed = await transaction.claim("test", limit=500, lease_seconds=30)
            plans = [DECIDER.plan(work) for work in claimed]
            await transaction.write([plan.change for plan in plans])
            await transaction.commit()
        await self._call([plan for plan in plans if plan.call is not None])
        return bool(plans)

    async def _call(self, plans: Sequence[Plan]) -> None:
        """Asks and sends, until each payment has the answer that is to be recorded."""
        answered: list[tuple[Work, Answer]] = []
        while plans:
            sent = await self._mark([plan.work for plan in plans if plan.call is Call.SEND])
            answered += [(work, self._answer(work)) for work in sent]
            following = []
            for work in (plan.work for plan in plans if plan.call is not Call.SEND):
                after = DECIDER.after_look_up(work, self._answer(work))
                if after is None:
                    answered.append((work, self._answer(work)))
                else:
                    following.append(after)
            plans = following
        async with PostgresWork(self.engine).begin() as transaction:
            now, _ = await transaction.untouched([], lease_seconds=0)
            await transaction.write([DECIDER.settle(work, said, now) for work, said in answered])
            await transaction.commit()

    async def _mark(self, works: Sequence[Work]) -> Sequence[Work]:
        async with PostgresWork(self.engine).begin() as transaction:
            sent = await transaction.mark_sent(works) if works else ()
            await transaction.commit()
        self.sent.update(_operation(work) for work in sent)
        return sent

    def _answer(self, work: Work) -> Answer:
        return self.said.get(_operation(work), SUCCEEDED)


def _operation(work: Work) -> Operation:
    """The operation that the provider is asked about, by the number in its key."""
    assert work.attempt is not None
    return work.payment.id, work.attempt.step, int(work.attempt.key.rpartition("-")[2])
