"""A database that has lost payments, providers that have them, and its recovery, for tests."""

from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.audit.checks import PostgresAudit
from services.payments.base.idempotency import StoredAnswer, digests_of
from services.payments.base.recovery_rows import recovery_text
from services.payments.engine.decisions.facts import Call
from services.payments.engine.store.work import PostgresWork
from services.payments.mesh.ports import ListedOperation, ProviderCall
from services.payments.model.answer import Answer, Outcome
from services.payments.model.attempt import Capabilities, Step
from services.payments.model.operator import Operator
from services.payments.model.payment import Failure, Payment
from services.payments.orders.ports import NewPayment
from services.payments.orders.store.payments import PostgresPayments
from services.payments.recovery.rebuilding import Rebuilding
from services.payments.recovery.recovering import NOT_KEPT, Kept, Recovering, Report
from services.payments.recovery.store.lost import PostgresLostPayments
from services.payments.recovery.store.marks import PostgresMarks
from services.payments.recovery.store.rebuilt import PostgresRebuiltPayments
from services.payments.webhooks_out.convert import encode_event
from tests.database.payments.engine.carried import DECIDER
from tests.database.payments.recovery.lists import Lists, listed
from tests.makers import CAPABILITIES, make_new_payment

ADA = Operator(name="ada", note="a drill", person="operator:ada")
SOURCES = (
    ("stripe", Step.COLLECTION),
    ("stripe", Step.REFUND),
    ("local_wallet", Step.PAYOUT),
    ("bank", Step.PAYOUT),
)
PAID = Answer(outcome=Outcome.SUCCEEDED, provider_reference="x_1")
PENDING = Answer(outcome=Outcome.PENDING, provider_reference="x_1")
DECLINED = Answer(outcome=Outcome.FAILED, failure=Failure(code="card_declined", message="declined"))
UNCLEAR = Answer(outcome=Outcome.UNKNOWN, failure=Failure(code="unknown_status", message="resting"))
NOT_ASKED = Answer(outcome=Outcome.NOT_SENT, failure=Failure(code="breaker_open", message=""))
UNSUPPORTED = Answer(
    outcome=Outcome.UNKNOWN, failure=Failure(code="provider_unsupported", message="")
)
SILENT = Answer(outcome=Outcome.UNKNOWN, failure=Failure(code="no_answer", message=""))


class Providers:
    """Providers that answer look-ups about keys; any other is unknown to them. One that is not
    declared cannot be asked, where declarations are given."""

    def __init__(
        self, answers: Mapping[str, Answer], declared: Collection[str] | None = None
    ) -> None:
        self.answers = dict(answers)
        self.declared = declared
        self.asked: list[ProviderCall] = []

    async def look_up(self, calls: Sequence[ProviderCall]) -> AsyncIterator[tuple[str, Answer]]:
        self.asked += calls
        for call in calls:
            key = call.attempt.key
            if self.declared is not None and call.attempt.provider not in self.declared:
                yield key, UNSUPPORTED
                continue
            answer = self.answers.get(key, Answer(outcome=Outcome.ABSENT))
            stated = answer.amount
            if stated and stated != call.attempt.amount and call.attempt.step is Step.REFUND:
                mismatch = Failure(code="amount_mismatch", message="")
                yield key, replace(answer, outcome=Outcome.UNKNOWN, failure=mismatch)
            else:
                yield key, answer


def make_lost(key: str = "order-7", **changes: Any) -> NewPayment:
    """A creation as a client made it, which this database does not have."""
    new = make_new_payment(key=key, **changes)
    key_digest, request_digest = digests_of(new.key, new.fingerprint)
    payment = replace(new.payment, key_digest=key_digest, request_digest=request_digest)
    return replace(new, payment=payment)


class Drill:
    """A database that has lost a payment, and providers that have these operations of it."""

    def __init__(
        self, engine: AsyncEngine, new: NewPayment, known: Mapping[tuple[str, Step, int], Answer]
    ) -> None:
        self.engine, self.new, self.payment = engine, new, new.payment
        self.text = recovery_text(new.payment)
        self.known = known
        self.providers = Providers({self.key(*one[1:]): answer for one, answer in known.items()})

    def key(self, step: Step, number: int = 1) -> str:
        return f"{self.payment.transaction_id}-{step}-{number}"

    def listed(self) -> Iterator[tuple[str, ListedOperation]]:
        made_at = datetime.now(UTC) - timedelta(minutes=5)
        for provider, step, number in self.known:
            one = listed(self.key(step, number), created_at=made_at)
            yield provider, replace(one, recovery=self.text if step is Step.COLLECTION else "")

    async def recover(self) -> Report:
        return await recover([self])

    async def read(self) -> Payment:
        return await PostgresPayments(self.engine).get(self.new.key[0], self.payment.id)

    async def answer(self, new: NewPayment | None = None) -> StoredAnswer | None:
        key = (new or self.new).key
        return (await PostgresPayments(self.engine).answers([key]))[1].get(key)

    async def balances(self) -> dict[str, int]:
        query = text("SELECT account, balance_minor FROM balances WHERE balance_minor <> 0")
        async with self.engine.connect() as connection:
            return {row.account: row.balance_minor for row in await connection.execute(query)}

    async def attempts(self) -> dict[str, tuple[str, str | None, int | None]]:
        query = text("SELECT key, state, failure_code, moved_minor FROM attempts")
        async with self.engine.connect() as connection:
            return {
                row.key.partition("-")[2]: (row.state, row.failure_code, row.moved_minor)
                for row in await connection.execute(query)
            }

    async def change(self, decide: Any) -> None:
        async with PostgresWork(self.engine).begin() as transaction:
            work = await transaction.claim_one(self.new.key[0], self.payment.id)
            assert await transaction.write([decide(work)])
            await transaction.commit()

    async def carry(self) -> list[str]:
        """Releases the hold, and takes the payment as far as it goes; gives what was sent."""
        sent: list[str] = []
        store = PostgresWork(self.engine)
        while True:
            async with store.begin() as transaction:
                claimed = await transaction.claim("test", limit=10, lease_seconds=30)
                if not claimed:
                    return sent
                plan = DECIDER.plan(claimed[0])
                await transaction.write([plan.change])
                await transaction.commit()
            if plan.call is None:
                continue
            attempt = plan.work.attempt
            assert attempt is not None
            if plan.call is Call.SEND:
                sent.append(attempt.key)
            answer = self.providers.answers.get(attempt.key, PAID)
            async with store.begin() as transaction:
                sends = plan.call is Call.SEND
                (work,) = await transaction.mark_sent([plan.work]) if sends else (plan.work,)
                now, _ = await transaction.untouched([], lease_seconds=0)
                assert await transaction.write([DECIDER.settle(work, answer, now)])
                await transaction.commit()

    async def assert_all_holds(self) -> None:
        report = await PostgresAudit(self.engine, overdue_seconds=600).report()
        assert not report.broken


def recovering(
    drills: Sequence[Drill], declared: Mapping[str, Capabilities] = CAPABILITIES
) -> Recovering:
    """A recovery of all of them, not begun yet."""
    engine, lists = drills[0].engine, Lists()
    lists.all_sources = SOURCES
    for provider, one in (pair for drill in drills for pair in drill.listed()):
        lists.known[provider] = [*(lists.known.get(provider) or ()), one]
    answers = {key: said for drill in drills for key, said in drill.providers.answers.items()}
    providers: Any = Providers(answers, declared)
    rebuilding = Rebuilding(providers, PostgresRebuiltPayments(engine, encode_event), declared)
    lost = PostgresLostPayments(engine, encode_event, DECIDER)
    return Recovering(PostgresMarks(engine), lists, lost, rebuilding, declared)


async def recover(drills: Sequence[Drill], kept: Kept = NOT_KEPT) -> Report:
    return await recovering(drills).recover(ADA, kept)
