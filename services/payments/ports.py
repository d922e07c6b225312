"""What the verbs and the worker need from outside, as Protocols. The store, the clients and the
tests' fakes implement them; nothing here says how."""

import math
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from services.payments.domain.attempt import Answer, Attempt, Capabilities, Step
from services.payments.domain.delivery import Delivery, Reply, Verdict
from services.payments.domain.endpoint import Endpoint
from services.payments.domain.payment import Payment, RecordedEvent, State
from services.payments.domain.quote import Fees, Quote, RateTrail
from services.payments.steps import Change, Work
from services.shared.errors import DomainError
from services.shared.money import Money

Encode = Callable[[Payment], bytes]


@dataclass(frozen=True, kw_only=True)
class FeeQuery:
    """What to price: a corridor and an amount in US dollars."""

    corridor_id: str
    amount: Money
    trace_id: str


class FeeBook(Protocol):
    """The fees service."""

    async def calculate(self, queries: Sequence[FeeQuery]) -> Sequence[Fees | DomainError]:
        """The fees of each query, or why there are none, in order. Raises Unavailable."""
        ...


@dataclass(frozen=True, kw_only=True)
class RateQuery:
    """A corridor whose rate is wanted, and the traces of the payments that want it."""

    corridor_id: str
    trace_ids: tuple[str, ...] = ()


class Rates(Protocol):
    """The fx service."""

    async def get(self, queries: Sequence[RateQuery]) -> Sequence[RateTrail | DomainError]:
        """The rate of each corridor, or why there is none, in order. Raises Unavailable."""
        ...


@dataclass(frozen=True, kw_only=True)
class ProviderCall:
    """One attempt on its way to its provider, with the payment it belongs to."""

    payment: Payment
    attempt: Attempt
    # From when on it must not be sent any more, on the monotonic clock: a worker that was stopped
    # between the mark and the send finds out here that the payment may be somebody else's.
    send_before: float = math.inf


@dataclass(frozen=True, kw_only=True)
class ProviderEvent:
    """A webhook whose signature held, or that a sandbox let pass unsigned."""

    provider: str
    event_id: str
    event_type: str
    transaction_id: str
    # None where the event is about none of our operations.
    step: Step | None
    answer: Answer


class Providers(Protocol):
    """The providers service."""

    def execute(self, calls: Sequence[ProviderCall]) -> AsyncIterator[tuple[str, Answer]]:
        """Sends each attempt under its key; yields (key, answer) as each is known, every key once.

        Never raises for a provider or for the mesh: what is not known is UNKNOWN, and so is what
        was not sent because its time was over.
        """
        ...

    def look_up(self, calls: Sequence[ProviderCall]) -> AsyncIterator[tuple[str, Answer]]:
        """Asks what became of each attempt; yields (key, answer), every key once."""
        ...

    async def read_webhook(
        self, provider: str, headers: Mapping[str, str], body: bytes, *, allow_unsigned: bool
    ) -> ProviderEvent:
        """Verifies a webhook and says what it means. Raises what ReadWebhook refuses with."""
        ...

    async def capabilities(self) -> Mapping[str, Capabilities]:
        """What each provider has declared, by name. Raises Unavailable."""
        ...

    async def is_sandbox(self) -> bool:
        """Whether no provider can move real money. Raises Unavailable."""
        ...


IdempotencyKey = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class StoredAnswer:
    """The first answer that was given under an idempotency key."""

    fingerprint: bytes
    response: bytes


@dataclass(frozen=True, kw_only=True)
class NewPayment:
    """All that one creation writes, in one transaction with its neighbours'."""

    idempotency_key: str
    fingerprint: bytes
    response: bytes
    payment: Payment
    quote: Quote
    # True where the quote was made earlier and is now consumed.
    quote_exists: bool


@dataclass(frozen=True, kw_only=True)
class PaymentFilter:
    """Which payments to list; absent fields do not filter."""

    states: Collection[State] | None = None
    held: bool | None = None
    sent: bool | None = None
    user_id: UUID | None = None
    destination_currency: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None


class PaymentStore(Protocol):
    """Payments and quotes, each call one short transaction or one read."""

    async def answers(
        self, keys: Sequence[IdempotencyKey]
    ) -> tuple[datetime, Mapping[IdempotencyKey, StoredAnswer]]:
        """The database's time, and the first answers of those keys that have one."""
        ...

    async def create(self, new: Sequence[NewPayment]) -> Sequence[StoredAnswer | DomainError]:
        """Creates all in one commit; gives each item's stored answer, in order.

        A key that somebody else has used meanwhile gives that one's answer, and a quote that was
        used or has expired meanwhile its error; such an item changes nothing.
        """
        ...

    async def get(self, merchant_id: str, payment_id: UUID) -> Payment:
        """One payment. Raises PaymentNotFound."""
        ...

    async def page(
        self, merchant_id: str, wanted: PaymentFilter, *, before: UUID | None, limit: int
    ) -> Sequence[Payment]:
        """Up to limit payments, newest first, those older than `before`."""
        ...

    async def events(self, merchant_id: str, payment_id: UUID) -> Sequence[RecordedEvent]:
        """A payment's whole history, oldest first. Raises PaymentNotFound."""
        ...

    async def add_quote(self, quote: Quote) -> None:
        """Keeps an open quote."""
        ...

    async def quotes(
        self, keys: Sequence[tuple[str, UUID]]
    ) -> tuple[datetime, Mapping[tuple[str, UUID], Quote]]:
        """The database's time, and those quotes of (merchant, id) that exist."""
        ...


class Receipt(StrEnum):
    """What was done with a webhook; the names of the public API."""

    ACCEPTED = "ACCEPTED"
    DUPLICATE = "DUPLICATE"
    IGNORED = "IGNORED"


class Inbox(Protocol):
    """Verified webhooks, kept before they are answered."""

    async def receive(self, event: ProviderEvent, payment_id: UUID | None, body: bytes) -> Receipt:
        """Keeps an event once and makes its payment due.

        With a payment_id that is none of ours the event is kept as unmatched and IGNORED.
        """
        ...

    async def knows(self, payment_id: UUID) -> bool:
        """Whether any merchant has this payment."""
        ...


class WorkTransaction(Protocol):
    """One transaction of the worker; leaving it without commit() undoes it."""

    async def now(self) -> datetime:
        """The database's time."""
        ...

    async def claim(self, owner: str, *, limit: int, lease_seconds: float) -> Sequence[Work]:
        """Takes due payments that nobody holds, oldest first, each under a new lease token."""
        ...

    async def lock(self, merchant_id: str, payment_id: UUID) -> tuple[Payment, bool]:
        """One payment, which nobody changes until this transaction ends, and whether a worker has
        it under a lease. Raises PaymentNotFound."""
        ...

    async def request_cancel(self, payment: Payment) -> Payment:
        """Notes the merchant's wish and makes the payment due; gives it as it is then."""
        ...

    async def answer(self, key: IdempotencyKey) -> StoredAnswer | None:
        """The first answer that was given under a key."""
        ...

    async def keep_answer(
        self, key: IdempotencyKey, answer: StoredAnswer, payment_id: UUID, *, operation: str
    ) -> StoredAnswer:
        """Keeps an answer under a key; gives the one that is kept, which may be another's."""
        ...

    async def claim_one(self, merchant_id: str, payment_id: UUID) -> Work:
        """Takes one payment for the length of this transaction, whether it is due or not.

        Raises PaymentNotFound, or PaymentBusy while somebody else has it.
        """
        ...

    async def mark_sent(self, work: Sequence[Work]) -> Sequence[Work]:
        """Records that requests are about to leave; gives those whose lease still stands."""
        ...

    async def write(self, changes: Sequence[Change]) -> Collection[UUID]:
        """Writes each change whose lease and version still stand; gives those payments' ids."""
        ...

    async def commit(self) -> None:
        """Makes it durable."""
        ...


class WorkStore(Protocol):
    """Where the worker's transactions come from."""

    def begin(self) -> AbstractAsyncContextManager[WorkTransaction]:
        """A new transaction."""
        ...


class EndpointStore(Protocol):
    """Where merchants want to hear of their payments."""

    async def add(self, merchant_id: str, endpoint_id: UUID, url: str, secret: str) -> Endpoint:
        """Keeps a new endpoint. Raises EndpointsExhausted."""
        ...

    async def list(self, merchant_id: str) -> Sequence[Endpoint]:
        """Those of a merchant that are not deleted, oldest first."""
        ...

    async def delete(self, merchant_id: str, endpoint_id: UUID) -> None:
        """Disables an endpoint for good and hides it. Raises EndpointNotFound."""
        ...


class Outbox(Protocol):
    """What merchants' endpoints are to be sent; each call is one transaction."""

    async def claim(
        self, busy: Mapping[UUID, int], *, each: int, limit: int, lease_seconds: float
    ) -> Sequence[Delivery]:
        """Takes due deliveries that nobody holds, each under a new lease token.

        At most limit, and of one endpoint at most each, less those that busy says are under way.
        """
        ...

    async def settle(self, settled: Sequence[tuple[Delivery, Verdict]]) -> Sequence[bool]:
        """Writes each verdict whose lease token still stands; says in order whether it did."""
        ...

    async def oldest_pending_seconds(self) -> float:
        """The age of the oldest event that is neither delivered nor given up; 0 where none is."""
        ...


class EventSender(Protocol):
    """The way to merchants' endpoints."""

    async def send(self, delivery: Delivery) -> Reply:
        """Sends an event, signed, once; gives the status of the answer, or why there is none."""
        ...
