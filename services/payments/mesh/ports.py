"""The other services as payments sees them: fees, fx and providers."""

import math
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from services.payments.model.answer import Answer
from services.payments.model.attempt import Attempt, Capabilities, Step
from services.payments.model.corridor_version import CorridorVersion
from services.payments.model.dispute import DisputeReport
from services.payments.model.payment import Payment
from services.payments.model.quote import Fees, RateOverride, RateTrail
from services.shared.corridors import CorridorFiles, Corridors
from services.shared.deployment import Deployment
from services.shared.errors import DomainError
from services.shared.money import Money
from services.shared.recipients import Recipient


@dataclass(frozen=True, kw_only=True)
class FeeQuery:
    """A question about fees: a corridor, the merchant, and an amount in US dollars: the one that is
    paid, or where is_net is True the one that must be left after the fees."""

    corridor_id: str
    merchant_id: str
    amount: Money
    trace_id: str
    # Of the corridor files; one for all queries of a call.
    corridors_version: str = ""
    is_net: bool = False


class FeeBook(Protocol):
    """The prices of the fees service, asked for many payments at a time."""

    async def calculate(self, queries: Sequence[FeeQuery]) -> Sequence[Fees | DomainError]:
        """The fees of each query, or why there are none, in order. Raises Unavailable."""
        ...


@dataclass(frozen=True, kw_only=True)
class RateQuery:
    """A corridor whose rate is wanted, and the traces of the payments that want it."""

    corridor_id: str
    # Of the corridor files; one for all queries of a call. The worker leaves it to CurrentRates.
    corridors_version: str = ""
    trace_ids: tuple[str, ...] = ()
    # In force for the corridor.
    override: RateOverride | None = None


class Rates(Protocol):
    """The rates of the fx service, asked for many corridors at a time."""

    async def get(self, queries: Sequence[RateQuery]) -> Sequence[RateTrail | DomainError]:
        """The rate of each corridor, or why there is none, in order. Raises Unavailable."""
        ...


class VersionSource(Protocol):
    """The versions as the database has them."""

    async def open(self) -> tuple[datetime, Sequence[CorridorVersion]]:
        """The database's time, and the version that counts with those that will, in order. Raises
        Unavailable."""
        ...

    async def files(self, version: str) -> CorridorFiles:
        """The files of a version. Raises Unavailable."""
        ...


class CurrentCorridors(Protocol):
    """The corridors that count."""

    async def current(self) -> Corridors:
        """Those of this moment. Raises Unavailable."""
        ...


class CorridorCheck(Protocol):
    """A service that works by the corridor files."""

    async def check_corridors(self, files: CorridorFiles) -> None:
        """Raises CorridorsRefused's reason where it could not use these files; Unavailable."""
        ...


@dataclass(frozen=True, kw_only=True)
class ProviderCall:
    """One attempt on its way to its provider, with the payment it belongs to."""

    payment: Payment
    attempt: Attempt
    # From when on it must not be sent any more, on the monotonic clock: a worker that was stopped
    # between the mark and the send finds out here that its time is over. The attempt says it by the
    # database's clock, for whoever is stopped later.
    send_before: float = math.inf


@dataclass(frozen=True, kw_only=True)
class IncomingWebhook:
    """A webhook as it came; its URL names the provider."""

    provider: str
    headers: Mapping[str, str]
    body: bytes
    # Whether one without a signature may pass, in a sandbox.
    allow_unsigned: bool
    # Of the call that brought it.
    trace_id: str = ""


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
    # The collection that it is about, by its provider's id, where it names no payment of ours.
    collection_reference: str = ""
    # Its report of a claim against that collection.
    dispute: DisputeReport | None = None


@dataclass(frozen=True, kw_only=True)
class ListedEvent:
    """One event of a provider's list, or why it cannot be read."""

    read: ProviderEvent | DomainError
    # As JSON, like the body of its webhook.
    body: bytes = field(repr=False)
    # By the provider's own clock; None where it does not say.
    created_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class EventPage:
    """One page of the events that a provider keeps."""

    events: tuple[ListedEvent, ...]
    # The name of the one after it; empty where there is none.
    next_page: str = ""


@dataclass(frozen=True, kw_only=True)
class ListedOperation:
    """One operation of ours, as its provider lists it."""

    # Empty where the list has only a digest of it that fits none of the expected keys.
    key: str
    provider_reference: str
    # By the provider's own clock; None where it does not say.
    created_at: datetime | None
    # The text that was sent with it, where the provider keeps it.
    recovery: str = ""


@dataclass(frozen=True, kw_only=True)
class OperationPage:
    """One page of the operations that a provider has of us, the newest first."""

    operations: tuple[ListedOperation, ...]
    # The name of the one after it; empty where there is none.
    next_page: str = ""


class OperationLists(Protocol):
    """The lists that providers have of our operations."""

    async def sources(self) -> Sequence[tuple[str, Step]]:
        """Every provider that has such a list, with each step that it takes. Raises Unavailable."""
        ...

    async def read(
        self,
        provider: str,
        step: Step,
        *,
        since: datetime,
        page: str = "",
        expected_keys: Sequence[str] = (),
    ) -> OperationPage:
        """One page of those that were made since then. A list that has only a digest of our keys
        names the expected ones alone.

        Raises Unavailable, Invalid where the provider does not know the page, NotFound where it
        has no such list.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class HolderQuery:
    """A question whose an account is, and the providers that may know, the first one first."""

    recipient: Recipient
    currency: str
    providers: tuple[str, ...]


class Resolution(StrEnum):
    """Whether a provider knows the account: UNANSWERED where none could say."""

    FOUND = "FOUND"
    NOT_FOUND = "NOT_FOUND"
    UNANSWERED = "UNANSWERED"


@dataclass(frozen=True, kw_only=True)
class Holder:
    """The holder of an account, as far as it is known; the name is there with FOUND."""

    resolution: Resolution
    name: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True)
class BreakerState:
    """Whether operations of one step are sent to a provider."""

    provider: str
    step: Step
    # CLOSED, HALF_OPEN or OPEN.
    state: str
    lasts: timedelta


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

    async def read_webhooks(
        self, webhooks: Sequence[IncomingWebhook]
    ) -> Sequence[ProviderEvent | DomainError]:
        """Verifies each webhook and says what it means, or why it is refused; in order.

        Raises Unavailable.
        """
        ...

    async def list_events(self, provider: str, since: datetime | None, page: str) -> EventPage:
        """One page of the events that a provider keeps, from then on; all where there is no time.

        Raises Invalid where the provider does not know the page, Unavailable.
        """
        ...

    async def look_up_dispute(self, provider: str, provider_reference: str) -> DisputeReport | None:
        """Asks how a claim stands now; None where the provider has none of this id.

        Raises Unavailable, and ProviderNotFound where nobody can be asked.
        """
        ...

    async def resolve(self, query: HolderQuery) -> Holder:
        """Asks whose an account is. Never raises: who does not answer in time is UNANSWERED."""
        ...

    async def breakers(self) -> Sequence[BreakerState]:
        """Whether each provider is sent operations of each step, by one replica. Raises
        Unavailable."""
        ...

    async def capabilities(self) -> Mapping[str, Capabilities]:
        """The declared capabilities of each provider, by name. Raises Unavailable."""
        ...

    async def deployment(self) -> Deployment | None:
        """Its deployment; None for one that we do not know. Raises Unavailable."""
        ...
