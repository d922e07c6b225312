"""The ports of payments and its worker with failpoints around them. Each wrapper does what the port
does, and at its named points hits a failpoint; decisions and statements stay the real ones."""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any
from uuid import UUID

from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.util import await_only

from services.payments.base.idempotency import StoredAnswer
from services.payments.engine.decisions.facts import Change, Work
from services.payments.engine.ports import WorkStore, WorkTransaction
from services.payments.engine.quarantine import Lease
from services.payments.engine.store.work import PostgresWork
from services.payments.mesh.fees import GrpcFees
from services.payments.mesh.fx import GrpcRates
from services.payments.mesh.ports import (
    FeeBook,
    FeeQuery,
    ProviderCall,
    Providers,
    RateQuery,
    Rates,
)
from services.payments.mesh.providers import GrpcProviders
from services.payments.model.answer import Answer
from services.payments.model.attempt import AttemptState
from services.payments.model.payment import PaymentNotFound, State
from services.payments.model.progress import STEP_OF_STATE
from services.payments.operators.store.operations import PostgresOperations
from services.payments.orders.ports import NewPayment, PaymentStore
from services.payments.orders.store import payments
from services.payments.orders.store.payments import PostgresPayments
from services.payments.webhooks_in.ports import Arrival, Inbox, Receipt
from services.payments.webhooks_in.store.inbox import PostgresInbox
from services.payments.webhooks_out.delivery import Delivery, Reply
from services.payments.webhooks_out.ports import EventSender
from services.payments.webhooks_out.sender import HttpSender
from services.shared.db import transaction
from services.shared.errors import DomainError
from tests.chaos.failpoints import Failpoints, Swept
from tests.chaos.swept_operators import SweptOperations

Hook = Callable[[], Awaitable[None]]
# How long Envoy is stopped for, or an answer kept from a client that hangs up meanwhile.
GATEWAY_SECONDS = 3.0
_AT_COMMIT: ContextVar[Hook | None] = ContextVar("at_commit", default=None)
_AT_BALANCES: ContextVar[Hook | None] = ContextVar("at_balances", default=None)


@event.listens_for(Engine, "commit")
def _before_commit(_: Any) -> None:
    if hook := _AT_COMMIT.get():
        await_only(hook())


@asynccontextmanager
async def _transaction(connection: AsyncConnection) -> AsyncIterator[None]:
    """The driver's own, which SQLAlchemy does not notice."""
    async with transaction(connection):
        yield
        if hook := _AT_COMMIT.get():
            await hook()


setattr(payments, "transaction", _transaction)  # noqa: B010 - for mypy it is not exported


@event.listens_for(Engine, "before_cursor_execute")
def _before_balances(_: Any, __: Any, statement: str, *___: Any) -> None:
    if "INSERT INTO balances" in statement and (hook := _AT_BALANCES.get()):
        await_only(hook())


def sweep_port(failpoints: Failpoints) -> Callable[[Any], Any]:
    """Wraps whichever port it is given; one that has no failpoints stays as it is."""
    wrappers: dict[type, Callable[[Any, Failpoints], Any]] = {
        GrpcFees: SweptFees,
        GrpcRates: SweptRates,
        GrpcProviders: SweptProviders,
        PostgresPayments: SweptPayments,
        PostgresInbox: SweptInbox,
        PostgresWork: SweptWork,
        PostgresOperations: SweptOperations,
        HttpSender: SweptSender,
    }

    def wrap(port: Any) -> Any:
        wrapper = wrappers.get(type(port))
        return wrapper(port, failpoints) if wrapper else port

    return wrap


class SweptFees(Swept):
    """F1: the call to fees is outstanding."""

    _inner: FeeBook

    async def calculate(self, queries: Sequence[FeeQuery]) -> Any:
        traces = [query.trace_id for query in queries]
        return await _outstanding(self._failpoints, "fees", traces, self._inner.calculate(queries))


class SweptRates(Swept):
    """F1: the call to fx is outstanding."""

    _inner: Rates

    async def get(self, queries: Sequence[RateQuery]) -> Any:
        traces = [trace for query in queries for trace in query.trace_ids]
        return await _outstanding(self._failpoints, "fx", traces, self._inner.get(queries))


async def _outstanding(
    failpoints: Failpoints, service: str, traces: Iterable[str], call: Awaitable[Any]
) -> Any:
    """The call is under way; then the service dies, or we do, or the call hangs or fails."""
    outstanding = asyncio.ensure_future(call)
    await asyncio.sleep(0)
    for reference in map(failpoints.called, traces):
        case = failpoints.armed("F1", service, reference)
        if case and case.action == "exit" and failpoints.take("F1", service, reference):
            failpoints.signal_process(service, signal.SIGKILL)
        await failpoints.hit("F1", (service, reference), (f"with_{service}", reference))
    return await outstanding


class SweptPayments(Swept):
    """A1 to A3: around the one commit of a creation."""

    _inner: PaymentStore

    async def create(self, new: Sequence[NewPayment]) -> Sequence[StoredAnswer | DomainError]:
        creating = [("create", item.payment.reference) for item in new]
        for item in new:
            if item.payment.reference.startswith("fp:"):
                self._failpoints.call(str(item.payment.id), item.payment.reference)

        async def before_commit() -> None:
            await self._failpoints.hit("A1", *creating)

        token = _AT_COMMIT.set(before_commit)
        try:
            created = await self._inner.create(new)
        finally:
            _AT_COMMIT.reset(token)
        # First the cases that raise nothing: after the commit no other case comes here a second
        # time.
        await self._strike_gateway(item.payment.reference for item in new)
        await self._failpoints.hit("A2", *creating)
        return created

    async def _strike_gateway(self, references: Iterable[str]) -> None:
        for reference in references:
            case = self._failpoints.take("A3", "create", reference)
            if case is None:
                continue
            if case.action == "exit":
                self._failpoints.signal_process("gateway", signal.SIGKILL)
                continue
            if case.action == "hang":
                self._failpoints.signal_process("gateway", signal.SIGSTOP)
            # Where it is to raise, the client hangs up meanwhile.
            await asyncio.sleep(GATEWAY_SECONDS)
            if case.action == "hang":
                self._failpoints.signal_process("gateway", signal.SIGCONT)


class SweptInbox(Swept):
    """H1 and H2: around the commit that keeps an event, of a webhook or of a list."""

    _inner: Inbox

    async def receive(self, arrivals: Sequence[Arrival]) -> Sequence[Receipt | PaymentNotFound]:
        received = [
            ("inbox", self._failpoints.called(str(arrival.payment_id)))
            for arrival in arrivals
            if arrival.event.step == "payout"
        ]
        received += [
            ("claim", self._failpoints.called(arrival.event.collection_reference))
            for arrival in arrivals
            if arrival.event.dispute is not None
        ]
        await self._failpoints.hit("H1", *received)

        async def before_commit() -> None:
            await self._failpoints.hit("H1b", *received)

        token = _AT_COMMIT.set(before_commit)
        try:
            receipts = await self._inner.receive(arrivals)
        finally:
            _AT_COMMIT.reset(token)
        await self._failpoints.hit("H2", *received)
        return receipts


class SweptWork(Swept):
    """The worker's transactions, and the moment after each."""

    _inner: WorkStore

    @asynccontextmanager
    async def begin(self) -> AsyncIterator["SweptTransaction"]:
        async with self._inner.begin() as transaction:
            swept = SweptTransaction(transaction, self._failpoints)
            yield swept
        await swept.after()


class SweptTransaction(Swept):
    """W1, W2, W5 to W7, L1, H3 and H4: in the worker's transactions; C1 and C2: in a merchant's."""

    _inner: WorkTransaction

    def __init__(self, inner: WorkTransaction, failpoints: Failpoints) -> None:
        super().__init__(inner, failpoints)
        self._claims = False
        self._intended: list[Change] = []
        self._answered: list[Change] = []
        self._marked: list[Work] = []
        # The payments that a record makes due at once: their claim was the one before.
        self._followed: list[tuple[str, str]] = []
        self._asked: list[tuple[str, str]] = []

    async def claim(self, owner: str, **terms: Any) -> Sequence[Work]:
        claimed = await self._inner.claim(owner, **terms)
        return await self._taken(claimed)

    async def take_up(self, leases: Sequence[Lease]) -> Sequence[Work]:
        return await self._taken(await self._inner.take_up(leases))

    async def _taken(self, claimed: Sequence[Work]) -> Sequence[Work]:
        self._claims = True
        begins = [(_due(work), work.payment.reference) for work in claimed if _begins(work)]
        received = [work for work in claimed if any(event.step == "payout" for event in work.inbox)]
        await self._failpoints.hit("W1", *begins)
        claims = [("claim", work.payment.reference) for work in claimed if work.claims]
        await self._failpoints.hit(
            "H3", *(("inbox", work.payment.reference) for work in received), *claims
        )
        return claimed

    async def mark_sent(self, work: Sequence[Work]) -> Sequence[Work]:
        await self._failpoints.hit("W2a", *map(_attempted, work))
        self._marked = list(await self._inner.mark_sent(work))
        return self._marked

    async def write(self, changes: Sequence[Change]) -> Collection[UUID]:
        if not self._claims:
            self._answered = [change for change in changes if change.attempt]
            await self._hit_each("W5", self._answered)
        self._followed = [
            (change.following.step, change.payment.reference)
            for change in changes
            if change.following
        ]
        await self._failpoints.hit("W1", *self._followed)
        self._asked = [("correct", c.payment.reference) for c in changes if c.corrects]
        self._asked += [("give_back", c.payment.reference) for c in changes if _gives_back(c)]
        for change in changes:
            if change.payment.collection_reference != change.before.collection_reference:
                # Claims name the collection alone.
                self._failpoints.call(change.payment.collection_reference, change.payment.reference)
        posting = [change for change in changes if change.postings]

        async def between_legs() -> None:
            await self._hit_each("L1", posting)

        token = _AT_BALANCES.set(between_legs)
        try:
            written = await self._inner.write(changes)
        finally:
            _AT_BALANCES.reset(token)
        await self._hit_each("W5b", self._answered)
        if self._claims:
            self._intended = [c for c in changes if c.attempt and c.keeps_lease]
            received = [("inbox", c.payment.reference) for c in changes if c.closed_events]
            await self._failpoints.hit("H4", *received)
        # A claim is applied with what its provider says of it.
        closed = [("claim", c.payment.reference) for c in changes if c.closed_claims]
        await self._failpoints.hit("H4", *closed)
        return written

    async def commit(self) -> None:
        await self._failpoints.hit("C1", *self._asked)
        await self._inner.commit()
        await self._failpoints.hit("C2", *self._asked)
        await self._hit_each("W2", self._intended)
        await self._failpoints.hit("W2", *self._followed)
        await self._hit_each("W6", self._answered)

    async def after(self) -> None:
        """The connection has been given back; nothing else has happened yet."""
        await self._hit_each("W7", self._answered)
        await self._failpoints.hit("W2b", *map(_attempted, self._marked))

    async def _hit_each(self, point: str, changes: Iterable[Change]) -> None:
        await self._failpoints.hit(point, *map(_attempted, changes))


def _begins(work: Work) -> bool:
    return work.attempt is None or work.attempt.state is AttemptState.FAILED


def _due(work: Work) -> str:
    """The step that is to begin; after a refusal, the correction or the deadline."""
    if work.payment.state is State.ACTION_REQUIRED:
        return "deadline"
    step = STEP_OF_STATE.get(work.payment.state, "")
    return "correction" if step == "payout" and work.attempt is not None else step


def _gives_back(change: Change) -> bool:
    """Whether it is a refund that a merchant asks for."""
    attempt = change.attempt
    begins = attempt is not None and (attempt.step, attempt.state) == ("refund", "INTENDED")
    return begins and any(event.actor == "merchant" for event in change.events)


def _attempted(what: Work | Change) -> tuple[str, str]:
    return (_step_of(what), what.payment.reference)


def _step_of(what: Work | Change) -> str:
    if what.attempt is None:
        return ""
    if what.payment.state is State.ACTION_REQUIRED:
        return "refusal"
    if isinstance(what, Change) and what.attempt.state is AttemptState.REVERSED:
        return "return"
    is_second = what.attempt.step == "payout" and what.attempt.number > 1
    return "correction" if is_second else what.attempt.step


class SweptSender(Swept):
    """O1 and O2: around the request to a merchant's endpoint."""

    _inner: EventSender

    async def send(self, delivery: Delivery) -> Reply:
        struck = ("outbox", self._failpoints.called(str(delivery.payment_id)))
        await self._failpoints.hit("O2", struck)
        reply = await self._inner.send(delivery)
        await self._failpoints.hit("O1", struck)
        return reply


class SweptProviders(Swept):
    """S1: marked as sent, and the first byte has not left. K1: a look-up has been answered."""

    _inner: Providers

    async def execute(self, calls: Sequence[ProviderCall]) -> AsyncIterator[tuple[str, Answer]]:
        sending = [(call.attempt.step, call.payment.reference) for call in calls]
        await self._failpoints.hit("S1", *sending)
        async for answered in self._inner.execute(calls):
            yield answered

    async def look_up(self, calls: Sequence[ProviderCall]) -> AsyncIterator[tuple[str, Answer]]:
        of_key = {call.attempt.key: call for call in calls}
        async for key, answer in self._inner.look_up(calls):
            call = of_key[key]
            await self._failpoints.hit("K1", (call.attempt.step, call.payment.reference))
            yield key, answer
