"""A payment whose providers keep a book of their own, and a database that is put back to any moment
of its life: the lost time is all that its providers have done since."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.audit.checks import PostgresAudit
from services.payments.engine.decisions.corrections import correct
from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.facts import Call, Change, Plan, Work
from services.payments.engine.decisions.forced import force_payout
from services.payments.engine.store.work import PostgresWork
from services.payments.mesh.ports import ProviderCall, ProviderEvent
from services.payments.model.answer import Answer, Outcome
from services.payments.model.attempt import Attempt, Step
from services.payments.model.payment import Failure, Payment
from services.payments.model.quote import Route
from services.payments.operators.decisions import end_hold
from services.payments.orders.cancelling import Cancelling
from services.payments.orders.store.payments import PostgresPayments
from services.payments.recovery.rebuilding import Rebuilding
from services.payments.recovery.recovering import Recovering, Report
from services.payments.recovery.store.lost import PostgresLostPayments
from services.payments.recovery.store.marks import PostgresMarks
from services.payments.recovery.store.rebuilt import PostgresRebuiltPayments
from services.payments.webhooks_in.ports import Arrival
from services.payments.webhooks_in.store.inbox import PostgresInbox
from services.payments.webhooks_out.convert import encode_event
from services.shared.errors import DomainError
from services.shared.money import Money
from services.shared.recipients import Wallet
from tests.database.payments.engine.carried import create, refund
from tests.database.payments.recovery.drill import ADA, SOURCES
from tests.database.payments.recovery.lists import Digests, Lists, listed
from tests.makers import CAPABILITIES, make_trail
from tests.poison import rows, run

ROUTE = Route(onramps=("stripe",), offramps=("local_wallet", "bank"))
DECIDER = Decider(CAPABILITIES, spread=lambda: 0.0)
REFUSED = Failure(code="recipient_invalid", message="no")
DECLINED = Failure(code="card_declined", message="no")
BLOCKED = Failure(code="payout_blocked", message="no")
UNFUNDED = Answer(
    outcome=Outcome.UNKNOWN, failure=Failure(code="transfer_unfunded", message="nobody paid it")
)
PART = Money(4_000, "USD")
OTHER = Wallet(holder_name="Ada Obi", wallet_id="wallet-0002")
# All that a payment leaves in the database.
TABLES = (
    *("payments", "quotes", "attempts", "payment_events", "postings", "balances", "refunds"),
    *("webhook_inbox", "idempotency_keys", "outbox", "database_mark"),
)
_COLUMNS = """
    SELECT string_agg(quote_ident(column_name), ', ') FROM information_schema.columns
     WHERE table_schema = 'public' AND table_name = :name AND is_generated = 'NEVER'
"""
# No more turns of a worker, so that a payment that goes round and round fails.
TURNS_MAX = 60
Snapshot = dict[str, str]


@dataclass
class Operation:
    """One operation as its provider has it."""

    attempt: Attempt
    outcome: Outcome
    failure: Failure | None = None
    made_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def is_unfunded(self) -> bool:
        """Whether it was refused, and stays there: sent again, it is done."""
        return self.outcome is Outcome.REFUSED

    def said(self, asked: Attempt) -> Answer:
        """The answer about it, with what was asked."""
        reference = f"x_{self.attempt.key}"
        if self.is_unfunded:
            outcome = Outcome.UNKNOWN if asked.provider_reference else Outcome.ABSENT
            return replace(UNFUNDED, outcome=outcome, provider_reference=asked.provider_reference)
        if asked.amount != self.attempt.amount:
            moved = self.attempt.amount if self.outcome is Outcome.SUCCEEDED else None
            differs = Failure(code="amount_mismatch", message="")
            return Answer(
                outcome=Outcome.UNKNOWN,
                provider_reference=reference,
                amount=moved,
                failure=differs,
            )
        return Answer(outcome=self.outcome, provider_reference=reference, failure=self.failure)


class Restored:
    """The payment, its book, and the database at each of its moments."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self.book: dict[str, Operation] = {}
        # How the next operations end, by provider and step; SUCCEEDED where nothing is said.
        self.outcomes: dict[tuple[str, Step], list[tuple[Outcome, Failure | None]]] = {}
        self.moments: list[Snapshot] = []
        self.states: list[str] = []
        self._keeps = True
        self._insert: dict[str, str] = {}
        self._payment: Payment | None = None

    @property
    def payment(self) -> Payment:
        """As it was created."""
        assert self._payment is not None
        return self._payment

    async def create(self, **changes: Any) -> None:
        self._payment = await create(self.engine, **{"route": ROUTE, **changes})
        await self.keep()

    async def read(self) -> Payment:
        merchant: Any = self.payment.merchant_id
        return await PostgresPayments(self.engine).get(merchant, self.payment.id)

    # The database at a moment.

    async def keep(self) -> None:
        if not self._keeps:
            return
        moment: Snapshot = {}
        for name in TABLES:
            ((found,),) = await rows(
                self.engine, f"SELECT coalesce(json_agg(t), '[]')::text FROM {name} t"
            )
            moment[name] = found
        if not self.moments or moment != self.moments[-1]:
            self.moments.append(moment)
            payment, attempts = json.loads(moment["payments"])[0], json.loads(moment["attempts"])
            tried = [f"{a['step']}-{a['number']} {a['state']}" for a in attempts]
            self.states.append(f"{payment['state']} {payment['hold_reason'] or ''} {tried}")

    async def put_back(self, moment: Snapshot) -> None:
        """The database as it was then, without a worker."""
        self._keeps = False
        if not self._insert:
            for name in TABLES:
                ((names,),) = await rows(self.engine, _COLUMNS, name=name)
                self._insert[name] = (
                    f"INSERT INTO {name} ({names}) SELECT {names} "
                    f"FROM json_populate_recordset(NULL::{name}, CAST(:{name} AS json))"
                )
        await run(
            self.engine,
            # The application itself never writes over such rows.
            *(f"ALTER TABLE {name} DISABLE TRIGGER USER" for name in TABLES),
            f"TRUNCATE {', '.join(TABLES)} CASCADE",
            *self._insert.values(),
            *(f"ALTER TABLE {name} ENABLE TRIGGER USER" for name in TABLES),
            "UPDATE payments SET lease_until = NULL, lease_owner = NULL",
            **moment,
        )

    # The providers.

    def answer(self, attempt: Attempt) -> Answer:
        known = self.book.get(attempt.key)
        return known.said(attempt) if known else Answer(outcome=Outcome.ABSENT)

    def send(self, attempt: Attempt) -> Answer:
        if attempt.key not in self.book:
            kinds = self.outcomes.get((attempt.provider, attempt.step))
            outcome, failure = kinds.pop(0) if kinds else (Outcome.SUCCEEDED, None)
            self.book[attempt.key] = Operation(attempt, outcome, failure)
            if outcome is Outcome.REFUSED:
                return Answer(outcome=outcome, failure=failure)
        if self.book[attempt.key].is_unfunded:
            self.book[attempt.key].outcome = Outcome.SUCCEEDED
        return self.answer(attempt)

    async def look_up(self, calls: Sequence[ProviderCall]) -> AsyncIterator[tuple[str, Answer]]:
        for call in calls:
            yield call.attempt.key, self.answer(call.attempt)

    def live(self, step: Step) -> list[Operation]:
        """The operations that have moved money, or may yet."""
        return [
            one
            for one in self.book.values()
            if one.attempt.step is step and one.outcome not in (Outcome.FAILED, Outcome.REFUSED)
        ]

    async def returned(self) -> None:
        """The payout comes back, and its provider says so."""
        (paid,) = self.live(Step.PAYOUT)
        paid.outcome, paid.failure = Outcome.FAILED, BLOCKED
        attempt, event_id = paid.attempt, uuid4().hex
        answer = replace(
            paid.said(attempt), event_id=event_id, key=attempt.key, signed=True,
            actor=f"provider:{attempt.provider}",
        )  # fmt: skip
        event = ProviderEvent(
            provider=attempt.provider,
            event_id=event_id,
            event_type="returned",
            transaction_id=self.payment.transaction_id,
            step=Step.PAYOUT,
            answer=answer,
        )
        arrival = Arrival(event=event, payment_id=self.payment.id, body=b"{}", keep_unmatched=True)
        await PostgresInbox(self.engine).receive([arrival])
        await self.keep()
        await self.carry()

    # The worker.

    async def carry(self) -> None:
        """Takes the payment as far as it goes by itself."""
        store = PostgresWork(self.engine)
        for _ in range(TURNS_MAX):
            async with store.begin() as transaction:
                claimed = await transaction.claim("test", limit=10, lease_seconds=30)
                if not claimed:
                    return
                plan: Plan | None = DECIDER.plan(claimed[0])
                assert plan is not None
                assert await transaction.write([plan.change])
                await transaction.commit()
            await self.keep()
            while plan is not None and plan.call is not None:
                plan = await self._call(store, plan)
                await self.keep()
        raise AssertionError(f"it goes round and round: {await self.read()}")

    async def _call(self, store: PostgresWork, plan: Plan) -> Plan | None:
        work = plan.work
        if plan.call is Call.PRICE:
            await self._write(store, lambda now: DECIDER.price(work, make_trail("1525"), now))
            return None
        if plan.call is Call.SEND:
            async with store.begin() as transaction:
                (work,) = await transaction.mark_sent([work])
                await transaction.commit()
            await self.keep()
            assert work.attempt is not None
            answer = self.send(work.attempt)
        else:
            assert work.attempt is not None
            answer = self.answer(work.attempt)
            following = DECIDER.after_look_up(work, answer)
            if following is not None:
                return following
        await self._write(store, lambda now: DECIDER.settle(work, answer, now))
        return None

    async def _write(self, store: PostgresWork, decide: Callable[[datetime], Change]) -> None:
        async with store.begin() as transaction:
            now, _ = await transaction.untouched([], lease_seconds=0)
            assert await transaction.write([decide(now)])
            await transaction.commit()

    async def time_passes(self) -> None:
        """All waits are over."""
        days = "interval '8 days'"
        await run(
            self.engine,
            f"UPDATE payments SET deadline_at = deadline_at - {days}, rests_until = NULL, "
            f"cancellable_until = cancellable_until - {days}, "
            "due_at = CASE WHEN hold_reason IS NULL THEN now() END",
            f"UPDATE attempts SET sent_at = sent_at - {days}, "
            f"last_sent_at = last_sent_at - {days}, leaves_until = leaves_until - {days}",
        )
        await self.carry()

    # The people.

    async def decide(self, decide: Callable[[Work], Change]) -> None:
        async with PostgresWork(self.engine).begin() as transaction:
            work = await transaction.claim_one(self.payment.merchant_id, self.payment.id)
            assert await transaction.write([decide(work)])
            await transaction.commit()
        await self.keep()

    async def cancel(self) -> None:
        merchant: Any = self.payment.merchant_id
        store: Any = PostgresWork(self.engine)
        await Cancelling(store).cancel(merchant, self.payment.transaction_id)
        await self.keep()

    async def refund(self, amount: Money | None = None) -> None:
        await refund(self.engine, self.payment, amount, key=uuid4().hex)
        await self.keep()

    async def refund_part(self) -> None:
        await self.refund(PART)

    async def correct(self) -> None:
        await self.decide(lambda work: correct(work, OTHER))

    async def force(self) -> None:
        route = replace(ROUTE, offramps=("bank", "local_wallet"))
        await self.decide(
            lambda work: force_payout(work, route, CAPABILITIES, actor="operator:ada")
        )

    async def release(self) -> None:
        """Ends its holds, for any reason."""
        for _ in range(4):
            if (await self.read()).hold_reason is None:
                return
            await self.decide(lambda work: end_hold(work, ADA))
            await self.carry()

    async def expire(self) -> None:
        past = "quote_expires_at = now() - interval '2 days'"
        await run(self.engine, f"UPDATE payments SET {past}, due_at = now()")

    async def nothing(self) -> None:
        """Nobody asks for anything."""

    # The recovery.

    def lists(self, *digests: str) -> Lists:
        """The lists of all providers; those of these have digests."""
        lists = Digests(*digests)
        lists.all_sources = SOURCES
        for one in self.book.values():
            provider, key = one.attempt.provider, one.attempt.key
            known = lists.known.get(provider) or ()
            listing = listed(key, provider_reference=f"x_{key}", created_at=one.made_at)
            lists.known[provider] = [*known, listing]
        return lists

    async def recover(self, *digests: str) -> Report:
        lists = self.lists(*digests)
        asked: Any = self
        again = Rebuilding(asked, PostgresRebuiltPayments(self.engine, encode_event), CAPABILITIES)
        payments = PostgresLostPayments(self.engine, encode_event, DECIDER)
        return await Recovering(
            PostgresMarks(self.engine), lists, payments, again, CAPABILITIES
        ).recover(ADA)

    async def broken(self) -> list[str]:
        """All that moved twice, and all that the books do not explain."""
        report = await PostgresAudit(self.engine, overdue_seconds=600).report()
        found = [str(one) for one in report.broken]
        charged = self.live(Step.COLLECTION)
        paid, refunds = self.live(Step.PAYOUT), self.live(Step.REFUND)
        back = sum(one.attempt.amount.amount_minor for one in refunds)
        if len(charged) > 1:
            found.append(f"charged {len(charged)} times")
        if len(paid) > 1:
            found.append(f"paid {len(paid)} times")
        if paid and back:
            found.append("paid and refunded")
        if back > sum(one.attempt.amount.amount_minor for one in charged):
            found.append("more refunded than charged")
        return found

    async def off_account(self) -> list[str]:
        """The accounts of providers that do not have what their book has."""
        theirs: dict[str, int] = {}
        for one in self.book.values():
            attempt, is_in = one.attempt, one.attempt.step is Step.COLLECTION
            kind = "offramp" if attempt.step is Step.PAYOUT else "onramp"
            if one.outcome is Outcome.SUCCEEDED:
                name = f"{kind}:{attempt.provider}:{attempt.amount.currency}"
                moved = attempt.amount.amount_minor * (1 if is_in else -1)
                theirs[name] = theirs.get(name, 0) + moved
        query = "SELECT account, balance_minor FROM balances WHERE account ~ '^(on|off)ramp:'"
        ours = dict(await rows(self.engine, query))
        return [
            f"{name}: {ours.get(name, 0)} instead of {theirs.get(name, 0)}"
            for name in sorted({*theirs, *ours})
            if ours.get(name, 0) != theirs.get(name, 0)
        ]


Act = Callable[[Restored], Awaitable[None]]


async def tried(world: Restored, act: Act) -> None:
    """A request or a verb, which may be refused."""
    with suppress(DomainError):
        await act(world)
    await world.carry()
